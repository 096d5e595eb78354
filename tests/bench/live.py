"""What people wait for: the end of a cancelled job, news of a job on a thousand sockets. Reports only."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

import websockets
from sqlalchemy import text

from graph.core.db import Database
from graph.core.events import Events
from graph.core.ids import from_global
from tests.bench.load import percentile, resident_mb
from tests.bench.watch import PROTOCOL
from tests.processes import descendants
from tests.stack import Account, Stack, settings_of

CANCEL = """mutation($i: CancelJobInput!) { cancelJob(input: $i) {
  __typename ... on CancelJobSuccess { job { id status } } ... on Error { code message } } }"""
UPDATED = "subscription($id: ID!) { jobUpdated(id: $id) { status sequence progress { rowsIn } } }"
CHANGED = "subscription { jobsChanged { id status sequence } }"
STATUS = "query($id: ID!) { job(id: $id) { status } }"
SEQUENCE = "sequence = sequence + 1 WHERE id = :job RETURNING workspace_id, sequence"
BEGIN = f"UPDATE jobs SET status = 'RUNNING', lease_until = now() + interval '1 day', {SEQUENCE}"
CHANGE = f"""UPDATE jobs SET progress = '{{"rowsIn": 1}}', {SEQUENCE}"""
END = f"UPDATE jobs SET status = 'CANCELLED', lease_until = NULL, {SEQUENCE}"
SOCKETS_AT_ONCE = 50
EVENTS = 40
SORT = {"version": 1, "steps": [{"sort": {"by": [{"column": "name"}]}}], "output": {"format": "csv"}}


# cancel --------------------------------------------------------------------------------------------------------


def measure_cancel(account: Account, dataset: str, times: int = 20) -> list[str]:
    """Seconds from sending cancelJob until the job reads CANCELLED: of running jobs, and of those that wait."""
    account.run_job(SORT, input=dataset)  # warm
    running = [took for _ in range(times) if (took := _cancel_running(account, dataset)) is not None]
    busy = [account.start_job(SORT, input=dataset) for _ in range(8)]
    waiting = [account.start_job(SORT, input=dataset) for _ in range(times)]
    queued = [took for job in reversed(waiting) if (took := _cancel(account, job, "PENDING")) is not None]
    for job in busy:
        account.gql(CANCEL, {"i": {"id": job}})
    for job in [*busy, *waiting]:
        account.wait_job(job)
    return [f"{_tell('Running', running)} {_tell('Queued', queued)}"]


def _cancel_running(account: Account, dataset: str) -> float | None:
    job = account.start_job(SORT, input=dataset)
    while account.gql(STATUS, {"id": job})["job"]["status"] == "PENDING":
        time.sleep(0.01)
    time.sleep(0.1)  # in the middle of its work
    took = _cancel(account, job, "RUNNING")
    account.wait_job(job)
    return took


def _cancel(account: Account, job: str, expected: str) -> float | None:
    """Cancel a job; None when it is not in the state that is measured, or ended by itself."""
    if account.gql(STATUS, {"id": job})["job"]["status"] != expected:
        return None
    started = time.perf_counter()
    account.post(CANCEL, {"i": {"id": job}})
    while (status := account.gql(STATUS, {"id": job})["job"]["status"]) in {"PENDING", "RUNNING"}:
        time.sleep(0.005)
    return time.perf_counter() - started if status == "CANCELLED" else None


def _tell(what: str, seconds: list[float]) -> str:
    if not seconds:
        return f"{what} jobs: none was caught in that state."
    median, most = statistics.median(seconds) * 1000, max(seconds) * 1000
    return f"{what} jobs cancelled: {len(seconds)}, median {median:.0f} ms, longest {most:.0f} ms until CANCELLED."


# subscribers ---------------------------------------------------------------------------------------------------


def measure_subscribers(running: Stack, account: Account, dataset: str, sockets: int = 1000) -> list[str]:
    """Follow one job by many sockets, then all jobs of its workspace, while its row changes twice a second."""
    lines = []
    for name, document in (("jobUpdated of one job", UPDATED), ("jobsChanged", CHANGED)):
        job = account.start_job(SORT, input=dataset)
        account.wait_job(job)
        lines.append(f"{name}: {asyncio.run(_follow(running, account, job, document, sockets))}")
        print(lines[-1], flush=True)
    return ["\n\n".join(lines)]


class _Changes:
    """Changes a job as its worker would: the row first, then the notice."""

    def __init__(self, running: Stack, job_id: UUID) -> None:
        settings = settings_of(running.environment)
        self._db, self._events, self._job = Database(settings.database_url), Events(settings), job_id

    async def run(self, statement: str) -> int:
        """Returns the job's new sequence number."""
        async with self._db.system() as session:
            row = (await session.execute(text(statement), {"job": self._job})).one()
        await self._events.publish_job(self._job, row[0], row[1])
        return int(row[1])

    async def close(self) -> None:
        """Let the job end."""
        await self.run(END)
        await self._events.close()
        await self._db.close()


async def _follow(running: Stack, account: Account, job: str, document: str, sockets: int) -> str:
    changes = _Changes(running, from_global(job, "Job"))
    api = running.pid("api")
    before = _resident_mb(api)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    variables = {"id": job} if "$id" in document else {}
    arguments = (theirs, account.graphql_url, str(account.token), document, variables, sockets)
    reader = context.Process(target=_read, args=arguments, daemon=True)
    try:
        await changes.run(BEGIN)
        reader.start()
        await asyncio.to_thread(ours.recv)  # all of them have the snapshot
        memory = (_resident_mb(api) - before) / sockets * 1000
        sent: dict[int, float] = {}
        for _ in range(EVENTS):
            started = time.perf_counter()
            sent[await changes.run(CHANGE)] = started
            await asyncio.sleep(0.5)
        await asyncio.sleep(2)
        ours.send("stop")
        received: list[tuple[int, float]] = await asyncio.to_thread(ours.recv)
    finally:
        reader.kill()
        reader.join()
        await changes.close()
    took = sorted((at - sent[sequence]) * 1000 for sequence, at in received if sequence in sent)
    missed = EVENTS * sockets - len(took)
    return (
        f"{sockets:,} sockets, {EVENTS} changes, {len(took):,} deliveries ({missed:,} missing): p50 "
        f"{percentile(took, 0.5):.0f} ms, p99 {percentile(took, 0.99):.0f} ms, longest {took[-1]:.0f} ms; "
        f"{memory:.0f} kB of the API's memory per socket"
    )


def _resident_mb(pid: int) -> float:
    return resident_mb(pid) + sum(map(resident_mb, descendants(pid)))


def _read(pipe: Connection, url: str, token: str, document: str, variables: Mapping[str, Any], sockets: int) -> None:
    """Hold the sockets, in a process of its own, and note when each change arrived."""
    asyncio.run(_hold(pipe, url.replace("http", "ws", 1), token, document, variables, sockets))


async def _hold(
    pipe: Connection, url: str, token: str, document: str, variables: Mapping[str, Any], sockets: int
) -> None:
    received: list[tuple[int, float]] = []
    open_now = asyncio.Semaphore(SOCKETS_AT_ONCE)
    there = 0
    everybody = asyncio.Event()
    subscribe = json.dumps({"id": "1", "type": "subscribe", "payload": {"query": document, "variables": variables}})
    init = json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})

    async def one() -> None:
        nonlocal there
        await open_now.acquire()
        async with websockets.connect(url, subprotocols=[PROTOCOL], ping_interval=None, open_timeout=120) as socket:
            await socket.send(init)
            await socket.recv()
            await socket.send(subscribe)
            first = True
            async for frame in socket:
                at = time.perf_counter()
                message = json.loads(frame)
                if message["type"] == "ping":
                    await socket.send('{"type":"pong"}')
                if message["type"] != "next":
                    continue
                (job,) = message["payload"]["data"].values()
                received.append((int(job["sequence"]), at))
                if first:
                    first = False
                    open_now.release()
                    there += 1
                    if there == sockets:
                        everybody.set()

    tasks = [asyncio.create_task(one()) for _ in range(sockets)]
    await everybody.wait()
    pipe.send("ready")
    await asyncio.to_thread(pipe.recv)
    pipe.send(received)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
