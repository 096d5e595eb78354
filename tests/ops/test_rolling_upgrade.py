"""An upgrade under load: each of two APIs and two workers gives way to a new process, with migrations before them.

A real Traefik with our routes spreads the requests. What the test proves: no request fails, no job is lost, and each
job's result is published once. Old and new are the same program here; that the tables fit two versions at once is
proved by `tests/graph/models/test_side_by_side.py`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.graph.http.serving import free_port
from tests.ops.containers.proxy import Front
from tests.processes import PATIENCE
from tests.stack import JOB, REGISTER, ROOT, RUN_JOB, Account, Backends, backends_in
from tests.workers.helpers import children_of, send

ME = "query { me { id email } }"
JOBS = "query { jobs(first: 20) { edges { node { id status } } } }"
SPEC = {"version": 1, "steps": [{"filter": {"where": "amount >= 500"}}], "output": {"format": "csv"}}
ROWS = 20_000
CLIENTS = 4
# requests in a row of which none went to an API that leaves: by then Traefik sends none there
QUIET = 40
# looks in a row at a job that is still running: by then, a worker whose processes stand still published what was done
STILL = 40


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.05)


@dataclass
class Part:
    """One process of the service; `begin` after its end is the next version of it."""

    command: str
    environment: dict[str, str]
    log: Path
    ready: str
    process: subprocess.Popen[bytes] = field(init=False)

    def begin(self) -> Part:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "ops.cli", self.command]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        return self

    def wait(self) -> None:
        until(lambda: self.status("/readyz") == 200, f"readiness of {self.command}")

    def status(self, path: str) -> int:
        """The status of an answer by the process itself; 0 for none."""
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        try:
            return httpx.get(f"{self.ready}{path}", timeout=PATIENCE).status_code
        except httpx.TransportError:
            return 0

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) in (0, -signal.SIGTERM), self.log.read_text()[-4000:]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


class Load:
    """Clients that start jobs, follow each to its end and ask for more meanwhile, until told to stop."""

    def __init__(self, front: Front, token: str, dataset: str) -> None:
        self._front = front
        self._headers = {"Authorization": f"Bearer {token}"}
        self._order = {"spec": SPEC, "inputs": [{"name": "input", "datasetId": dataset}]}
        self._stop = threading.Event()
        self.jobs: list[str] = []
        self.ended: dict[str, dict[str, Any]] = {}
        self.requests = 0
        self.failures: list[str] = []

    @contextmanager
    def running(self) -> Iterator[Load]:
        threads = [threading.Thread(target=self._client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads)

    def _client(self) -> None:
        with httpx.Client(verify=self._front.tls, timeout=PATIENCE, headers=self._headers) as http:
            while not self._stop.is_set():
                answer = self._ask(http, RUN_JOB, {"i": self._order})
                if answer is None:
                    return
                job = answer["runJob"]["job"]["id"]
                self.jobs.append(job)
                while not self._follow(http, job):
                    if self.failures:
                        return
                    time.sleep(0.1)

    def _follow(self, http: httpx.Client, job: str) -> bool:
        """Ask for one's name, the list and the job; whether the job has ended."""
        for document in (ME, JOBS):
            self._ask(http, document, {})
        state = (self._ask(http, JOB, {"id": job}) or {}).get("job")
        if state and state["status"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
            self.ended[job] = state
            return True
        return False

    def _ask(self, http: httpx.Client, document: str, variables: dict[str, Any]) -> Any:
        """The data of an answer; anything but a right answer is a failure, and nothing is tried again."""
        self.requests += 1
        try:
            answer = http.post(f"{self._front.url}/graphql", json={"query": document, "variables": variables})
            body = answer.json() if answer.status_code == 200 else {"errors": [answer.text]}
        except (httpx.TransportError, ValueError) as error:
            body = {"errors": [repr(error)]}
        data = body.get("data") or {}
        if body.get("errors") or any("code" in value for value in data.values() if isinstance(value, dict)):
            self.failures.append(json.dumps(body)[:500])
            return None
        return data

    def more(self, number: int) -> None:
        """Wait for so many more jobs to end."""
        wanted = len(self.ended) + number
        until(lambda: len(self.ended) >= wanted or bool(self.failures), f"the end of {number} jobs")
        assert self.failures == []


def served(front: Front) -> list[str]:
    """The address that answered, by request, as Traefik's log tells it."""
    lines = [line for line in front.log.splitlines() if '"DownstreamStatus"' in line and line.endswith("}")]
    return [str(json.loads(line).get("ServiceAddr", "")) for line in lines]


def replace_api(part: Part, front: Front, load: Load) -> None:
    """SIGTERM; when Traefik sends nothing there any more, a second one; then the new process on the same address."""
    address = part.ready.removeprefix("http://")
    begun = len(served(front))
    assert address in served(front)
    part.process.send_signal(signal.SIGTERM)
    until(lambda: part.status("/readyz") == 503, "the notice that the API leaves")
    # what was sent there already is answered as before
    assert part.status("/healthz") == 200

    def quiet() -> bool:
        last = served(front)[begun:][-QUIET:]
        return len(last) == QUIET and address not in last

    until(quiet, "a Traefik that sends elsewhere")
    part.end()
    load.more(2)
    after = len(served(front))
    part.begin().wait()
    until(lambda: address in served(front)[after:], "requests to the new API")


def replace_worker(part: Part, load: Load, running: Callable[[int], set[str]], *, in_the_middle: bool) -> None:
    """SIGTERM, while a job stands still in it or as it comes; then the new process, which must run jobs."""
    if in_the_middle:
        send(children_of(part.process.pid), signal.SIGSTOP)
        looks: list[set[str]] = []

        def stands_still() -> bool:
            looks.append(running(part.process.pid))
            return len(looks) >= STILL and bool(set.intersection(*looks[-STILL:]))

        until(stands_still, "a job that stands still in the worker that leaves")
    part.end()
    load.more(2)
    part.begin().wait()
    load.more(2)


async def rows(backends: Backends, query: str) -> list[Any]:
    connection = await asyncpg.connect(backends.environment["MIGRATION_DATABASE_URL"].replace("+asyncpg", ""))
    try:
        await connection.execute("SET row_security = off")
        return list(await connection.fetch(query))
    finally:
        await connection.close()


def test_an_upgrade_fails_no_request_and_loses_no_job(tmp_path: Path) -> None:
    front = Front.choose(tmp_path)
    with ExitStack() as stack:
        backends = stack.enter_context(backends_in(tmp_path / "data"))
        common = backends.process_environment | {"PUBLIC_URL": front.url, "TRUSTED_PROXIES": "127.0.0.1"}
        # eight processes start here: what one compiles the others find
        common |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path / "pycache")}
        parts: dict[str, Part] = {}
        for number in (1, 2):
            for command, name in (("api", "API_PORT"), ("worker", "WORKER_METRICS_PORT")):
                port = str(free_port())
                # longer than the test: it is the second SIGTERM that ends an API
                own = {name: port, "API_DRAIN_SECONDS": str(10 * PATIENCE)}
                own["WORKER_DRAIN_SECONDS"] = "0.2" if number == 1 else str(PATIENCE)
                log = tmp_path / f"{command}-{number}.log"
                part = Part(command, common | own, log, f"http://127.0.0.1:{port}").begin()
                parts[f"{command}-{number}"] = part
                stack.callback(part.kill)
        for part in parts.values():
            part.wait()
        apis = [parts["api-1"], parts["api-2"]]
        storage, flight = backends.environment["S3_ENDPOINT_URL"], f"h2c://127.0.0.1:{free_port()}"
        stack.enter_context(front.running([api.ready for api in apis], flight=flight, storage=storage))

        account = Account(f"{front.url}/graphql", http=httpx.Client(verify=front.tls, timeout=PATIENCE))
        who = {"email": "roll@example.org", "password": "correct horse battery", "name": "Roll"}
        account.token = account.gql(REGISTER, {"i": who})["register"]["accessToken"]
        lines = [f"{number},{number * 7919 % 1000}\n" for number in range(ROWS)]
        dataset = account.upload("id,amount\n" + "".join(lines), "amounts.csv")
        right = "id,amount\n" + "".join(line for line in lines if int(line.split(",")[1]) >= 500)

        def running(pid: int) -> set[str]:
            query = f"SELECT job_id FROM job_attempts WHERE outcome IS NULL AND split_part(worker_id, ':', 2) = '{pid}'"
            return {str(row["job_id"]) for row in asyncio.run(rows(backends, query))}

        first = {parts[f"worker-{number}"].process.pid for number in (1, 2)}
        with Load(front, account.token, dataset).running() as load:
            load.more(CLIENTS)
            migrate = [sys.executable, "-m", "ops.cli", "migrate"]
            subprocess.run(migrate, cwd=ROOT, env=common, check=True, capture_output=True)
            for api in apis:
                replace_api(api, front, load)
            replace_worker(parts["worker-1"], load, running, in_the_middle=True)
            replace_worker(parts["worker-2"], load, running, in_the_middle=False)
            second = {parts[f"worker-{number}"].process.pid for number in (1, 2)}
            for pid in second:
                query = f"SELECT FROM job_attempts WHERE split_part(worker_id, ':', 2) = '{pid}'"
                until(lambda query=query: bool(asyncio.run(rows(backends, query))), "a job in each new worker")  # type: ignore[misc]

        assert load.failures == []
        assert load.requests > len(load.jobs) > 0
        assert set(load.ended) == set(load.jobs)
        assert Counter(state["status"] for state in load.ended.values()) == {"SUCCEEDED": len(load.jobs)}
        with httpx.Client(timeout=PATIENCE) as http:
            for state in load.ended.values():
                assert http.get(state["result"]["files"][0]["url"]).text == right
        attempts = asyncio.run(rows(backends, "SELECT job_id, outcome, worker_id FROM job_attempts"))
        once = Counter(row["job_id"] for row in attempts if row["outcome"] == "SUCCEEDED")
        assert set(once.values()) == {1}
        assert len(once) == len(load.jobs)
        assert {row["outcome"] for row in attempts} == {"SUCCEEDED", "DRAINED"}
        assert {int(row["worker_id"].split(":")[1]) for row in attempts} == first | second
        told = asyncio.run(rows(backends, "SELECT job_id FROM job_events WHERE kind = 'published'"))
        assert Counter(row["job_id"] for row in told) == once
