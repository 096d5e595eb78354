"""Child processes that run the engine: one warm child per slot, killed and replaced when it misbehaves.

A crash, an out-of-memory kill or a hanging engine costs one attempt of one job, never the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import orjson
import structlog

log = structlog.get_logger(__name__)

START_SECONDS: Final = 60.0
CANCEL_GRACE_SECONDS: Final = 1.0
WATCH_SECONDS: Final = 0.25
MIB: Final = 1024 * 1024
# A child is replaced after this many jobs, or when this much stays resident between jobs: leaks and fragmentation end.
RECYCLE_JOBS: Final = 100
RECYCLE_RESIDENT_BYTES: Final = 384 * MIB
# The longest answer line: an inspection's preview of 100 rows of very wide columns.
LINE_LIMIT_BYTES: Final = 64 * MIB
# A child sees no secret of the worker: S3 credentials come with the request, AWS_* is the machine's own role.
_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
_ENVIRONMENT_PREFIXES: Final = ("LC_", "RUST_", "AWS_", "MALLOC_", "KARYAKSHAM_ENGINE_")

Progress = dict[str, Any]


@dataclass(eq=False)
class AttemptError(Exception):
    """An attempt that failed; the fields are the job's `error`."""

    code: str
    message: str
    step: int | None = None
    column: str | None = None
    row: int | None = None
    byteOffset: int | None = None  # noqa: N815  # wire names, as stored and as in GraphQL
    retryable: bool = False
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as stored in `jobs.error`."""
        return asdict(self)

    @classmethod
    def from_wire(cls, error: dict[str, Any]) -> AttemptError:
        """Read the error object of an answer line."""
        return cls(**{name: error[name] for name in cls.__dataclass_fields__ if name in error})


def crashed(exit_code: int | None, stderr_tail: str) -> AttemptError:
    """Describe a child that ended without an answer."""
    if exit_code is not None and exit_code < 0:
        try:
            how = f"was killed by {signal.Signals(-exit_code).name}"
        except ValueError:
            how = f"was killed by signal {-exit_code}"
    else:
        how = f"ended with exit code {exit_code}"
    hint = (
        "The attempt is repeated up to the job's maximum. If it always crashes here, report the input and the pipeline."
    )
    if exit_code == -signal.SIGKILL:
        hint = "The machine probably ran out of memory: lower WORKER_CONCURRENCY or JOB_MEMORY_LIMIT_BYTES."
    detail = f" Last words: {stderr_tail}" if stderr_tail else ""
    return AttemptError("ENGINE_CRASHED", f"The engine's process {how}.{detail}", retryable=True, hint=hint)


def child_environment() -> dict[str, str]:
    """Return the environment of a child: no settings, no secrets, and the folder that this package was loaded from."""
    kept = {k: v for k, v in os.environ.items() if k in _ENVIRONMENT or k.startswith(_ENVIRONMENT_PREFIXES)}
    return {**kept, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PYTHONUNBUFFERED": "1"}


def anonymous_bytes(pid: int) -> int:
    """Return the resident memory of a process without file mappings, 0 when it is gone or unknown."""
    try:
        resident, shared = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1:3]
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * resource.getpagesize()


def memory_ceiling(budget: int) -> int:
    """Return the resident bytes at which a child is killed: the engine's budget plus what is outside its accounting."""
    return budget + max(budget // 2, 256 * MIB)


class ChildProcess:
    """One running child; `call` runs one request at a time on it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._stderr: deque[str] = deque(maxlen=20)
        self._stderr_task = asyncio.create_task(self._drain_stderr())
        self._overrun: int | None = None
        self._current: str | None = None
        self.jobs = 0
        self.engine_version = ""

    @classmethod
    async def start(cls) -> ChildProcess:
        """Start a child and wait until its engine is loaded; `AttemptError` ENGINE_UNAVAILABLE when it cannot."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "workers.child", str(os.getpid()),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT_BYTES, env=child_environment(), start_new_session=True,
        )  # fmt: skip
        child = cls(process)
        try:
            ready = await asyncio.wait_for(child._read(), START_SECONDS)
        except (TimeoutError, AttemptError, asyncio.CancelledError) as error:
            await child.close()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise AttemptError("ENGINE_UNAVAILABLE", f"The engine's process did not start: {error}") from error
        child.engine_version = str(ready.get("engineVersion"))
        return child

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.returncode is None

    @property
    def reusable(self) -> bool:
        """Whether it may take another job, rather than give way to a fresh process."""
        return self.alive and self.jobs < RECYCLE_JOBS and anonymous_bytes(self.pid) <= RECYCLE_RESIDENT_BYTES

    async def _drain_stderr(self) -> None:
        assert self._process.stderr is not None  # noqa: S101  # made with a pipe
        while True:
            try:
                line = await self._process.stderr.readline()
            except ValueError:
                continue  # a line past the limit: dropped
            if not line:
                return
            text = line.decode(errors="replace").rstrip()[:500]
            self._stderr.append(text)
            log.info("engine_stderr", child_pid=self.pid, line=text)

    async def _read(self) -> dict[str, Any]:
        """Return the next answer; `AttemptError` when the process ended instead."""
        assert self._process.stdout is not None  # noqa: S101
        try:
            line = await self._process.stdout.readline()
        except ValueError as error:
            self.kill()
            raise AttemptError("ENGINE_CRASHED", "The engine's answer was too long to read.") from error
        if line:
            answer: dict[str, Any] = orjson.loads(line)
            return answer
        code = await self._process.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._stderr_task), 1)
        if self._overrun is not None:
            raise AttemptError(
                "MEMORY_LIMIT_EXCEEDED",
                f"The job used {self._overrun // MIB} MiB, more than its limit allows, and was stopped.",
                hint="Run it with a larger memoryLimitBytes, raise JOB_MEMORY_LIMIT_BYTES, or let the pipeline keep "
                "fewer columns or groups.",
            )
        raise crashed(code, " / ".join(self._stderr)[-600:])

    async def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101
        with contextlib.suppress(ConnectionError, RuntimeError):  # a dead child is noticed by _read
            self._process.stdin.write(orjson.dumps(message) + b"\n")
            await self._process.stdin.drain()

    async def call(
        self,
        op: str,
        request: dict[str, Any],
        *,
        memory_limit: int | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> dict[str, Any]:
        """Run one request (`run` or `inspect`) and return the engine's report; `AttemptError` otherwise.

        When the caller is cancelled, the child is killed: nothing runs on unobserved.
        """
        name = self._current = uuid4().hex
        self.jobs += 1
        watch = asyncio.create_task(self._watch_memory(memory_limit)) if memory_limit is not None else None
        try:
            await self._send({"op": op, "id": name, "request": request, "memoryLimitBytes": memory_limit})
            while True:
                answer = await self._read()
                if answer.get("id") != name:
                    continue
                match answer["type"]:
                    case "progress":
                        if on_progress is not None:
                            on_progress(answer["progress"])
                    case "done":
                        report: dict[str, Any] = answer["report"]
                        return report
                    case "error":
                        raise AttemptError.from_wire(answer["error"])
        except asyncio.CancelledError:
            self.kill()
            raise
        finally:
            self._current = None
            if watch is not None:
                watch.cancel()

    async def _watch_memory(self, limit: int) -> None:
        ceiling = memory_ceiling(limit)
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            used = anonymous_bytes(self.pid)
            if used > ceiling:
                self._overrun = used
                self.kill()
                return

    async def cancel(self) -> None:
        """Ask the engine to stop, so that it aborts its uploads; kill it when it has not within a second."""
        name = self._current
        if name is None:
            return
        await self._send({"op": "cancel", "id": name})
        deadline = time.monotonic() + CANCEL_GRACE_SECONDS
        while self._current == name:
            if time.monotonic() >= deadline:
                self.kill()
                return
            await asyncio.sleep(0.02)

    def kill(self) -> None:
        """End the process now."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End the process and collect it."""
        self.kill()
        await self._process.wait()
        self._stderr_task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._stderr_task


class ChildPool:
    """Warm children for a fixed number of slots; a lost child is replaced in the background."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._idle: asyncio.Queue[ChildProcess] = asyncio.Queue()
        self._children: set[ChildProcess] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    async def start(self) -> None:
        """Start all children; returns when the first round of starts has ended, each retried in the background."""
        await asyncio.gather(*(self._add() for _ in range(self._size)))

    @property
    def pids(self) -> list[int]:
        """Process ids of all children, for the metrics and the tests."""
        return sorted(child.pid for child in self._children)

    async def _add(self) -> None:
        delay = 0.5
        while not self._closing.is_set():
            try:
                child = await ChildProcess.start()
            except (AttemptError, OSError) as error:
                log.error("child_start_failed", error=str(error), retry_seconds=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 30)
                continue
            if self._closing.is_set():
                await child.close()
                return
            self._children.add(child)
            self._idle.put_nowait(child)
            return

    def _replace(self) -> None:
        if not self._closing.is_set():
            task = asyncio.create_task(self._add())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def child(self) -> AsyncIterator[ChildProcess]:
        """Borrow a living child; it is replaced afterwards when it died or is worn."""
        while True:
            child = await self._idle.get()
            if child.alive:
                break
            self._children.discard(child)
            self._replace()
        try:
            yield child
        finally:
            if child.reusable:
                self._idle.put_nowait(child)
            else:
                self._children.discard(child)
                self._replace()
                await child.close()

    async def close(self) -> None:
        """End all children."""
        self._closing.set()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*(child.close() for child in list(self._children)))
        self._children.clear()
