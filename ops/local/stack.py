"""Lays out the whole stack in a data directory: which parts run, on which ports, with which settings."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from graph.core.machine_memory import share_of_machine
from ops.local import parts, probes
from ops.local.datadir import DataDir, Secrets, write_private
from ops.local.errors import StackError
from ops.local.launch import Preparation
from ops.local.logs import RotatingLog
from ops.local.parts import Part
from ops.local.ports import PortChooser
from ops.local.supervisor import Keeper, Say, Supervisor

DEFAULT_PORT: Final = 8000
DEFAULT_FLIGHT_PORT: Final = 8815
DEFAULT_S3_PORT: Final = 8333
BACKENDS: Final = ("postgres", "valkey", "s3")
SERVICES: Final = ("api", "flight", "workers")
_STOP_SECONDS: Final = 10.0
# Jobs use every core there is; who looks at something meanwhile, and PostgreSQL, go first. Alone they lose nothing.
_WORKER_NICENESS: Final = 5


@dataclass(frozen=True, slots=True)
class Options:
    """What `karyaksham up` was asked for. Port None: the usual one; 0: any free one."""

    data_dir: Path
    port: int | None = None
    flight_port: int | None = None
    workers: int = 1
    ready_file: Path | None = None
    services: bool = True


class Stack:
    """One stack in one data directory. `run()` starts it and returns when it has stopped."""

    def __init__(self, options: Options, say: Say, environment: Mapping[str, str] | None = None) -> None:
        self.options = options
        self.data = DataDir(options.data_dir)
        self._say = say
        self._given = dict(os.environ if environment is None else environment)
        self.supervisor = Supervisor(self.data, self.say, self.note)
        self.environment: dict[str, str] = {}
        self._ports = PortChooser({})
        self._secrets: Secrets | None = None

    def say(self, text: str) -> None:
        """Tell the user, and the log."""
        self._say(text)
        self.note(text)

    def note(self, text: str) -> None:
        """Tell the log `up.log` alone."""
        if self.data.logs.is_dir():
            log = RotatingLog(self.data.logs / "up.log")
            log.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}\n".encode())
            log.close()

    # layout ----------------------------------------------------------------------------------------------------

    @property
    def external(self) -> set[str]:
        """Backends that the environment names, so that none is started here."""
        named = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL", "s3": "S3_ENDPOINT_URL"}
        found = {part for part, name in named.items() if self._given.get(name) or self._given.get(f"{name}_FILE")}
        if self._given.get("S3_BUCKET") and self._given.get("S3_ACCESS_KEY_ID"):
            found.add("s3")  # AWS itself needs no endpoint
        return found

    def _layout(self) -> list[Part]:
        """Choose ports, make the settings of all services, and return the backends to start."""
        secrets = self._secrets = self.data.secrets()
        self._ports = PortChooser(self.data.remembered_ports())
        backends: list[Part] = []
        made = self._services_environment(secrets)
        if "postgres" not in self.external:
            port = self._ports.choose("postgres")
            place = f"127.0.0.1:{port}/{parts.DATABASE}"
            made["DATABASE_URL"] = f"postgresql+asyncpg://{parts.APP}:{secrets.database_app_password}@{place}"
            made["MIGRATION_DATABASE_URL"] = (
                f"postgresql+asyncpg://{parts.OWNER}:{secrets.database_owner_password}@{place}"
            )
            backends.append(parts.postgres(self.data, port))
        if "valkey" not in self.external:
            port = self._ports.choose("valkey")
            made["REDIS_URL"] = f"redis://:{secrets.redis_password}@127.0.0.1:{port}/0"
            backends.append(parts.valkey(self.data, secrets, port))
        if "s3" not in self.external:
            port = self._ports.choose("s3", 0 if self.options.port == 0 else DEFAULT_S3_PORT)
            inner = {name: self._ports.choose(name) for name in parts.SEAWEED_PORTS}
            made |= {
                "S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "S3_BUCKET": "karyaksham",
                "S3_REGION": "us-east-1",
                "S3_ACCESS_KEY_ID": secrets.s3_access_key_id,
                "S3_SECRET_ACCESS_KEY": secrets.s3_secret_access_key,
                "S3_ADDRESSING_STYLE": "path",
            }
            backends.append(parts.seaweed(self.data, secrets, port, inner))
        self.environment = made | {name: value for name, value in self._given.items() if value and name not in _OWN}
        # where a backend of ours runs, its coordinates win over stray variables
        self.environment |= {name: made[name] for name in _COORDINATES if name in made}
        if self.environment.pop("PYTHONDONTWRITEBYTECODE", None):
            # without bytecode every start compiles all imports anew: 2.6 s instead of 1.2 s for the API
            cache = Path(self._given.get("XDG_CACHE_HOME") or Path.home() / ".cache")
            self.environment.setdefault("PYTHONPYCACHEPREFIX", str(cache / "karyaksham" / "pycache"))
        self.data.remember_ports(self._ports.chosen)
        write_private(self.data.environment_file, json.dumps({**made, **self._differences(made)}, indent=1))
        return backends

    def _differences(self, made: Mapping[str, str]) -> dict[str, str]:
        return {name: self.environment[name] for name in made}

    def _services_environment(self, secrets: Secrets) -> dict[str, str]:
        host = self._given.get("API_HOST") or "127.0.0.1"
        flight_host = self._given.get("FLIGHT_HOST") or "127.0.0.1"
        port = self._service_port("api", self.options.port, DEFAULT_PORT, host)
        flight_port = self._service_port("flight", self.options.flight_port, DEFAULT_FLIGHT_PORT, flight_host)
        origins = [f"http://localhost:{port}"]
        return {
            "API_HOST": host,
            "API_PORT": str(port),
            "API_URL": f"http://127.0.0.1:{port}",
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "ALLOWED_ORIGINS": ",".join(origins),
            "FLIGHT_HOST": flight_host,
            "FLIGHT_PORT": str(flight_port),
            "FLIGHT_PUBLIC_URL": f"grpc://127.0.0.1:{flight_port}",
            "SIGNING_KEY": secrets.signing_key,
            "ENCRYPTION_KEY": secrets.encryption_key,
            "ADMIN_EMAIL": secrets.admin_email,
            "ADMIN_PASSWORD": secrets.admin_password,
            "SPILL_DIR": str(self.data.spill),
            # workers and Flight share this disk
            "RESULT_COPIES_LIMIT_BYTES": str(4 << 30),
            # Ctrl-C at a desk should not wait for long jobs: they are handed back and begin again
            "WORKER_DRAIN_SECONDS": "5",
        }

    def _service_port(self, name: str, asked: int | None, usual: int, host: str) -> int:
        """Return the port asked for, or a free one when it is taken."""
        preferred = usual if asked is None else asked
        port = self._ports.choose(name, preferred, host)
        if preferred and port != preferred and self.options.services:
            self.say(f"Port {preferred} is taken: the {name} uses {port}.")
        return port

    def _service(
        self, name: str, command: str, ready: probes.Probe, before: Preparation | None = None, **extra: str
    ) -> Part:
        return Part(
            name=name,
            before=before,
            command=[sys.executable, "-m", "ops.cli", command],
            environment=self.environment | extra,
            ready=ready,
            # jobs of a worker killed with the supervisor are taken over by lease; nothing of the service may linger
            death_signal=signal.SIGKILL,
            stop_seconds=_STOP_SECONDS + float(self.environment["WORKER_DRAIN_SECONDS"]),
        )

    def _services(self) -> list[Part]:
        api = f"http://127.0.0.1:{self.environment['API_PORT']}/readyz"
        flight_port = int(self.environment["FLIGHT_PORT"])
        found = [
            # no docstrings in memory: 8 MB less
            self._service("api", "api", lambda: probes.http_ok(api), PYTHONOPTIMIZE="2"),
            self._service(
                "flight",
                "flight",
                lambda: probes.listens("127.0.0.1", flight_port),
                FLIGHT_METRICS_PORT=str(self._ports.choose("flight-metrics")),
            ),
        ]
        # all of them share this machine
        memory = self.environment.get("WORKER_MEMORY_BYTES") or str(share_of_machine(max(self.options.workers, 1)))
        for number in range(1, self.options.workers + 1):
            name = f"worker-{number}"
            port = self._ports.choose(name)
            found.append(
                self._service(
                    name,
                    "worker",
                    lambda port=port: probes.http_ok(f"http://127.0.0.1:{port}/readyz"),  # type: ignore[misc]
                    before=_step_back,
                    WORKER_METRICS_PORT=str(port),
                    WORKER_MEMORY_BYTES=memory,
                )
            )
        return found

    # life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start everything; returns when all parts answer."""
        started = time.monotonic()
        killed = await asyncio.to_thread(self.data.end_orphans)
        if killed:
            self.say(f"Ended {len(killed)} processes that a killed stack had left.")
        backends = self._layout()
        await self._start_backends(backends)
        if self.options.services:
            await self.supervisor.start(self._services())
        self.data.remember_ports(self._ports.chosen)
        self._announce(time.monotonic() - started)

    async def _start_backends(self, backends: list[Part]) -> None:
        by_name = {part.name: part for part in backends}
        others = [part for part in backends if part.name != "postgres"]
        # cancelled together when one fails
        async with asyncio.TaskGroup() as group:
            if others:
                group.create_task(self.supervisor.start(others))
            group.create_task(self._start_database(by_name.get("postgres")))

    async def _start_database(self, part: Part | None) -> None:
        marker = self.data.run / "migrated"
        if part is not None:
            if not (self.data.postgres / "PG_VERSION").exists():
                self.say("Making a new PostgreSQL cluster …")
                marker.unlink(missing_ok=True)
            assert self._secrets is not None  # noqa: S101  # set by _layout
            await asyncio.to_thread(parts.init_postgres, self.data, self._secrets)
            await self.supervisor.start([part])
        # loading the migrations takes longer than all other starts: a cluster of ours remembers what it has seen
        state = _migrations_state()
        if part is not None and marker.exists() and marker.read_text(encoding="ascii") == state:
            return
        await self.supervisor.run_once(
            "migrate", [sys.executable, "-m", "ops.cli", "migrate"], {**self.environment, "LOG_LEVEL": "WARNING"}
        )
        if part is not None:
            marker.write_text(state, encoding="ascii")

    async def stop(self) -> None:
        """Stop everything in order."""
        if self.options.ready_file is not None:
            with contextlib.suppress(OSError):
                self.options.ready_file.unlink(missing_ok=True)
        await self.supervisor.stop()

    @property
    def keepers(self) -> list[Keeper]:
        """All supervised parts."""
        return [keeper for stage in self.supervisor.stages for keeper in stage]

    def ready_document(self) -> dict[str, str]:
        """Return what stands in the ready file."""
        url = self.environment["PUBLIC_URL"].rstrip("/")
        return {
            "url": url,
            "graphqlUrl": f"{url}/graphql",
            "flightUrl": self.environment["FLIGHT_PUBLIC_URL"],
            "s3Url": self.environment.get("S3_PUBLIC_ENDPOINT_URL") or self.environment.get("S3_ENDPOINT_URL", ""),
            "adminEmail": self.environment["ADMIN_EMAIL"],
            "adminPassword": self.environment["ADMIN_PASSWORD"],
        }

    def _announce(self, seconds: float) -> None:
        ready = self.ready_document()
        if self.options.ready_file is not None:
            write_private(self.options.ready_file, json.dumps(ready, indent=1))
        if not self.options.services:
            return
        self.say(
            f"Karyaksham is ready after {seconds:.1f} s.\n"
            f"  Open           {ready['url']}\n"
            f"  Administrator  {ready['adminEmail']}, password in {self.data.secrets_file}\n"
            f"  GraphQL        {ready['graphqlUrl']}\n"
            f"  Arrow Flight   {ready['flightUrl']}\n"
            f"  Data, logs     {self.data.path}\n"
            f"  Stop           Ctrl-C, or kill {os.getpid()}"
        )

    def run(self) -> int:
        """Start, wait for SIGINT, SIGTERM or SIGHUP, stop; returns the exit code. `StackError` when it cannot start."""
        self.data.lock()
        try:
            return asyncio.run(self._run())
        finally:
            self.data.unlock()

    async def _run(self) -> int:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        starting = asyncio.create_task(self.start())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                try:
                    starting.result()
                except BaseExceptionGroup as group:
                    raise _first(group) from None
                await stopping
            else:
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
            self.say("Stopping …")
        finally:
            await self.stop()
        self.say("Stopped.")
        return 0


def _step_back() -> None:
    """Lower the priority of a worker and of its children."""
    os.nice(_WORKER_NICENESS)


def _migrations_state() -> str:
    """Return a digest of everything that `karyaksham migrate` does."""
    import graph

    folder = Path(next(iter(graph.__path__)))
    files = sorted([*(folder / "migrations").rglob("*.py"), folder / "core" / "migrate.py"])
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error of ours in a group, else the first one."""
    found = group.subgroup(StackError)
    inner = (found or group).exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


# never taken over from the environment: set per process
_OWN: Final = frozenset({"WORKER_METRICS_PORT", "FLIGHT_METRICS_PORT", "API_PORT", "FLIGHT_PORT", "API_URL"})
_COORDINATES: Final = (
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "REDIS_URL",
    "S3_ENDPOINT_URL",
    "S3_BUCKET",
    "S3_REGION",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
    "S3_ADDRESSING_STYLE",
    "API_PORT",
    "FLIGHT_PORT",
    "API_URL",
)
