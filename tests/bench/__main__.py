"""`python -m tests.bench [PART …]`: measures the service, prints the figures and writes them to RESULTS.md here.

Parts of the service: start, cold, metadata, load, jobs, many, claims, cancel-job, subscribers, recovery, large. Of the
engine: peers, big, s3, cancel, on the peers' data, which is made at first; `peers:W1,W3` are some workloads only.
`flight` pulls a result as Arrow.
`--orders FILE` is a CSV like that of the peers' benchmark, which `large` needs, and which s3 and cancel then use.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from tests.bench import arrivals, cancel, live, load, queueing, s3
from tests.bench.flight import run as streams
from tests.bench.load import resident_mb
from tests.bench.peers import big
from tests.bench.peers import run as peers
from tests.bench.watch import run_jobs
from tests.faults.suite import Plan, Suite
from tests.graph.http.serving import free_port
from tests.processes import descendants
from tests.stack import Account, Stack, clean_environment, stack_in

HERE = Path(__file__).parent
KARYAKSHAM = str(Path(sys.executable).parent / "karyaksham")
TINY = {"version": 1, "steps": [{"filter": {"where": "id > 1"}}], "output": {"format": "csv"}}
W2 = {
    "version": 1,
    "steps": [
        {"filter": {"where": "country = 'India' AND amount > 100"}},
        {"select": {"columns": ["order_id", "customer_id", "order_ts", "amount", "note"]}},
    ],
    "output": {"format": "csv"},
}
JOB = "query($id: ID!) { job(id: $id) { id status attempt createdAt progress { rowsIn rowsOut fraction } } }"
JOBS = "query { jobs(first: 20) { edges { node { id status attempt createdAt } } pageInfo { hasNextPage endCursor } } }"
CREATE = """mutation($i: CreatePipelineInput!) { createPipeline(input: $i) {
  __typename ... on CreatePipelineSuccess { pipeline { id name } } ... on Error { code message } } }"""


def measure_metadata(running: Stack, account: Account, dataset: str, seconds: float) -> list[str]:
    """Job, jobs(first: 20) and createPipeline at 1, 10 and 50 clients, as lines of a Markdown table."""
    run_jobs(account, TINY, dataset, 25)
    page = account.gql(JOBS, {})["jobs"]
    job = page["edges"][0]["node"]["id"]
    operations = {
        "job": (JOB, lambda _: {"id": job}),
        "jobs(first 20)": (JOBS, lambda _: {}),
        "createPipeline": (CREATE, lambda n: {"i": {"name": f"bench {time.time_ns()} {n}", "spec": TINY}}),
    }
    lines = ["| operation | clients | requests/s | p50 ms | p99 ms |", "| --- | --- | --- | --- | --- |"]
    for name, (query, variables) in operations.items():
        for clients in (1, 10, 50):
            figures = asyncio.run(
                load.measure(
                    account.graphql_url, str(account.token), query, variables, clients=clients, seconds=seconds
                )
            )
            lines.append(
                f"| {name} | {clients} | {figures.per_second:.0f} | {figures.p50_ms:.1f} | {figures.p99_ms:.1f} |"
            )
            print(lines[-1], flush=True)
    lines += measure_bare(running, 10, seconds)
    api = running.pid("api")
    children = sum(resident_mb(pid) for pid in descendants(api))
    memory = f"API memory (resident) afterwards: {resident_mb(api):.0f} MB; its process for checks: {children:.0f} MB"
    return [*lines, "", memory]


def measure_bare(running: Stack, clients: int, seconds: float) -> list[str]:
    """The `job` query on a bare Strawberry service beside ours, on the same PostgreSQL: what this machine can do."""
    lines = []
    for cached in ("", "1"):
        port = free_port()
        command = [sys.executable, "-m", "tests.bench.bare", running.environment["MIGRATION_DATABASE_URL"], str(port)]
        process = subprocess.Popen(command, env=clean_environment(CACHED=cached), cwd=HERE.parents[1])
        try:
            url = f"http://127.0.0.1:{port}/graphql/"
            load.wait_open("127.0.0.1", port)
            figures = asyncio.run(
                load.measure(url, "", JOB, lambda n: {"id": n % 1000 + 1}, clients=clients, seconds=seconds)
            )
        finally:
            process.kill()
            process.wait()
        name = "bare Strawberry, caches of documents" if cached else "bare Strawberry"
        lines.append(f"| {name} | {clients} | {figures.per_second:.0f} | {figures.p50_ms:.1f} | {figures.p99_ms:.1f} |")
        print(lines[-1], flush=True)
    return lines


def measure_jobs(account: Account, dataset: str) -> list[str]:
    """An empty job, worker warm, from runJob to SUCCEEDED seen by subscription."""
    run_jobs(account, TINY, dataset, 3)
    took = sorted(run_jobs(account, TINY, dataset, 50))
    return [
        f"An empty job from runJob to SUCCEEDED seen by subscription, 50 in turn: p50 {took[25] * 1000:.0f} ms, "
        f"p99 {took[-1] * 1000:.0f} ms"
    ]


def some_work(account: Account, rows: int = 1_000_000) -> str:
    """A data set that takes a second or so to sort."""
    lines = "".join(f"{number * 7919 % rows},name {number * 104_729 % rows}\n" for number in range(rows))
    return account.upload(f"id,name\n{lines}", "work.csv")


def measure_recovery() -> list[str]:
    """Workers killed at work, one by one, with nothing else wrong: the last part of the fault suite alone."""
    with tempfile.TemporaryDirectory() as folder:
        report = Suite(Plan(seed=1, jobs=0, seconds=0, recoveries=6), Path(folder), print).run()
    if report.problems:
        raise RuntimeError("\n".join(report.problems))
    return [report.lines[-1]]


def measure_large(running: Stack, account: Account, orders: Path) -> list[str]:
    """Filter + select of the 1 GB CSV as a job, beside the engine alone on the same object and on the local file."""
    dataset = account.upload(orders)
    jobs = [run_jobs(account, W2, dataset, 1)[0] for _ in range(3)]
    (key,) = asyncio.run(keys_of(running, orders.name))
    settings = running.environment
    s3 = clean_environment(
        AWS_ENDPOINT_URL=settings["S3_ENDPOINT_URL"],
        AWS_ACCESS_KEY_ID=settings["S3_ACCESS_KEY_ID"],
        AWS_SECRET_ACCESS_KEY=settings["S3_SECRET_ACCESS_KEY"],
    )
    stored = alone(f"s3://{settings.get('S3_BUCKET', 'karyaksham')}/{key}", s3)
    local = alone(str(orders), clean_environment())
    return [
        f"Filter + select of {orders.stat().st_size / 1e9:.2f} GB CSV (W2 of the peers' benchmark), medians of 3: "
        f"as a job {statistics.median(jobs):.2f} s from runJob to SUCCEEDED; `karyaksham run` on the same object "
        f"{stored:.2f} s, on the local file {local:.2f} s"
    ]


async def keys_of(running: Stack, name: str) -> list[str]:
    """The objects of the data sets of this file name."""
    connection = await asyncpg.connect(running.environment["MIGRATION_DATABASE_URL"].replace("+asyncpg", ""))
    try:
        await connection.execute("SET row_security = off")
        return [row[0] for row in await connection.fetch("SELECT s3_key FROM datasets WHERE file_name = $1", name)]
    finally:
        await connection.close()


def alone(source: str, environment: dict[str, str]) -> float:
    """Seconds of `karyaksham run` with W2 as a whole process, the median of 3."""
    took = []
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "w2.json"
        spec.write_text(json.dumps(W2))
        for number in range(3):
            started = time.perf_counter()
            command = [KARYAKSHAM, "run", str(spec), "--input", source, "--output", f"{folder}/{number}.csv"]
            subprocess.run(command, check=True, capture_output=True, env=environment)
            took.append(time.perf_counter() - started)
    return statistics.median(took)


def write(sections: dict[str, list[str]]) -> None:
    """Replace the measured sections in RESULTS.md, keep the others."""
    path = HERE / "RESULTS.md"
    text = path.read_text() if path.exists() else "# Figures\n"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    for title, lines in sections.items():
        block = f"## {title}\n\n_{datetime.now(UTC):%Y-%m-%d}, {machine}_\n\n" + "\n".join(lines) + "\n"
        before, found, rest = text.partition(f"## {title}\n")
        following = rest.find("\n## ")
        after = rest[following + 1 :] if found and following >= 0 else ""
        text = before.rstrip() + "\n\n" + block + ("\n" + after if after else "")
    path.write_text(text.rstrip() + "\n")


def measure_engine(parts: list[str], options: argparse.Namespace) -> dict[str, list[str]]:
    """The sections of the engine's own parts."""
    sections: dict[str, list[str]] = {}
    for part in parts:
        name, _, chosen = part.partition(":")
        if name == "peers":
            works = chosen.split(",") if chosen else list(peers.WORKLOADS)
            sections["The engine beside its peers"] = peers.measure(
                works, options.peers.split(","), options.rows, options.runs
            )
            continue
        if name == "flight":
            folder, _ = peers.data(peers.environment(), options.rows)
            sections["Streams of Arrow Flight"] = streams.measure(
                folder / "orders.csv", folder / "orders.parquet", options.runs
            )
            continue
        orders = (
            Path(options.orders) if options.orders else peers.data(peers.environment(), options.rows)[0] / "orders.csv"
        )
        if name == "big":
            sections["A CSV of 20 GB"] = big.measure(orders)
        elif name == "s3":
            sections["From S3"] = s3.measure(orders, options.runs)
        else:
            sections["Cancelled jobs"] = cancel.measure(orders, 2 * options.runs + 2)
    return sections


def main() -> None:
    """Parse the command line, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    usual = ["start", "cold", "metadata", "load", "jobs", "many", "claims", "cancel-job", "subscribers", "recovery"]
    usual += ["large", "peers", "s3", "cancel", "flight"]
    parser.add_argument("parts", nargs="*", default=usual)
    parser.add_argument("--orders", type=Path, default=os.environ.get("BENCH_ORDERS"))
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second of `load`")
    parser.add_argument(
        "--rows", type=int, default=5_000_000, help="orders of the peers' data (5 million: 1 GB of CSV)"
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", default=",".join(peers.PEERS), help="some peers only")
    options = parser.parse_args()
    of_engine = [part for part in options.parts if part.partition(":")[0] in {"peers", "big", "s3", "cancel", "flight"}]
    options.parts = [part for part in options.parts if part not in of_engine]
    sections = measure_engine(of_engine, options)
    if "recovery" in options.parts:
        options.parts.remove("recovery")
        sections["A killed worker's job"] = measure_recovery()
    if "claims" in options.parts:
        options.parts.remove("claims")
        sections["Claims"] = queueing.measure_claims()
    if "cold" in options.parts:
        options.parts.remove("cold")
        sections["Cold start of each part"] = arrivals.measure_cold(options.runs)
    if "load" in options.parts:
        options.parts.remove("load")
        sections["Metadata under an open load"] = arrivals.measure_arrivals(options.rate, options.seconds)
    if not options.parts:
        print("\n".join(line for lines in sections.values() for line in lines))
        write(sections)
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        tiny = Path(folder) / "tiny.csv"
        tiny.write_text("id,name\n1,a\n2,b\n")
        started = time.perf_counter()
        if "start" in options.parts:
            with stack_in(data):
                cold = time.perf_counter() - started
            started = time.perf_counter()
        with stack_in(data) as running:
            account = running.register("Bench")
            if "start" in options.parts:
                sections["Start"] = [
                    f"`karyaksham up`: first start ready in {cold:.1f} s, second start in "
                    f"{time.perf_counter() - started:.1f} s; "
                    f"API memory at rest {resident_mb(running.pid('api')):.0f} MB"
                ]
            dataset = account.upload(tiny)
            if "jobs" in options.parts:
                sections["Empty job"] = measure_jobs(account, dataset)
            if "many" in options.parts:
                sections["Many jobs at once"] = queueing.measure_many(account, TINY, dataset)
            if "cancel-job" in options.parts:
                sections["Cancelled while they run or wait"] = live.measure_cancel(account, some_work(account))
            if "subscribers" in options.parts:
                sections["Subscribers"] = live.measure_subscribers(running, account, dataset, options.sockets)
            if "metadata" in options.parts:
                sections["Metadata operations"] = measure_metadata(running, account, dataset, options.seconds)
            if "large" in options.parts and options.orders:
                sections["A large job"] = measure_large(running, account, Path(options.orders))
    for lines in sections.values():
        print("\n".join(lines))
    write(sections)


if __name__ == "__main__":
    main()
