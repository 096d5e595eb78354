"""Clients of the suite: they submit jobs, ask again when an answer is lost, cancel some, and note what was promised."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from tests.faults.cases import Case, Cases
from tests.processes import PATIENCE
from tests.stack import Account, Refused, Stack

T = TypeVar("T")
RUN = """mutation($i: RunJobInput!) { runJob(input: $i) {
  __typename ... on RunJobSuccess { job { id status } } ... on Error { code message path } } }"""
CANCEL = """mutation($i: CancelJobInput!) { cancelJob(input: $i) {
  __typename ... on CancelJobSuccess { job { id status } } ... on Error { code message path } } }"""
TOKEN = """mutation($i: CreateApiTokenInput!) { createApiToken(input: $i) {
  __typename ... on CreateApiTokenSuccess { token } ... on Error { code message path } } }"""
# a client gives up on an answer after this and asks again
ANSWER_SECONDS = 15.0


@dataclass
class Promise:
    """One job as the client knows it."""

    case: Case
    tenant: int
    key: str
    job: str | None = None  # global id, once acknowledged
    acknowledged_at: float = 0.0
    cancelled: bool = False  # the cancel was acknowledged
    problems: list[str] = field(default_factory=list)


def tenant(stack: Stack, cases: Cases) -> tuple[Account, dict[str, str]]:
    """Somebody with the files uploaded, who asks with an API token: log-ins would end while clocks are stepped."""
    account = stack.register()
    datasets = {name: account.upload(data, f"{name}.csv") for name, data in cases.files.items()}
    made = account.gql(TOKEN, {"i": {"name": "faults", "scopes": ["READ", "WRITE"]}})["createApiToken"]["token"]
    http = httpx.Client(timeout=ANSWER_SECONDS)
    return Account(account.graphql_url, made, account.email, account.password, account.id, http), datasets


class Clients:
    """Submits cases over a stretch of time, from threads; `promises` is what has to be kept."""

    def __init__(
        self, tenants: list[tuple[Account, dict[str, str]]], cases: Cases, seed: int, *, cancel_share: float = 0.15
    ) -> None:
        self._tenants = tenants
        self._cases = cases
        self._seed = seed
        self._cancel_share = cancel_share
        self.promises: list[Promise] = []
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="client")
        self._stop = threading.Event()
        self._work: list[Any] = []

    def begin(self, count: int, seconds: float) -> None:
        """Let so many jobs be submitted, spread over so many seconds, some of them in bursts."""
        rng = random.Random(f"{self._seed} arrivals")
        burst = [rng.uniform(0, seconds) for _ in range(max(count // 25, 1))]
        times = sorted(rng.choice(burst) if rng.random() < 0.3 else rng.uniform(0, seconds) for _ in range(count))
        started = time.monotonic()
        for number, at in enumerate(times):
            promise = Promise(self._cases.case(number), number % len(self._tenants), f"case-{number}")
            self.promises.append(promise)
            self._work.append(self._threads.submit(self._live, promise, started + at))

    def end(self) -> None:
        """Wait until all have been submitted."""
        for work in self._work:
            work.result()
        self._threads.shutdown()

    def stop(self) -> None:
        """Give up."""
        self._stop.set()

    def _insist(self, ask: Callable[[], T]) -> T:
        """Ask again until there is an answer, as long as none says that it is wrong to ask."""
        deadline = time.monotonic() + 4 * PATIENCE
        while True:
            try:
                return ask()
            except (httpx.HTTPError, OSError, ValueError):
                if time.monotonic() > deadline or self._stop.is_set():
                    raise
            except Refused as refused:
                if refused.code != "SERVICE_UNAVAILABLE" or time.monotonic() > deadline or self._stop.is_set():
                    raise
            self._stop.wait(0.5)

    def _live(self, promise: Promise, at: float) -> None:
        rng = random.Random(f"{self._seed} client {promise.case.number}")
        self._stop.wait(max(at - time.monotonic(), 0))
        if self._stop.is_set():
            return
        try:
            promise.job = self._run(promise)
            promise.acknowledged_at = time.monotonic()
            if rng.random() < 0.15 and self._run(promise) != promise.job:
                promise.problems.append("the same key gave another job")
            if rng.random() < self._cancel_share:
                self._stop.wait(rng.choice([0.0, rng.uniform(0, 2), rng.uniform(0, 20)]))
                self._cancel(promise)
        except (Refused, httpx.HTTPError, OSError, ValueError) as error:
            promise.problems.append(f"{'cancel' if promise.job else 'runJob'}: {type(error).__name__}: {error}")

    def _run(self, promise: Promise) -> str:
        account, datasets = self._tenants[promise.tenant]
        inputs = [{"name": "input", "datasetId": datasets[promise.case.dataset]}]
        order = {"spec": {"version": 1, **promise.case.spec}, "inputs": inputs, "idempotencyKey": promise.key}
        return str(self._insist(lambda: account.gql(RUN, {"i": order}))["runJob"]["job"]["id"])

    def _cancel(self, promise: Promise) -> None:
        account, _ = self._tenants[promise.tenant]
        try:
            self._insist(lambda: account.gql(CANCEL, {"i": {"id": promise.job}}))
        except Refused as refused:
            if refused.code != "JOB_ENDED":
                raise
            return
        promise.cancelled = True
