"""Starts parts, waits until they answer, restarts what crashes, stops all in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import Final

from ops.local import launch
from ops.local.datadir import DataDir
from ops.local.errors import StackError
from ops.local.logs import RotatingLog
from ops.local.parts import Part

_BACKOFF_SECONDS: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_STEADY_SECONDS: Final = 30.0  # a part that ran this long starts its backoff anew
_GIVE_UP_CRASHES: Final = 5  # before it was ever ready
_POLL_SECONDS: Final = 0.03

Say = Callable[[str], None]


class Keeper:
    """Keeps one part running."""

    def __init__(self, part: Part, data: DataDir, say: Say, note: Say) -> None:
        self.part = part
        self._data = data
        self._say, self._note = say, note
        self.log = RotatingLog(data.logs / f"{part.name}.log")
        self.process: asyncio.subprocess.Process | None = None
        self.restarts = 0
        self._ready = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start, and return when the part answers. `StackError` when it keeps failing."""
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.part.name}")
        waiting = asyncio.create_task(self._ready.wait())
        done, _ = await asyncio.wait(
            {waiting, self._task}, timeout=self.part.start_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        waiting.cancel()
        if self._task in done:
            self._task.result()
        if not self._ready.is_set():
            raise StackError(
                "PART_NOT_READY",
                f"{self.part.name} does not answer after {self.part.start_seconds:.0f} s. "
                f"Its last lines:\n{self.log.tail()}",
                f"See {self.log.path}; `karyaksham doctor` looks for causes.",
            )

    async def stop(self) -> None:
        """End the process in order; after its time is over, by force."""
        self._stopping = True
        began = time.monotonic()
        process = self.process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self.part.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), self.part.stop_seconds)
            except TimeoutError:
                self._say(f"{self.part.name} did not stop within {self.part.stop_seconds:.0f} s: killed")
                self._kill_group(process.pid)
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=5)
            self._task.cancel()
        self.log.close()
        self._note(f"{self.part.name} stopped in {time.monotonic() - began:.1f} s")

    def _is_stopping(self) -> bool:
        return self._stopping

    async def _keep(self) -> None:
        crashes = 0
        while not self._is_stopping():
            started = time.monotonic()
            code = await self._run_once()
            if self._is_stopping():
                return
            if time.monotonic() - started > _STEADY_SECONDS:
                crashes = 0
            ever_ready = self._ready.is_set()
            crashes += 1
            if not ever_ready and crashes >= _GIVE_UP_CRASHES:
                raise StackError(
                    "PART_CRASHES",
                    f"{self.part.name} ends at once, {crashes} times in a row ({_ending(code)}). "
                    f"Its last lines:\n{self.log.tail()}",
                    f"See {self.log.path}; `karyaksham doctor` looks for causes.",
                )
            delay = _BACKOFF_SECONDS[min(crashes, len(_BACKOFF_SECONDS)) - 1]
            self._say(f"{self.part.name} ended ({_ending(code)}); starting it again in {delay} s")
            self.restarts += 1
            await asyncio.sleep(delay)

    async def _run_once(self) -> int:
        part = self.part
        self.process = process = await asyncio.create_subprocess_exec(
            *part.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=part.folder,
            env=dict(part.environment) or None,
            # a session of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops all in order
            start_new_session=True,
            preexec_fn=launch.preparation(part.death_signal, part.before),
        )
        self._data.record_process(part.name, process.pid)
        self._note(f"{part.name} started as process {process.pid}")
        pump = asyncio.create_task(self._pump(process))
        watch = asyncio.create_task(self._watch_ready())
        try:
            return await process.wait()
        finally:
            watch.cancel()
            self._kill_group(process.pid)  # what it left behind
            self._data.forget_process(part.name)
            for path in part.leftovers:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            await asyncio.wait({pump}, timeout=1)
            pump.cancel()

    async def _pump(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        while chunk := await process.stdout.read(65_536):
            self.log.write(chunk)

    async def _watch_ready(self) -> None:
        while not await self.part.ready():  # noqa: ASYNC110  # another process cannot set our event
            await asyncio.sleep(_POLL_SECONDS)
        self._note(f"{self.part.name} answers")
        self._ready.set()

    @staticmethod
    def _kill_group(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


class Supervisor:
    """Keeps all parts; `start` them in stages, `stop` goes the other way."""

    def __init__(self, data: DataDir, say: Say, note: Say) -> None:
        self._data = data
        self._say, self._note = say, note
        self.stages: list[list[Keeper]] = []

    async def start(self, parts: list[Part]) -> None:
        """Start parts at once and wait until all answer."""
        keepers = [Keeper(part, self._data, self._say, self._note) for part in parts]
        self.stages.append(keepers)
        tasks = [asyncio.create_task(keeper.start()) for keeper in keepers]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def run_once(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Run a command to its end; `StackError` with its last lines when it fails."""
        log = RotatingLog(self._data.logs / f"{name}.log")
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=launch.preparation(signal.SIGKILL),
        )
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        log.write(output)
        log.close()
        self._note(f"{name} ended ({_ending(process.returncode or 0)})")
        if process.returncode != 0:
            raise StackError(
                "PART_CRASHES",
                f"{name} failed ({_ending(process.returncode or 0)}):\n{log.tail(12)}",
                f"See {log.path}.",
            )

    async def stop(self) -> None:
        """Stop the last stage first; parts of one stage at once."""
        for keepers in reversed(self.stages):
            await asyncio.gather(*(keeper.stop() for keeper in keepers))
        self.stages.clear()
