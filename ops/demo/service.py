"""The running service as the demo uses it: only what any client could do."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from ops.demo.show import Progress

_REGISTER = """mutation($i: RegisterInput!) { register(input: $i) {
  ... on RegisterSuccess { accessToken } ... on Error { code message path } } }"""
_BEGIN = """mutation($i: BeginUploadInput!) { beginUpload(input: $i) {
  ... on BeginUploadSuccess { upload { id partSizeBytes partCount } } ... on Error { code message path } } }"""
_SIGN = """mutation($i: SignUploadPartsInput!) { signUploadParts(input: $i) {
  ... on SignUploadPartsSuccess { parts { partNumber url sizeBytes contentType } }
  ... on Error { code message path } } }"""
_COMPLETE = """mutation($i: CompleteUploadInput!) { completeUpload(input: $i) {
  ... on CompleteUploadSuccess { dataset { id } } ... on Error { code message path } } }"""
_DATASET = """query($id: ID!) { dataset(id: $id) { status format sizeBytes rowEstimate schema { name type }
  error { code message } } }"""
_RUN = """mutation($i: RunJobInput!) { runJob(input: $i) {
  ... on RunJobSuccess { job { id } } ... on Error { code message path } } }"""
_UPDATED = """subscription($id: ID!) { jobUpdated(id: $id) { status progress { fraction rowsIn rowsOut }
  error { code message } } }"""
_RESULT = """query($id: ID!) { job(id: $id) { progress { rowsIn rowsOut rowsFiltered rowsRejected }
  result { rows sizeBytes files { name sizeBytes url } flight { snippets { pandas polars } } } } }"""


class DemoError(Exception):
    """Something did not go as it must."""


class Service:
    """A running stack, and somebody registered on it."""

    def __init__(self, ready: dict[str, str]) -> None:
        self.ready = ready
        self._http = httpx.Client(timeout=60)
        account = {"email": f"demo-{secrets.token_hex(4)}@example.org", "name": "Demo"}
        self._token = ""
        self._token = self.ask(_REGISTER, i=account | {"password": secrets.token_urlsafe(18)})["accessToken"]
        self.email = account["email"]

    def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """Return the one root field of an operation; `DemoError` for a refusal."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        body = self._http.post(
            self.ready["graphqlUrl"], json={"query": document, "variables": variables}, headers=headers
        ).json()
        if body.get("errors"):
            raise DemoError(json.dumps(body["errors"]))
        (value,) = body["data"].values()
        if value is None or "code" in value:
            raise DemoError(json.dumps(value))
        found: dict[str, Any] = value
        return found

    def upload(self, path: Path) -> tuple[str, dict[str, Any]]:
        """PUT a file in parts to presigned URLs; returns the data set's id and what inspection found."""
        size = path.stat().st_size
        upload = self.ask(_BEGIN, i={"fileName": path.name, "sizeBytes": size, "contentType": "text/csv"})["upload"]
        numbers = list(range(1, upload["partCount"] + 1))
        parts = self.ask(_SIGN, i={"uploadId": upload["id"], "partNumbers": numbers})["parts"]
        progress = Progress("upload")
        sent = 0
        with path.open("rb") as file:
            for part in parts:
                headers = {"Content-Type": part["contentType"]}
                body = file.read(int(part["sizeBytes"]))
                self._http.put(part["url"], content=body, headers=headers).raise_for_status()
                sent += len(body)
                progress.update(sent / size, f"part {part['partNumber']} of {len(parts)}, {sent / 1e6:.0f} MB")
        progress.end()
        dataset = self.ask(_COMPLETE, i={"uploadId": upload["id"]})["dataset"]["id"]
        return dataset, self._inspected(dataset)

    def _inspected(self, dataset: str) -> dict[str, Any]:
        while (found := self.ask(_DATASET, id=dataset))["status"] == "INSPECTING":
            time.sleep(0.05)
        if found["status"] != "READY":
            raise DemoError(json.dumps(found))
        return found

    def run(self, label: str, spec: dict[str, Any], dataset: str) -> dict[str, Any]:
        """Run a job, show its progress as the subscription tells it; returns the job with its result."""
        wanted = {"spec": spec, "inputs": [{"name": "input", "datasetId": dataset}]}
        job = self.ask(_RUN, i=wanted)["job"]["id"]
        progress = Progress(label)
        for state in self._subscribe(_UPDATED, {"id": job}):
            counters = state["progress"] or {"fraction": 0, "rowsIn": 0, "rowsOut": 0}
            note = f"{state['status']}  {int(counters['rowsIn']):,} rows in, {int(counters['rowsOut']):,} out"
            done = state["status"] == "SUCCEEDED"
            progress.update(1 if done else min(counters["fraction"] or 0, 0.99), note)
            if state["status"] in {"FAILED", "CANCELLED"}:
                raise DemoError(json.dumps(state))
            if done:
                break
        progress.end()
        return self.ask(_RESULT, id=job)

    def _subscribe(self, document: str, variables: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what a subscription over WebSocket (graphql-transport-ws) tells."""
        url = self.ready["graphqlUrl"].replace("http", "ws", 1)
        with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            hello = {"type": "connection_init", "payload": {"authorization": f"Bearer {self._token}"}}
            socket.send(json.dumps(hello))
            json.loads(socket.recv(10))
            request = {"type": "subscribe", "id": "1", "payload": {"query": document, "variables": variables}}
            socket.send(json.dumps(request))
            for message in socket:
                event = json.loads(message)
                if event["type"] == "ping":
                    socket.send('{"type":"pong"}')
                elif event["type"] == "next":
                    if event["payload"].get("errors"):
                        raise DemoError(json.dumps(event["payload"]["errors"]))
                    (value,) = event["payload"]["data"].values()
                    yield value
                elif event["type"] in {"complete", "error"}:
                    return


@contextmanager
def stack(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `karyaksham up` on free ports in a folder; stopped in order at the end, whatever happens."""
    command = [sys.executable, "-m", "ops.cli", "up", "--data-dir", str(folder / "data"), "--port", "0"]
    command += ["--flight-port", "0", "--ready-file", str(folder / "ready.json")]
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ), start_new_session=True)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=60)
    if code != 0:
        raise DemoError(f"the stack stopped with exit code {code}")


def wait_ready(folder: Path, process: subprocess.Popen[bytes], seconds: float = 120) -> dict[str, str]:
    """Return the ready file's content when it is there; `DemoError` with the log when the stack does not start."""
    deadline = time.monotonic() + seconds
    while not (folder / "ready.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise DemoError("the stack did not start:\n" + (folder / "up.log").read_text(encoding="utf-8"))
        time.sleep(0.05)
    ready: dict[str, str] = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
    return ready
