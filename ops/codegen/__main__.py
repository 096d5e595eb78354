"""`python -m ops.codegen [--check]`."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path

from ops.codegen.targets import ROOT, TARGETS, WEB_GENERATED, CodegenError, run_web_codegen, web_files

# Enough of a diff to see what drifted; the rest is one `make codegen` away.
_DIFF_LINES = 60


def _diff(path: str, old: str, new: str) -> str:
    lines = list(
        difflib.unified_diff(
            old.splitlines(), new.splitlines(), f"{path} (committed)", f"{path} (generated)", "", "", 2, ""
        )
    )
    more = [f"… {len(lines) - _DIFF_LINES} more lines"] if len(lines) > _DIFF_LINES else []
    return "\n".join(lines[:_DIFF_LINES] + more) + "\n"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def write() -> None:
    """Write every target whose text has changed."""
    for target in TARGETS:
        path = ROOT / target.path
        text = target.render()
        if _read(path) != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {target.path}")
    before = dict(web_files())
    run_web_codegen()
    for name, text in web_files():
        if before.get(name) != text:
            print(f"wrote {name}")


def check() -> list[str]:
    """Return the stale files, their differences printed; the tree is left as it was."""
    stale = []
    for target in TARGETS:
        old, new = _read(ROOT / target.path), target.render()
        if old != new:
            stale.append(target.path)
            sys.stdout.write(_diff(target.path, old, new))
    return stale + _check_web()


def _check_web() -> list[str]:
    """graphql-codegen writes in place, so look at what it wrote and put the old files back."""
    before = dict(web_files())
    stale = []
    try:
        run_web_codegen()
        after = dict(web_files())
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name, ""), after.get(name, "")
            if old != new:
                stale.append(name)
                sys.stdout.write(_diff(name, old, new))
    finally:
        for name in {path for path, _ in web_files()} - before.keys():
            (ROOT / name).unlink()
        for name, text in before.items():
            if _read(ROOT / name) != text:
                (ROOT / name).write_text(text, encoding="utf-8")
        folder = ROOT / WEB_GENERATED
        if not before and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return stale


def main(arguments: list[str] | None = None) -> int:
    """Write or check; return the exit code: 0 fresh, 1 stale, 2 when something cannot be generated."""
    parser = argparse.ArgumentParser(prog="python -m ops.codegen", description="Write every generated file.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    try:
        if not parser.parse_args(arguments).check:
            write()
            return 0
        stale = check()
    except CodegenError as error:
        sys.stderr.write(f"codegen: {error}\n")
        return 2
    for name in stale:
        sys.stderr.write(f"stale: {name}\n")
    if stale:
        sys.stderr.write("Run `make codegen` and commit what it writes.\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
