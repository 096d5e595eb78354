"""`python -m tests.image`: the image, built by Buildah if asked, and run by Podman as the Compose file says."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.image import bases
from tests.image.check import check
from tests.image.measure import sizes

RUN = ("podman", "runc", "catatonit", "iptables", "socat")
BUILD = ("buildah",)


def build(options: argparse.Namespace, folder: Path) -> None:
    """Build the image; `CalledProcessError` when that fails, after what Buildah said."""
    command = ["buildah", "bud", "--isolation", "chroot", "--layers", "-f", str(bases.DOCKERFILE), "-t", options.image]
    if options.stand_ins:
        command += bases.make(folder)
    if options.wheel:
        command += ["--build-context", f"wheel={options.wheel.resolve()}"]
    subprocess.run([*command, *options.option, str(bases.ROOT)], check=True)


def main() -> int:
    """Check; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.image", description=__doc__)
    parser.add_argument("image", nargs="?", default="localhost/karyaksham:local", help="its name")
    parser.add_argument("--build", action="store_true", help="build it first")
    parser.add_argument("--stand-ins", action="store_true", help="make what the Dockerfile begins from (bases.py)")
    parser.add_argument("--wheel", type=Path, help="FOLDER/wheel/*.whl in place of the stage that compiles Rust")
    parser.add_argument("--option", action="append", default=[], help="one more of Buildah's, such as --volume=…")
    options = parser.parse_args()
    needed = RUN + BUILD * options.build + ("mmdebstrap", "npm") * options.stand_ins
    missing = [program for program in needed if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        print(f"as root, with {', '.join(needed)} (Debian's packages of these names, and netavark)", file=sys.stderr)
        print(f"missing: {', '.join(missing) or 'root'}", file=sys.stderr)
        return 2
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="karyaksham-image-") as folder:
        if options.build:
            build(options, Path(folder))
        for line in sizes(options.image):
            say(line)
        check(options.image, Path(folder), say)
    say("all is well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
