"""Try the built wheel as a stranger would: a fresh virtual environment, no source tree on the path.

`python -m ops.setup.try_wheel DIST_FOLDER` installs the newest wheel of that folder with the locked dependencies, runs
the command and a small pipeline with it, and checks what the wheel carries.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = ("engine/_engine.abi3.so", "graph/static/index.html", "ops/cli/main.py", "engine/_engine.pyi")
FORBIDDEN = (".rs", "Cargo.toml", "Cargo.lock")


def check_contents(wheel: Path) -> None:
    """Raise SystemExit when the wheel misses a part or ships sources that do not belong in it."""
    names = zipfile.ZipFile(wheel).namelist()
    missing = [name for name in EXPECTED if name not in names]
    stray = [name for name in names if name.endswith(FORBIDDEN) or name.startswith("tests/")]
    if missing or stray:
        sys.exit(f"{wheel.name}: missing {missing}, should not be inside {stray[:5]}")


def main() -> int:
    """Install, run, compare; return the exit code."""
    wheel = max(Path(sys.argv[1]).glob("karyaksham-*.whl"), key=lambda path: path.stat().st_mtime)
    check_contents(wheel)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}

        def run(*command: str) -> str:
            done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
            return done.stdout

        run(sys.executable, "-m", "venv", "--without-pip", "fresh")
        python = str(home / "fresh/bin/python")
        uv = str(Path(sys.executable).parent / "uv")
        lock = str(ROOT / "requirements.lock")
        run(uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", lock)
        run(uv, "pip", "install", "-q", "--python", python, "--no-deps", str(wheel))
        command = str(home / "fresh/bin/karyaksham")
        version = run(command, "--version").strip()
        (home / "in.csv").write_text("id,country\n1,India\n2,Peru\n3,India\n", encoding="utf-8")
        spec = {"version": 1, "steps": [{"filter": {"where": "country = 'India'"}}], "output": {"format": "csv"}}
        (home / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        run(command, "run", "spec.json", "--input", "in.csv", "--output", "out.csv")
        result = (home / "out.csv").read_text(encoding="utf-8")
        if result != "id,country\n1,India\n3,India\n":
            sys.exit(f"unexpected result of the installed wheel: {result!r}")
    sys.stdout.write(f"{wheel.name} ({wheel.stat().st_size / 1e6:.1f} MB): {version} works from a fresh environment\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
