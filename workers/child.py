"""The process that runs the engine for one slot of a worker: `python -m workers.child`.

It imports the engine once, says `ready`, and then takes one request after another as JSON lines on its standard input:

    {"op": "run" | "inspect", "id": "…", "request": {…}, "memoryLimitBytes": n | null}
    {"op": "cancel", "id": "…"}

and answers on its standard output:

    {"type": "ready", "pid": n, "engineVersion": "…"}
    {"type": "progress", "id": "…", "progress": {…}}        about every 200 ms, and once at the end
    {"type": "done", "id": "…", "report": {…}}
    {"type": "error", "id": "…", "error": {"code", "message", "step", "column", "row", "byteOffset", "retryable",
                                           "hint"}}

Architecture invariant: a child knows neither PostgreSQL nor Redis. It dies with its worker, by the kernel's parent
death signal and at the end of its standard input: no engine writes on behalf of a worker that is gone.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import resource
import signal
import sys
import threading
from typing import Any, BinaryIO, Final

PROGRESS_SECONDS: Final = 0.2
# What a process with the engine may map beyond the job's budget: thread stacks, an allocator arena for each thread,
# read-ahead buffers. It is address space, not memory; the worker watches the resident memory itself.
ADDRESS_SPACE_HEADROOM: Final = 4 * 1024**3 + (os.cpu_count() or 1) * 512 * 1024**2
_PR_SET_PDEATHSIG: Final = 1
_ERROR_FIELDS: Final = {
    "step": "step",
    "column": "column",
    "row": "row",
    "byteOffset": "byte_offset",
    "hint": "hint",
}


def die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGKILL when the worker dies; leave at once if it died before we could ask."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def volunteer_for_oom() -> None:
    """Make this process the kernel's first choice when memory runs out, before the worker or a database."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123  # lean start
            file.write("1000")
    except OSError:
        pass  # not Linux, or /proc is read-only: the resident limit still holds


def limit_address_space(budget: int | None) -> None:
    """Let an allocation bomb fail inside this process: at most `budget` bytes plus headroom beyond what is mapped."""
    soft = resource.RLIM_INFINITY
    if budget is not None and sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            mapped = int(file.read().split()[0]) * resource.getpagesize()
        soft = mapped + 2 * budget + ADDRESS_SPACE_HEADROOM
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def describe(error: BaseException) -> dict[str, Any]:
    """Return the wire form of an engine error; anything else is a bug of the engine and is named as such."""
    code = getattr(error, "code", None)
    if isinstance(code, str):
        out: dict[str, Any] = {wire: getattr(error, name, None) for wire, name in _ERROR_FIELDS.items()}
        message = getattr(error, "message", None) or str(error)
        return {**out, "code": code, "message": message, "retryable": bool(getattr(error, "retryable", False))}
    return {
        **dict.fromkeys(_ERROR_FIELDS),
        "code": "ENGINE_CRASHED",
        "message": f"The engine stopped with an unexpected {type(error).__name__}: {str(error)[:500]}",
        "retryable": True,
    }


class Child:
    """Reads requests, runs one at a time, writes answers."""

    def __init__(self, answers: BinaryIO, requests: BinaryIO) -> None:
        self._answers = answers
        self._requests = requests
        self._inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    def send(self, message: dict[str, Any]) -> None:
        """Write one answer line."""
        self._answers.write(json.dumps(message, separators=(",", ":"), default=str).encode() + b"\n")
        self._answers.flush()

    def _listen(self) -> None:
        """Feed the inbox; the end of standard input means that the worker is gone or wants us gone."""
        while line := self._requests.readline():
            self._inbox.put(("request", json.loads(line)))
        os._exit(0)

    def serve(self) -> None:
        """Answer requests until the worker hangs up."""
        import engine

        threading.Thread(target=self._listen, name="stdin", daemon=True).start()
        self.send({"type": "ready", "pid": os.getpid(), "engineVersion": engine.__version__})
        while True:
            kind, request = self._inbox.get()
            if kind != "request" or request.get("op") == "cancel":
                continue  # a cancel that came after its job had ended
            self.answer(request)

    def answer(self, request: dict[str, Any]) -> None:
        """Run one request to its end and report it."""
        name = request["id"]
        try:
            limit_address_space(request.get("memoryLimitBytes"))
            work = self._run if request["op"] == "run" else self._inspect
            report = work(name, json.dumps(request["request"]))
        except BaseException as error:  # noqa: BLE001  # a Rust panic arrives as a BaseException
            self.send({"type": "error", "id": name, "error": describe(error)})
            if not isinstance(getattr(error, "code", None), str):
                os._exit(70)  # EX_SOFTWARE: after a panic nothing in this process is trusted
            return
        self.send({"type": "done", "id": name, "report": report})

    def _inspect(self, name: str, request: str) -> Any:  # noqa: ARG002  # same shape as _run
        import engine

        return json.loads(engine.inspect(request))

    def _run(self, name: str, request: str) -> Any:
        """Run a job: the engine waits in a thread of its own, so that progress and cancel go on meanwhile."""
        import engine

        handle = engine.submit(request)

        def wait() -> None:
            try:
                self._inbox.put(("done", handle.wait()))
            except BaseException as error:  # noqa: BLE001
                self._inbox.put(("failed", error))

        threading.Thread(target=wait, name="engine-wait", daemon=True).start()
        while True:
            try:
                kind, value = self._inbox.get(timeout=PROGRESS_SECONDS)
            except queue.Empty:
                self.send({"type": "progress", "id": name, "progress": handle.progress()})
                continue
            if kind == "request":
                if value.get("op") == "cancel" and value.get("id") == name:
                    handle.cancel()
                continue
            self.send({"type": "progress", "id": name, "progress": handle.progress()})
            if kind == "failed":
                raise value
            return json.loads(value)


def main() -> None:
    """Serve on the standard streams; whatever a library prints goes to standard error."""
    parent = int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid()
    die_with_parent(parent)
    volunteer_for_oom()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the worker decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    Child(answers, sys.stdin.buffer).serve()


if __name__ == "__main__":
    main()
