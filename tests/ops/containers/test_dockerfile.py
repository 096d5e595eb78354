"""The Dockerfile: linted, of sources that exist, and running as nobody in particular."""

from __future__ import annotations

import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from ops.cli.main import build_parser

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "ops/docker/Dockerfile"
# each instruction on one line, without comments
TEXT = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE))
STAGES = TEXT.split("\nFROM ")[1:]


def instructions(word: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"^{word} (.+)$", text, re.MULTILINE)


def copied() -> set[str]:
    """What is taken from the checkout, not from another stage."""
    lines = [line for line in instructions("COPY") if not line.startswith("--from=")]
    return {source for line in lines for source in line.split()[:-1]}


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(["hadolint", str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_source_exists_and_is_let_through() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] not in "#!"]
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert ignored[0] == "*"
    for source in copied():
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in kept, source
        assert not any(fnmatch(source, pattern) for pattern in ignored[1:]), source
    for name in kept:
        assert any(source.split("/")[0] == name for source in copied()), f"{name} is sent to the builder for nothing"


def test_what_the_wheel_is_made_of_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["maturin"]["python-packages"]) <= copied()
    members = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["members"]
    assert {member.split("/")[0] for member in members} <= copied()


def test_no_secret_can_get_into_the_image() -> None:
    assert "ops/secrets" in (ROOT / ".dockerignore").read_text().splitlines()
    assert "/ops/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_last_stage_has_no_tools_and_no_root() -> None:
    last = STAGES[-1]
    assert instructions("USER", last) == ["10001:10001"]
    assert last.startswith("python:${PYTHON}-slim-")
    copies = instructions("COPY", last)
    assert [line.split()[0] for line in copies] == ["--from=environment"]
    assert instructions("ENTRYPOINT", last) == ['["karyaksham"]']
    build_parser()  # the command that it is


def test_versions_are_those_of_the_project() -> None:
    arguments = dict(line.split("=", 1) for line in instructions("ARG") if "=" in line)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"UV_VERSION := {arguments['UV']}" in makefile
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    oldest = cargo["workspace"]["package"]["rust-version"]
    assert tuple(map(int, arguments["RUST"].split("."))) >= tuple(map(int, oldest.split(".")))
