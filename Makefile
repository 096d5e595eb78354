# Every command a developer or CI needs; `make help` lists them. No Docker, no root.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Build caches live outside the checkout, so that a second clone builds in minutes.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/karyaksham
export CARGO_TARGET_DIR ?= $(CACHE)/target
export UV_LINK_MODE ?= copy
export VIRTUAL_ENV := $(CURDIR)/.venv
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PYTHON ?= python3
UV_VERSION := 0.13.9
PY := .venv/bin/python
PYTEST_ARGS ?=

.PHONY: help preflight setup engine web demo up test lint types test-rust test-web test-python monitoring deployment policies image-check audit test-browser pictures wheel codegen codegen-check ci-box bench fuzz faults format lock clean

help: ## List the commands.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

preflight: ## Say what this machine lacks, if anything.
	@PYTHON=$(PYTHON) bash ops/setup/preflight.sh

.venv/.synced: requirements.lock
	@[ -x $(PY) ] || $(PYTHON) -m venv .venv
	@$(PY) -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@.venv/bin/uv pip install -q --require-hashes --python $(PY) -r requirements.lock
	@touch $@

web/node_modules/.synced: web/package-lock.json
	@npm ci --prefix web --no-audit --no-fund --silent
	@touch $@

graph/static/index.html: web/node_modules/.synced $(shell find web/src web/index.html web/vite.config.ts -type f 2>/dev/null)
	@npm --prefix web run build --silent -- --logLevel warn

web: graph/static/index.html ## Build the SPA into graph/static.

engine: .venv/.synced ## Build the Rust engine and Flight server into the virtual environment.
	@maturin develop --release --uv --quiet

setup: preflight .venv/.synced ## Install and build everything into .venv (idempotent).
	@$(MAKE) web engine

demo: setup ## Build, start the embedded stack, run real pipelines, pull the results into pandas and Polars.
	@$(PY) -m ops.demo

up: setup ## Run the whole stack; Ctrl-C stops it.
	@karyaksham up

test: setup ## Everything CI runs.
	@$(MAKE) lint types codegen-check test-rust test-web test-python test-browser wheel

lint: .venv/.synced web/node_modules/.synced ## ruff, import rules, rustfmt, clippy, the web linter, file rules.
	@ruff check . && ruff format --check .
	@lint-imports
	@$(PY) -m ops.setup.house_rules
	@cargo fmt --all --check
	@cargo clippy --release --locked --quiet --workspace --all-targets -- -D warnings
	@npm --prefix web run lint --silent

types: .venv/.synced web/node_modules/.synced ## mypy --strict and tsc.
	@mypy
	@npm --prefix web run typecheck --silent

test-rust: ## Tests of the Rust crates; property tests draw from PROPTEST_RNG_SEED=1 (another number: other cases).
	@PROPTEST_RNG_SEED=$(or $(PROPTEST_RNG_SEED),1) cargo test --release --locked --workspace

test-web: web/node_modules/.synced ## Vitest.
	@npm --prefix web test --silent

test-python: ## pytest on the real embedded stack (PYTEST_ARGS=… passes options on).
	@$(PY) -m pytest tests --ignore=tests/browser $(PYTEST_ARGS)

monitoring: .venv/.synced ## Rules, alerts, routes and dashboards, with a real Prometheus on the real stack (Debian's programs, fetched if need be).
	@$(PY) -m ops.setup.debian_tools
	@$(PY) -m pytest tests/ops/monitoring $(PYTEST_ARGS)

deployment: setup ## Container files, chart and workflows, with Helm and the schemas that they are held against (fetched if need be).
	@$(PY) -m ops.setup.package_tools
	@$(PY) -m pytest tests/ops/containers tests/ops/kubernetes tests/ops/workflows $(PYTEST_ARGS)

policies: .venv/.synced ## checkov over chart, Dockerfile and workflows (installed by uv, apart from ours); asks PyPI.
	@$(PY) -m ops.setup.package_tools >/dev/null
	@$(PY) -m tests.ops.policies

image-check: setup ## Build the image and run it as Compose does, without Docker (as root, with Podman: tests/image/__init__.py; IMAGE_ARGS=…).
	@$(PY) -m ops.setup.package_tools --only traefik >/dev/null
	@$(PY) -m tests.image $(IMAGE_ARGS)

audit: .venv/.synced ## Known vulnerabilities of what is locked; asks PyPI, npm and RustSec (cargo install cargo-audit).
	@pip-audit --require-hashes --disable-pip -r requirements.lock
	@npm audit --prefix web --audit-level=high
	@npm audit --prefix ops/setup/npm --audit-level=high
	@cargo audit

test-browser: ## The stories in Debian's Chromium.
	@$(PY) -m pytest tests/browser $(PYTEST_ARGS)

pictures: setup ## Take the README's pictures from a real stack (SHOTS=folder keeps screenshots of all pages).
	@$(PY) -m tests.browser.pictures

wheel: setup ## Build the wheel and try it in a fresh virtual environment.
	@maturin build --release --quiet --out $(CACHE)/dist
	@$(PY) -m ops.setup.try_wheel $(CACHE)/dist

codegen: setup ## Write every generated file (schemas, SDL, TypeScript, .env.example, CLI page).
	@$(PY) -m ops.codegen

codegen-check: setup ## Fail when a generated file is stale.
	@$(PY) -m ops.codegen --check

ci-box: ## Run .ci/run on a fresh clone of what is committed, in a box that forbids what containers forbid (as root).
	@# Not below root's home: in the box, PostgreSQL runs as an ordinary user, who must reach its programs.
	@rm -rf /tmp/karyaksham-ci-box && git clone -q . /tmp/karyaksham-ci-box
	@cd /tmp/karyaksham-ci-box && $(PYTHON) -m ops.setup.box ./.ci/run

bench: setup ## Figures of the API and of jobs, beside their peers (tests/bench/README.md).
	@$(PY) -m tests.bench $(BENCH_ARGS)

fuzz: ## Fuzz the readers for SECONDS=600 (SEED=n repeats, KEEP=1 keeps inputs of new behaviour; engine/tests/fuzz/main.rs).
	@FUZZ_SECONDS=$(or $(SECONDS),600) FUZZ_SEED=$(SEED) FUZZ_KEEP=$(KEEP) cargo test --release --locked --workspace --test fuzz -- --nocapture --test-threads 1
	@$(if $(SEED),PROPTEST_RNG_SEED=$(SEED)) PROPTEST_CASES=$$(( $(or $(SECONDS),600) * 100 )) cargo test --release --locked --workspace --lib -- stream::parquet::direct

faults: setup ## Jobs with known answers under random faults: SEED=n repeats, JOBS=200, MINUTES=10 (tests/faults).
	@$(PY) -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(JOBS),--jobs $(JOBS)) $(if $(MINUTES),--minutes $(MINUTES)) $(FAULTS_ARGS)

format: ## Format all code.
	@ruff format . && ruff check --fix . ; cargo fmt --all; npm --prefix web run format --silent

lock: ## Refresh the locked Python dependencies to the newest stable versions.
	@uv pip compile -q --upgrade pyproject.toml --extra local --group dev --universal --generate-hashes --no-header --no-annotate -o requirements.lock

clean: ## Remove what builds left in the checkout (caches outside it stay).
	@rm -rf .venv web/node_modules graph/static dist
