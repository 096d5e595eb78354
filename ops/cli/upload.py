"""`karyaksham upload`: parallel parts, retries, resumption after an interruption."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import httpx

from ops.cli.client import REFUSED, Server, config_dir
from ops.cli.errors import CommandError
from ops.cli.progress import ProgressBar, human

_BEGIN = f"""mutation($i: BeginUploadInput!) {{ beginUpload(input: $i) {{ __typename
  ... on BeginUploadSuccess {{ upload {{ id partSizeBytes partCount }} }} {REFUSED} }} }}"""
_SIGN = f"""mutation($i: SignUploadPartsInput!) {{ signUploadParts(input: $i) {{ __typename
  ... on SignUploadPartsSuccess {{ parts {{ partNumber url sizeBytes contentType }} }} {REFUSED} }} }}"""
_COMPLETE = f"""mutation($i: CompleteUploadInput!) {{ completeUpload(input: $i) {{ __typename
  ... on CompleteUploadSuccess {{ dataset {{ id }} }} {REFUSED} }} }}"""
_STATE = "query($id: ID!) { upload(id: $id) { id status partSizeBytes partCount presentParts dataset { id } } }"
_DATASET = "query($id: ID!) { dataset(id: $id) { id status format rowEstimate error { code message hint } } }"
_BATCH = 16
_TRIES = 6
_INSPECTION_SECONDS = 600.0


def upload(options: argparse.Namespace) -> int:
    """Upload a file, wait for its inspection; returns the exit code."""
    path: Path = options.file
    if not path.is_file():
        raise CommandError("FILE_NOT_FOUND", f"{path} is no file.", exit_code=2)
    sender = Sender(Server.stored(), path, options.name or path.name, quiet=options.json)
    dataset = sender.send(options.parallel)
    state = _inspected(sender.server, dataset)
    if options.json:
        print(json.dumps({"dataset": dataset, "format": state["format"], "sizeBytes": sender.size}))
    else:
        print(f"Uploaded {human(sender.size)} as {state['format']}. The data set's id:", file=sys.stderr)
        print(dataset)
    return 0


def _inspected(server: Server, dataset: str) -> dict[str, Any]:
    """Wait until the server has looked at the file; `CommandError` when it cannot be read."""
    deadline = time.monotonic() + _INSPECTION_SECONDS
    while True:
        state: dict[str, Any] = server.ask(_DATASET, {"id": dataset})
        if state["status"] == "FAILED":
            error = state["error"] or {"code": "INSPECTION_FAILED", "message": "The file cannot be read.", "hint": ""}
            raise CommandError(
                error["code"], error["message"], hint=error.get("hint") or "", place=f"data set {dataset}"
            )
        if state["status"] == "READY" or time.monotonic() > deadline:
            return state
        time.sleep(0.1)


class Sender:
    """One file on its way."""

    def __init__(self, server: Server, path: Path, name: str, *, quiet: bool) -> None:
        self.server, self.path, self.name = server, path, name
        stat = path.stat()
        self.size = stat.st_size
        self._stamp = (stat.st_size, stat.st_mtime_ns)
        key = f"{server.login.url}\0{path.resolve()}\0{self._stamp}\0{name}"
        self._note = config_dir() / "uploads" / hashlib.sha256(key.encode()).hexdigest()[:32]
        self._sent = 0
        self._stop = False
        self._lock = threading.Lock()
        self._bar = ProgressBar(f"Uploading {name}", enabled=not quiet)
        self._http = httpx.Client(timeout=httpx.Timeout(120, connect=10))

    def send(self, parallel: int) -> str:
        """Send what is missing; returns the data set's id."""
        state = self._resume() or self._begin()
        if state.get("dataset"):
            return str(state["dataset"]["id"])
        present = set(state.get("presentParts") or ())
        self._sent = min(len(present) * int(state["partSizeBytes"]), self.size)
        missing = [number for number in range(1, int(state["partCount"]) + 1) if number not in present]
        try:
            self._send_parts(state, missing, parallel)
        except KeyboardInterrupt:
            print("The same command goes on from here.", file=sys.stderr)
            raise
        finally:
            self._bar.clear()
        stat = self.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != self._stamp:
            raise CommandError(
                "FILE_CHANGED",
                f"{self.path} changed while it was uploaded.",
                hint="Upload it again when it is complete.",
            )
        answer = self.server.ask(_COMPLETE, {"i": {"uploadId": state["id"]}})
        self._note.unlink(missing_ok=True)
        return str(answer["dataset"]["id"])

    def _resume(self) -> dict[str, Any] | None:
        try:
            known = self._note.read_text(encoding="utf-8").strip()
        except OSError:
            return None
        state: dict[str, Any] | None = self.server.ask(_STATE, {"id": known})
        if state is not None and (state["status"] == "ACTIVE" or state["dataset"]):
            print(f"Resuming: {len(state['presentParts'])} of {state['partCount']} parts are there.", file=sys.stderr)
            return state
        self._note.unlink(missing_ok=True)
        return None

    def _begin(self) -> dict[str, Any]:
        wanted = {"fileName": self.name, "sizeBytes": self.size, "contentType": "application/octet-stream"}
        begun: dict[str, Any] = self.server.ask(_BEGIN, {"i": wanted})["upload"]
        self._note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._note.write_text(begun["id"], encoding="utf-8")
        return begun

    def _send_parts(self, state: dict[str, Any], missing: list[int], parallel: int) -> None:
        with ThreadPoolExecutor(parallel) as pool:
            for start in range(0, len(missing), _BATCH):
                numbers = missing[start : start + _BATCH]
                signed = self._sign(state["id"], numbers)
                tasks = [pool.submit(self._send_part, state, number, signed[number]) for number in numbers]
                try:
                    done, _ = wait(tasks, return_when=FIRST_EXCEPTION)
                    for task in done:
                        task.result()
                except BaseException:
                    # Ctrl-C or a part that failed for good: the parts on their way end at their next piece
                    self._stop = True
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise

    def _sign(self, upload_id: str, numbers: list[int]) -> dict[int, dict[str, Any]]:
        answer = self.server.ask(_SIGN, {"i": {"uploadId": upload_id, "partNumbers": numbers}})
        return {part["partNumber"]: part for part in answer["parts"]}

    def _send_part(self, state: dict[str, Any], number: int, signed: dict[str, Any]) -> None:
        size = int(signed["sizeBytes"])
        with self.path.open("rb") as file:
            file.seek((number - 1) * int(state["partSizeBytes"]))
            data = file.read(size)
        if len(data) != size:
            raise CommandError("FILE_CHANGED", f"{self.path} became shorter while it was uploaded.")
        reason = ""
        for attempt in range(_TRIES):
            if self._stop:
                return
            if attempt:
                time.sleep(min(0.3 * 2**attempt, 10))
            try:
                answer = self._http.put(
                    signed["url"],
                    content=self._chunks(data),
                    headers={"Content-Type": signed["contentType"], "Content-Length": str(size)},
                )
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                continue
            if answer.status_code < 300:
                return
            reason = f"storage answers {answer.status_code}"
            if answer.status_code == 403:  # the signature has expired
                signed = self._sign(state["id"], [number])[number]
        raise CommandError(
            "UPLOAD_FAILED",
            f"Part {number} could not be sent: {reason}.",
            hint="Run the same command again: it sends only the missing parts.",
        )

    def _chunks(self, data: bytes) -> Iterator[bytes]:
        """Hand out a part in pieces, so that the bar moves; takes back what a failed attempt had counted."""
        sent = 0
        complete = False
        try:
            for start in range(0, len(data), 262_144):
                piece = data[start : start + 262_144]
                if self._stop:
                    raise httpx.WriteError("stopped")
                yield piece
                sent += len(piece)
                with self._lock:
                    self._sent += len(piece)
                    self._bar.update(self._sent, self.size)
            complete = True
        finally:
            if not complete:
                with self._lock:
                    self._sent -= sent
