"""Programs of Debian packages without installing them: `python -m ops.setup.debian_tools` fetches what checks need.

Taken from PATH where they stand, else from `~/.cache/karyaksham/debian-tools`, else fetched with `apt-get download`:
apt verifies the archive's signature, and needs no root for it. What came is unpacked beside its version, so that a
second checkout finds it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

# program: (package, oldest version that knows what our files use)
TOOLS: Final = {
    "promtool": ("prometheus", "2.42"),
    "prometheus": ("prometheus", "2.42"),
    "amtool": ("prometheus-alertmanager", "0.25"),
}


class ToolMissing(Exception):
    """A program is neither here nor to be had; the message says what to do."""


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "karyaksham/debian-tools"


def find(program: str) -> str:
    """Return the path of a program, fetched if need be; `ToolMissing`."""
    package, oldest = TOOLS[program]
    found = shutil.which(program)
    if found:
        return found
    kept = _cache() / package / "usr/bin" / program
    if not kept.exists():
        _fetch(package, oldest)
    return str(kept)


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolMissing(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def _fetch(package: str, oldest: str) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise ToolMissing(f"no {package} here and no apt-get: install {package} {oldest} or newer and put it on PATH")
    place = _cache() / package
    work = _cache() / f".{package}.{os.getpid()}"
    lists = _cache() / "apt/lists"
    for folder in (work, lists / "partial", _cache() / "apt/archives/partial"):
        folder.mkdir(parents=True, exist_ok=True)
    # the sandbox user of root's apt cannot write here
    own = ["-o", f"APT::Sandbox::User={os.environ.get('USER', 'root')}"]
    try:
        try:
            _run(["apt-get", *own, "download", package], work)
        except ToolMissing:  # a slim image has no package lists: ours are kept here
            own += ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={_cache() / 'apt'}"]
            _run(["apt-get", *own, "update"], work)
            _run(["apt-get", *own, "download", package], work)
        (archive,) = work.glob("*.deb")
        version = _run(["dpkg-deb", "--field", archive.name, "Version"], work)
        # dpkg knows how Debian's versions compare
        if subprocess.run(["dpkg", "--compare-versions", version, "lt", oldest], check=False).returncode == 0:
            raise ToolMissing(f"{package} {version} is too old: {oldest} or newer is needed; put it on PATH")
        _run(["dpkg-deb", "--extract", archive.name, "unpacked"], work)
        shutil.rmtree(place, ignore_errors=True)
        (work / "unpacked").rename(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def fetch(finders: Mapping[str, Callable[[], object]]) -> int:
    """Find each, and say where it is or what is missing; return the exit code."""
    code = 0
    for name, find_it in finders.items():
        try:
            sys.stdout.write(f"{name}: {find_it()}\n")
        except ToolMissing as error:
            sys.stderr.write(f"{name}: {error}\n")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(fetch({program: partial(find, program) for program in TOOLS}))
