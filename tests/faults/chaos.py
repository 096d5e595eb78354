"""Faults: a schedule drawn from the seed, and how each is done and undone."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.clock import DATABASE, SERVICES
from tests.faults.ground import BACKENDS, Ground, send
from tests.faults.proxy import KINDS, WAYS, Hurt

Undo = Callable[[], None]
# of 100 faults so many are of this family
FAMILIES = {"network": 40, "kill": 30, "stop": 20, "disk": 5, "clock": 5}
LONGEST_SECONDS = 45.0


@dataclass(frozen=True)
class Fault:
    """`at` and `seconds` from the start of the schedule; what else is drawn when it is done comes from `seed`."""

    at: float
    family: str
    target: str
    seconds: float
    seed: int

    def __str__(self) -> str:
        return f"{self.family} {self.target} for {self.seconds:.1f} s"


def targets(family: str, workers: int, disks: bool, clocks: bool) -> list[str]:
    """What faults of a family may strike; some stand there twice, to be struck more often."""
    names = [f"worker-{number}" for number in range(1, workers + 1)]
    children = [f"child of {name}" for name in names]
    return {
        "network": [*BACKENDS],
        "kill": [*names, *names, *children, *children, "api", "valkey", "s3", "postgres", "backend of postgres"],
        "stop": [*names, *[f"{name} and children" for name in names], *children, "api", "valkey", "s3", "postgres"],
        "disk": ["spill", "spill", "s3"] if disks else [],
        "clock": ["services", "postgres"] if clocks else [],
    }[family]


def schedule(
    seed: int,
    seconds: float,
    *,
    workers: int,
    disks: bool,
    clocks: bool,
    pause: float = 4.0,
    longest: float = LONGEST_SECONDS,
) -> list[Fault]:
    """All faults of a seed, by time; `pause` is the mean of seconds between two, `longest` what one may last."""
    rng = random.Random(f"{seed} faults")
    out: list[Fault] = []
    at = rng.expovariate(1 / pause)
    while at < seconds:
        (family,) = rng.choices(list(FAMILIES), list(FAMILIES.values()))
        long = rng.random() < 0.15
        lasts = rng.uniform(5, longest) if long else rng.uniform(0.3, 5)
        number = rng.randrange(2**31)
        if found := targets(family, workers, disks, clocks):
            out.append(Fault(at, family, rng.choice(found), lasts, number))
        at += rng.expovariate(1 / pause)
    return out


class Chaos:
    """Does faults, remembers what it did, and undoes all at the end."""

    def __init__(self, ground: Ground, before_kill: Callable[[str, list[int]], None] | None = None) -> None:
        self._ground = ground
        self._before_kill = before_kill
        self._undo: dict[int, Undo] = {}
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self.log: list[str] = []

    def note(self, text: str, at: float | None = None) -> None:
        """Write a line into the log of faults; of now, or of a moment of the monotonic clock."""
        moment = (time.monotonic() if at is None else at) - self._started
        with self._lock:
            self.log = sorted([*self.log, f"{moment:8.2f} s  {text}"], key=lambda line: float(line.split()[0]))

    def run(self, faults: list[Fault], stop: threading.Event) -> None:
        """Do the schedule; returns when the last fault is over, or when told to stop. Then all is undone."""
        self._started = time.monotonic()
        ends: list[tuple[float, int, Fault]] = []
        waiting = list(faults)
        try:
            while (waiting or ends) and not stop.is_set():
                now = time.monotonic() - self._started
                for at, number, fault in [end for end in ends if end[0] <= now]:
                    ends.remove((at, number, fault))
                    self._end(number, fault)
                if waiting and waiting[0].at <= now:
                    fault = waiting.pop(0)
                    number = len(faults) - len(waiting)
                    self._begin(number, fault)
                    ends.append((now + fault.seconds, number, fault))
                stop.wait(0.05)
        finally:
            self.undo_all()

    def _begin(self, number: int, fault: Fault) -> None:
        do = getattr(self, f"_{fault.family}")
        try:
            detail, undo = do(fault, random.Random(fault.seed))
        except OSError as error:
            detail, undo = f"came to nothing: {error}", None
        self.note(f"begin {number:4} {fault}: {detail}")
        if undo is not None:
            self._undo[number] = undo

    def _end(self, number: int, fault: Fault) -> None:
        undo = self._undo.pop(number, None)
        if undo is not None:
            with contextlib.suppress(OSError):
                undo()
            self.note(f"  end {number:4} {fault}")

    def undo_all(self) -> None:
        """Remove every fault."""
        for number in list(self._undo):
            with contextlib.suppress(OSError):
                self._undo.pop(number)()
        for proxy in self._ground.proxies.values():
            proxy.heal()
        self._ground.clocks.step(SERVICES, 0)
        self._ground.clocks.step(DATABASE, 0)
        self.note("all faults are over")

    # families --------------------------------------------------------------------------------------------------

    def _network(self, fault: Fault, rng: random.Random) -> tuple[str, Undo]:
        kind, way = rng.choice(KINDS), rng.choice(WAYS)
        share = rng.choice([0.2, 0.5, 1.0])
        amount = {
            "delay": rng.uniform(0.01, 0.5),
            "throttle": rng.choice([20_000.0, 200_000.0, 2_000_000.0]),
            "cut": float(rng.choice([0, 1, rng.randrange(200), rng.randrange(5_000), rng.randrange(500_000)])),
            "reset": float(rng.choice([0, 1, rng.randrange(200), rng.randrange(5_000), rng.randrange(500_000)])),
        }.get(kind, 0.0)
        hurt = Hurt(kind, way, share, amount)
        proxy = self._ground.proxies[fault.target]
        struck = proxy.hurt(hurt)
        return f"{kind} {way} share {share} amount {amount:g}, {struck} connections", lambda: proxy.heal(hurt)

    def _processes(self, target: str, rng: random.Random) -> list[int]:
        """Processes that a target names now; a child or a backend is any one of them."""
        ground = self._ground
        kind, _, part = target.rpartition(" of ")
        if kind in {"child", "backend"}:
            found = ground.children(part)
            return [rng.choice(found)] if found else []
        name = target.removesuffix(" and children")
        pid = ground.pid(name)
        if pid is None:
            return []
        whole = name != target or name == "postgres"  # a stopped postmaster alone stops nothing
        return [pid, *(ground.children(name) if whole else [])]

    def _kill(self, fault: Fault, rng: random.Random) -> tuple[str, None]:
        pids = self._processes(fault.target, rng)
        if fault.target == "postgres":
            pids = pids[:1]
        if self._before_kill is not None and pids:
            self._before_kill(fault.target, pids)
        return f"SIGKILL to {send(pids, signal.SIGKILL)}", None

    def _stop(self, fault: Fault, rng: random.Random) -> tuple[str, Undo]:
        pids = send(self._processes(fault.target, rng), signal.SIGSTOP)

        def go_on() -> None:
            send(pids, signal.SIGCONT)

        return f"SIGSTOP to {pids}", go_on

    def _disk(self, fault: Fault, rng: random.Random) -> tuple[str, Undo | None]:
        place = self._ground.disks.get(fault.target)
        if place is None:
            return "no small disk", None
        ballast = place / "ballast"
        left = rng.choice([0, 0, 100_000])
        size = max(_free(place) - left, 0)
        descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, max(size, 1))
        finally:
            os.close(descriptor)
        return f"{_free(place)} bytes left", lambda: ballast.unlink(missing_ok=True)

    def _clock(self, fault: Fault, rng: random.Random) -> tuple[str, Undo]:
        slot = SERVICES if fault.target == "services" else DATABASE
        # what was written under a step of PostgreSQL's clock (a lease's end, the next attempt) is late by as much
        step = rng.choice([-1, 1]) * rng.choice([1.0, 10.0, 20.0] if slot == DATABASE else [1.0, 60.0, 200.0])
        self._ground.clocks.step(slot, step)
        return f"stepped by {step:+g} s", lambda: self._ground.clocks.step(slot, 0)


def _free(place: Path) -> int:
    status = os.statvfs(place)
    return status.f_bavail * status.f_frsize
