"""An open load: requests arrive at a constant rate, whether the last ones were answered or not, while jobs run.

A request's time runs from when it was due, so that a service that stalls cannot make its own figures better by being
asked less. Also the cold start of each part.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.bench.load import Client, percentile
from tests.graph.http.serving import free_port
from tests.stack import ENDED, ROOT, Account, backends_in, clean_environment, stack_in

SPEC = {"version": 1, "steps": [{"filter": {"where": "id > 1"}}], "output": {"format": "csv"}}
SORT = {"version": 1, "steps": [{"sort": {"by": [{"column": "name"}]}}], "output": {"format": "csv"}}
JOBS_AT_ONCE = 10
STATUS = "query($id: ID!) { job(id: $id) { status } }"
# who has the page open, and who works: reads and writes as 12 to 2
MIX: tuple[tuple[str, str, int], ...] = (
    ("me", "query { me { id email name } }", 2),
    ("jobs", "query { jobs(first: 20) { edges { node { id status attempt createdAt } } } }", 4),
    ("job", "query($id: ID!) { job(id: $id) { id status attempt progress { rowsIn rowsOut fraction } } }", 4),
    ("datasets", "query { datasets(first: 20) { edges { node { id name status sizeBytes } } } }", 1),
    ("pipelines", "query { pipelines(first: 20) { edges { node { id name } } } }", 1),
    (
        "createPipeline",
        "mutation($i: CreatePipelineInput!) { createPipeline(input: $i) { __typename "
        "... on CreatePipelineSuccess { pipeline { id } } ... on Error { code message } } }",
        1,
    ),
    (
        "validatePipeline",
        "query($i: ValidatePipelineInput!) { validatePipeline(input: $i) { __typename } }",
        1,
    ),
)


class Pool:
    """Keep-alive connections, opened as they are needed: a late answer never keeps the next request from leaving."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._idle: list[Client] = []
        self.opened = 0

    async def ask(self, document: str, variables: dict[str, Any]) -> None:
        """One request; whatever is wrong with its answer is an exception, and costs its connection."""
        if self._idle:
            client = self._idle.pop()
        else:
            self.opened += 1
            client = await Client(self._account.graphql_url, str(self._account.token)).open()
        try:
            body = await client.send(client.encode(document, variables))
            if b'"code"' in body:  # only a refused mutation has one
                raise RuntimeError(body[:400])
        except BaseException:
            client.close()
            raise
        self._idle.append(client)

    def close(self) -> None:
        """Close those that are idle: all, when no request is under way."""
        for client in self._idle:
            client.close()


async def arrive(
    account: Account, variables: Callable[[str, int], dict[str, Any]], rate: float, seconds: float
) -> tuple[dict[str, list[float]], Counter[tuple[str, str]], int]:
    """Send; returns milliseconds by operation, failures by operation and reason, and how many connections it took."""
    pool, took, failed = Pool(account), {name: list[float]() for name, _, _ in MIX}, Counter[tuple[str, str]]()
    order = [(name, document) for name, document, share in MIX for _ in range(share)]
    # spread through the round, so that no operation comes in bursts
    order = [order[number * 5 % len(order)] for number in range(len(order))]

    async def one(number: int, due: float) -> None:
        name, document = order[number % len(order)]
        try:
            await pool.ask(document, variables(name, number))
        except (OSError, RuntimeError, asyncio.IncompleteReadError) as error:
            failed[name, f"{type(error).__name__}: {error}"[:200]] += 1
        took[name].append((time.perf_counter() - due) * 1000)

    begun, tasks = time.perf_counter() + 0.1, set[asyncio.Task[None]]()
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        task = asyncio.create_task(one(number, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    pool.close()
    return took, failed, pool.opened


@contextmanager
def jobs_running(account: Account, dataset: str) -> Iterator[list[int]]:
    """Keep so many jobs under way: who ends is followed by the next; yields what counts those that ended."""
    stop, ended = threading.Event(), [0]

    def keep() -> None:
        with httpx.Client(timeout=120) as http:
            own = Account(account.graphql_url, account.token, http=http)
            under_way: list[str] = []
            while not stop.is_set():
                under_way += [own.start_job(SORT, input=dataset) for _ in range(JOBS_AT_ONCE - len(under_way))]
                time.sleep(0.5)
                left = [job for job in under_way if own.gql(STATUS, {"id": job})["job"]["status"] not in ENDED]
                ended[0] += len(under_way) - len(left)
                under_way = left

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield ended
    finally:
        stop.set()
        thread.join()


def measure_arrivals(rate: float, seconds: float, rows: int = 1_000_000) -> list[str]:
    """The mix at a rate with ten jobs under way, on a stack of its own, as lines of a Markdown table."""
    with tempfile.TemporaryDirectory() as folder:
        environment = clean_environment(WORKER_CONCURRENCY=str(JOBS_AT_ONCE))
        with stack_in(Path(folder) / "data", env=environment) as running:
            account = running.register("Bench")
            lines = "".join(f"{number},name {number * 104_729 % rows}\n" for number in range(rows))
            dataset = account.upload(f"id,name\n{lines}", "work.csv")
            job = account.run_job(SPEC, input=dataset)["id"]

            def variables(name: str, number: int) -> dict[str, Any]:
                made: dict[str, dict[str, Any]] = {
                    "job": {"id": job},
                    "createPipeline": {"i": {"name": f"bench {time.time_ns()} {number}", "spec": SPEC}},
                    "validatePipeline": {"i": {"spec": SPEC, "inputs": [{"name": "input", "datasetId": dataset}]}},
                }
                return made.get(name, {})

            with jobs_running(account, dataset) as ended:
                asyncio.run(arrive(account, variables, rate, min(3.0, seconds)))
                before = ended[0]
                took, failed, opened = asyncio.run(arrive(account, variables, rate, seconds))
                done = ended[0] - before
    took["all"] = [each for values in took.values() for each in values]
    out = ["| operation | requests | p50 ms | p99 ms | failed |", "| --- | --- | --- | --- | --- |"]
    for name, values in took.items():
        ordered = sorted(values)
        p50, p99 = percentile(ordered, 0.5), percentile(ordered, 0.99)
        amiss = sum(count for (operation, _), count in failed.items() if name in (operation, "all"))
        out.append(f"| {name} | {len(ordered)} | {p50:.1f} | {p99:.1f} | {amiss} |")
    share = 100 * failed.total() / len(took["all"])
    reasons = Counter[str]()
    for (_, reason), count in failed.items():
        reasons[reason] += count
    return [
        *out,
        "",
        *(f"- {count} × {reason}" for reason, count in reasons.most_common(3)),
        f"{rate:.0f} requests/s for {seconds:.0f} s, timed from when each was due; {share:.2f} % failed; {opened} "
        f"connections. {JOBS_AT_ONCE} sorts of {rows:,} rows under way in one worker; {done} ended meanwhile.",
    ]


def measure_cold(runs: int) -> list[str]:
    """From the start of a process until it is ready, backends running: medians."""
    lines = []
    with tempfile.TemporaryDirectory() as folder, backends_in(Path(folder) / "data") as backends:
        cache = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(Path(folder) / "pycache")}
        for part, setting in (("api", "API_PORT"), ("worker", "WORKER_METRICS_PORT"), ("flight", "FLIGHT_PORT")):
            # the first one compiles, and is not counted
            took = [_start(part, setting, backends.process_environment | cache, Path(folder)) for _ in range(runs + 1)]
            middle = statistics.median(took[1:])
            lines.append(f"- `karyaksham {part}`: ready {middle:.2f} s after its start (median of {runs})")
    return lines


def _start(part: str, setting: str, environment: dict[str, str], folder: Path) -> float:
    port = free_port()
    with (folder / f"{part}.log").open("ab") as log:
        command = [sys.executable, "-m", "ops.cli", part]
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=environment | {setting: str(port)}, stdout=log, stderr=log)
    try:
        with httpx.Client(timeout=5) as http:
            while not _ready(http, part, port):
                if process.poll() is not None or time.perf_counter() - begun > 120:
                    raise RuntimeError((folder / f"{part}.log").read_text()[-2000:])
                time.sleep(0.005)
        return time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait(60)


def _ready(http: httpx.Client, part: str, port: int) -> bool:
    if part == "flight":
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False
    with suppress(httpx.TransportError):
        return http.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    return False
