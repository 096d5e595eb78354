"""The ground of the suite: the embedded backends, a proxy before each, and services that know the proxies only."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.faults.clock import DATABASE, SERVICES, Clocks
from tests.faults.proxy import Proxy
from tests.processes import descendants
from tests.stack import ROOT, Stack, clean_environment, running, stack_in

URLS = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL", "s3": "S3_ENDPOINT_URL"}
COORDINATES = ("S3_BUCKET", "S3_REGION", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_ADDRESSING_STYLE")
BACKENDS = tuple(URLS)
MIB = 1024 * 1024


@dataclass
class Ground:
    """What faults are done to."""

    folder: Path
    direct: dict[str, str]  # settings past the proxies, for whoever looks after the faults
    proxies: dict[str, Proxy]
    clocks: Clocks
    service: Stack
    workers: int
    disks: dict[str, Path] = field(default_factory=dict)  # small file systems: name → where

    @property
    def logs(self) -> Path:
        """Logs of API and workers."""
        return self.service.data_dir / "logs"

    def pid(self, part: str) -> int | None:
        """The process of a part, None while there is none: postgres, valkey, s3, api, worker-1 …"""
        folder = self.folder / "backends" if part in BACKENDS else self.service.data_dir
        with contextlib.suppress(OSError, ValueError, LookupError):
            return int(json.loads((folder / f"run/{part}.pid").read_text())[0])
        return None

    def children(self, part: str) -> list[int]:
        """Processes below a part: engines of a worker, backends of PostgreSQL."""
        pid = self.pid(part)
        return sorted(descendants(pid)) if pid else []


def send(pids: list[int], number: signal.Signals) -> list[int]:
    """Send a signal to those that still live; returns them."""
    reached = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            reached.append(pid)
    return reached


def _through(url: str, port: int) -> str:
    """The same address at another port of this machine."""
    parts = urlsplit(url)
    user, separator, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{separator}127.0.0.1:{port}"))


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[bool]:
    """Mount a file system of this size in memory, where that is allowed."""
    place.mkdir(parents=True, exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    mounted = libc.mount(b"tmpfs", bytes(place), b"tmpfs", 0, f"size={size},mode=0700".encode()) == 0
    try:
        yield mounted
    finally:
        if mounted:
            libc.umount2(bytes(place), 2)  # MNT_DETACH


@contextmanager
def ground_in(
    folder: Path,
    rng: random.Random,
    *,
    workers: int,
    settings: Mapping[str, str],
    small_disks: bool = False,
    clocks: bool = True,
) -> Iterator[Ground]:
    """Start everything in a folder; all of it is gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        clock = Clocks(folder)
        clock.available = clock.available and clocks
        spill = folder / "service/spill"
        places = {"spill": (spill, 192 * MIB), "s3": (folder / "backends/s3", 3072 * MIB)} if small_disks else {}
        disks = {name: place for name, (place, size) in places.items() if stack.enter_context(small_disk(place, size))}
        ready = folder / "backends.ready"
        command = [sys.executable, "-m", "ops.local", "--data-dir", str(folder / "backends")]
        stack.enter_context(
            running(
                [*command, "--ready-file", str(ready)],
                ready,
                folder / "backends.log",
                cwd=ROOT,
                env=clean_environment(**clock.environment(DATABASE)),
            )
        )
        direct: dict[str, str] = json.loads((folder / "backends/run/environment.json").read_text())
        proxies = {}
        for name, variable in URLS.items():
            target = urlsplit(direct[variable])
            assert target.port is not None
            seeded = random.Random(rng.random())
            proxies[name] = stack.enter_context(Proxy(name, ("127.0.0.1", target.port), seeded))
        given = {name: direct[name] for name in COORDINATES}
        given |= {variable: _through(direct[variable], proxies[name].port) for name, variable in URLS.items()}
        given["MIGRATION_DATABASE_URL"] = direct["MIGRATION_DATABASE_URL"]
        given["S3_PUBLIC_ENDPOINT_URL"] = direct["S3_ENDPOINT_URL"]
        given["SPILL_DIR"] = str(spill)
        environment = clean_environment(**given, **clock.environment(SERVICES), **settings)
        service = stack.enter_context(stack_in(folder / "service", workers=workers, env=environment))
        yield Ground(folder, direct, proxies, clock, service, workers, disks)
