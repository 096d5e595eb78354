"""The command that writes and checks generated files, on a copy of the real targets' mechanics."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.codegen import __main__ as command
from ops.codegen import targets


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one generated file and no web."""
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "TARGETS", [targets.Target(".env.example", targets.env_example)])
    monkeypatch.setattr(command, "run_web_codegen", lambda: targets.run_web_codegen(tmp_path))
    monkeypatch.setattr(command, "web_files", lambda: targets.web_files(tmp_path))
    return tmp_path


def test_write_then_check_then_drift(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--check"]) == 1
    assert command.main([]) == 0
    assert "wrote .env.example" in capsys.readouterr().out
    assert command.main([]) == 0
    assert capsys.readouterr().out == ""
    assert command.main(["--check"]) == 0
    path = tree / ".env.example"
    path.write_text(path.read_text().replace("DATABASE_URL=", "DATABASE_URI="))
    assert command.main(["--check"]) == 1
    captured = capsys.readouterr()
    assert "-DATABASE_URI=" in captured.out
    assert "+DATABASE_URL=" in captured.out
    assert "stale: .env.example" in captured.err
    assert "make codegen" in captured.err
    assert "DATABASE_URI=" in path.read_text()  # a check writes nothing


def test_a_web_without_its_packages_is_an_error_that_says_what_to_do(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "web").mkdir()
    (tree / "web/package.json").write_text("{}")
    assert command.main([]) == 2
    assert "make setup" in capsys.readouterr().err


def test_the_check_of_the_web_puts_everything_back(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    web = tree / "web"
    (web / "node_modules").mkdir(parents=True)
    (web / "src/gql").mkdir(parents=True)
    script = "mkdir -p src/gql && echo fresh > src/gql/graphql.ts && echo more > src/gql/more.ts"
    (web / "package.json").write_text(f'{{"name": "web", "scripts": {{"codegen": "{script}"}}}}')
    (web / "src/gql/graphql.ts").write_text("stale\n")
    command.main([])
    (web / "src/gql/more.ts").unlink()
    (web / "src/gql/graphql.ts").write_text("stale\n")
    capsys.readouterr()
    assert command.main(["--check"]) == 1
    captured = capsys.readouterr()
    assert "stale: web/src/gql/graphql.ts" in captured.err
    assert "stale: web/src/gql/more.ts" in captured.err
    assert (web / "src/gql/graphql.ts").read_text() == "stale\n"
    assert not (web / "src/gql/more.ts").exists()
    assert command.main([]) == 0
    assert (web / "src/gql/graphql.ts").read_text() == "fresh\n"
    assert command.main(["--check"]) == 0


def test_a_failing_web_generator_is_told_with_its_output(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    web = tree / "web"
    (web / "node_modules").mkdir(parents=True)
    (web / "package.json").write_text('{"name": "web", "scripts": {"codegen": "echo broken document >&2; exit 3"}}')
    assert command.main([]) == 2
    assert "broken document" in capsys.readouterr().err
