"""The real stack for tests: the backends alone, or all of `karyaksham up`, and clients of its public interfaces."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.processes import PATIENCE

ROOT = Path(__file__).resolve().parents[1]
CONTENT_TYPE = "application/x-karyaksham"
REGISTER = """mutation($i: RegisterInput!) { register(input: $i) {
  __typename ... on RegisterSuccess { accessToken user { id email } } ... on Error { code message path } } }"""
LOG_IN = """mutation($i: LogInInput!) { logIn(input: $i) {
  __typename ... on LogInSuccess { accessToken user { id email } } ... on Error { code message path } } }"""
BEGIN = """mutation($i: BeginUploadInput!) { beginUpload(input: $i) {
  __typename ... on BeginUploadSuccess { upload { id partSizeBytes partCount } }
  ... on Error { code message path } } }"""
SIGN = """mutation($i: SignUploadPartsInput!) { signUploadParts(input: $i) {
  __typename ... on SignUploadPartsSuccess { parts { partNumber url } } ... on Error { code message path } } }"""
COMPLETE = """mutation($i: CompleteUploadInput!) { completeUpload(input: $i) {
  __typename ... on CompleteUploadSuccess { dataset { id } } ... on Error { code message path } } }"""
DATASET = """query($id: ID!) { dataset(id: $id) { id name status format sizeBytes
  error { code message } } }"""
RUN_JOB = """mutation($i: RunJobInput!) { runJob(input: $i) {
  __typename ... on RunJobSuccess { job { id status } } ... on Error { code message path } } }"""
JOB = """query($id: ID!) { job(id: $id) { id status attempt
  progress { rowsIn rowsOut rowsFiltered rowsRejected fraction }
  error { code message step column row hint }
  result { rows sizeBytes files { name format sizeBytes rows url } rejects { rows url }
    flight { location ticket descriptor snippets { pandas polars duckdb r } } } } }"""
ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


class Refused(AssertionError):
    """A GraphQL answer with an error; `code` of the first, domain errors before top-level ones."""

    def __init__(self, code: str, message: str, path: Sequence[str] = ()) -> None:
        super().__init__(f"{code}: {message} {list(path) if path else ''}".strip())
        self.code, self.message, self.path = code, message, list(path)


@dataclass
class Account:
    """Somebody who is logged in; `token` is None for anonymous callers."""

    graphql_url: str
    token: str | None = None
    email: str = ""
    password: str = ""
    id: str = ""
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=PATIENCE))

    @property
    def headers(self) -> dict[str, str]:
        """The header that says who asks."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def post(self, document: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask and return the whole answer, errors and all."""
        answer = self.http.post(
            self.graphql_url, json={"query": document, "variables": dict(variables or {})}, headers=self.headers
        )
        body: dict[str, Any] = answer.json()
        return body

    def gql(self, document: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask and return the data; `Refused` for a domain error or a top-level one."""
        body = self.post(document, variables)
        data: dict[str, Any] = body.get("data") or {}
        for value in data.values():
            if isinstance(value, dict) and "code" in value and not str(value.get("__typename")).endswith("Success"):
                raise Refused(value["code"], value.get("message", ""), value.get("path") or ())
        for error in body.get("errors") or ():
            raise Refused((error.get("extensions") or {}).get("code", "?"), error["message"], error.get("path") or ())
        if "data" not in body:  # no answer of GraphQL, but of the service in front of it
            raise Refused(body.get("code", "?"), body.get("message", str(body)[:200]))
        return data

    # files -----------------------------------------------------------------------------------------------------

    def begin(self, name: str, size: int) -> dict[str, Any]:
        """Begin an upload: {id, partSizeBytes, partCount}."""
        answer = self.gql(BEGIN, {"i": {"fileName": name, "sizeBytes": size, "contentType": "text/plain"}})
        upload: dict[str, Any] = answer["beginUpload"]["upload"]
        return upload

    def put_parts(self, upload: Mapping[str, Any], data: bytes, numbers: Sequence[int] | None = None) -> None:
        """Sign and PUT parts, all by default."""
        wanted = list(numbers or range(1, int(upload["partCount"]) + 1))
        signed = self.gql(SIGN, {"i": {"uploadId": upload["id"], "partNumbers": wanted}})["signUploadParts"]["parts"]
        size = int(upload["partSizeBytes"])
        for part in signed:
            start = (part["partNumber"] - 1) * size
            put(part["url"], data[start : start + size]).raise_for_status()

    def complete(self, upload: Mapping[str, Any]) -> str:
        """Complete an upload; returns the id of the data set."""
        answer = self.gql(COMPLETE, {"i": {"uploadId": upload["id"]}})
        return str(answer["completeUpload"]["dataset"]["id"])

    def upload(self, source: Path | bytes | str, name: str | None = None, *, ready: bool = True) -> str:
        """Upload a file or bytes in parts; returns the id of the data set, inspected unless `ready` is False."""
        if isinstance(source, Path):
            data, name = source.read_bytes(), name or source.name
        else:
            data, name = source.encode() if isinstance(source, str) else source, name or "data.csv"
        begun = self.begin(name, len(data))
        self.put_parts(begun, data)
        dataset = self.complete(begun)
        if ready:
            state = self.wait_dataset(dataset)
            assert state["status"] == "READY", state
        return dataset

    def wait_dataset(self, dataset: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Return the data set when its inspection has ended, READY or FAILED."""
        return self._poll(DATASET, "dataset", dataset, lambda state: state["status"] != "INSPECTING", seconds)

    # jobs ------------------------------------------------------------------------------------------------------

    def start_job(self, spec: Mapping[str, Any], **inputs: str) -> str:
        """Start a job of a spec on data sets by name (`input=…`); returns its id."""
        variables = {"spec": spec, "inputs": [{"name": name, "datasetId": value} for name, value in inputs.items()]}
        answer = self.gql(RUN_JOB, {"i": variables})
        return str(answer["runJob"]["job"]["id"])

    def wait_job(self, job: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Return the job when it has ended, whichever way."""
        return self._poll(JOB, "job", job, lambda state: state["status"] in ENDED, seconds)

    def run_job(self, spec: Mapping[str, Any], **inputs: str) -> dict[str, Any]:
        """Run a job to its end; it must succeed."""
        state = self.wait_job(self.start_job(spec, **inputs))
        assert state["status"] == "SUCCEEDED", state
        return state

    def watch(self, document: str, variables: Mapping[str, Any], seconds: float = PATIENCE) -> Iterator[Any]:
        """Yield the values of a subscription over WebSocket until it completes; `Refused` for its errors."""
        url = self.graphql_url.replace("http", "ws", 1)
        with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {self.token}"}}))
            assert json.loads(socket.recv(seconds))["type"] == "connection_ack"
            payload = {"query": document, "variables": dict(variables)}
            socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
            while (event := json.loads(socket.recv(seconds)))["type"] != "complete":
                if event["type"] == "ping":
                    socket.send('{"type":"pong"}')
                    continue
                errors = event["payload"] if event["type"] == "error" else event["payload"].get("errors")
                for error in errors or ():
                    raise Refused((error.get("extensions") or {}).get("code", "?"), error["message"])
                (value,) = event["payload"]["data"].values()
                yield value

    def download(self, job: Mapping[str, Any], number: int = 0) -> bytes:
        """Return one file of a result, by its presigned URL."""
        answer = httpx.get(job["result"]["files"][number]["url"], timeout=PATIENCE)
        answer.raise_for_status()
        return answer.content

    def _poll(self, document: str, name: str, id_: str, done: Any, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            state: dict[str, Any] | None = self.gql(document, {"id": id_})[name]
            assert state is not None, f"{name} {id_} is not there"
            if done(state):
                return state
            assert time.monotonic() < deadline, f"{name} {id_} is still {state['status']} after {seconds} s: {state}"
            time.sleep(0.05)


def put(url: str, body: bytes, content_type: str = CONTENT_TYPE) -> httpx.Response:
    """PUT to object storage as a browser does."""
    return httpx.put(url, content=body, headers={"Content-Type": content_type}, timeout=120)


# processes -----------------------------------------------------------------------------------------------------


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without settings: neither a developer's shell nor `backends` steers another stack."""
    from graph.core.settings import Settings

    foreign = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in foreign}
    # all of a session's people register from one address
    return kept | {"LOGIN_RATE_LIMIT_ADDRESS": "1000000"} | extra


def settings_of(environment: Mapping[str, str]) -> Any:
    """The settings (graph.core.settings.Settings) that these variables give."""
    from graph.core.settings import Settings

    # texts, as variables are: pydantic makes each what its field says
    return Settings(**{name.lower(): value for name, value in environment.items()})  # type: ignore[arg-type]


@contextmanager
def running(command: Sequence[str], ready_file: Path, log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a supervisor until the block ends; it must write `ready_file`, and stop in order."""
    ready_file.unlink(missing_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, **({"env": clean_environment()} | options))
        try:
            deadline = time.monotonic() + PATIENCE
            while not ready_file.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command} did not start:\n{log.read_text()[-4000:]}")
                time.sleep(0.02)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=PATIENCE)


@dataclass(frozen=True)
class Backends:
    """PostgreSQL (migrated), Valkey and SeaweedFS (bucket made)."""

    data_dir: Path
    environment: dict[str, str]
    settings: Any  # graph.core.settings.Settings

    @property
    def process_environment(self) -> dict[str, str]:
        """Environment for a part of the service run as a sub-process."""
        return clean_environment() | self.environment


@contextmanager
def backends_in(data_dir: Path) -> Iterator[Backends]:
    """Start the backends alone in a data directory; the settings stand in this process's environment meanwhile."""
    ready = data_dir.with_suffix(".ready")
    command = [sys.executable, "-m", "ops.local", "--data-dir", str(data_dir), "--ready-file", str(ready)]
    with running(command, ready, data_dir.with_suffix(".log"), cwd=ROOT):
        environment: dict[str, str] = json.loads((data_dir / "run/environment.json").read_text())
        before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        try:
            from graph.core.settings import get_settings, load_settings

            get_settings.cache_clear()
            yield Backends(data_dir, environment, load_settings())
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@dataclass
class Stack:
    """The whole service."""

    data_dir: Path
    ready: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """The service."""
        return self.ready["url"]

    @property
    def graphql_url(self) -> str:
        """Where documents are posted."""
        return self.ready["graphqlUrl"]

    @property
    def flight_url(self) -> str:
        """Where Flight clients dial, grpc://…"""
        return self.ready["flightUrl"]

    @property
    def environment(self) -> dict[str, str]:
        """Settings of its parts, secrets included."""
        return dict(json.loads((self.data_dir / "run/environment.json").read_text()))

    def anonymous(self) -> Account:
        """Nobody."""
        return Account(self.graphql_url)

    def register(self, name: str = "Somebody") -> Account:
        """A new person with a workspace of their own."""
        email, password = f"{secrets.token_hex(8)}@example.org", f"correct horse {secrets.token_hex(8)}"
        answer = self.anonymous().gql(REGISTER, {"i": {"email": email, "password": password, "name": name}})
        made = answer["register"]
        return Account(self.graphql_url, made["accessToken"], email, password, made["user"]["id"])

    def log_in(self, email: str, password: str) -> Account:
        """Somebody who exists."""
        made = self.anonymous().gql(LOG_IN, {"i": {"email": email, "password": password}})["logIn"]
        return Account(self.graphql_url, made["accessToken"], email, password, made["user"]["id"])

    def admin(self) -> Account:
        """The administrator of the first start."""
        return self.log_in(self.ready["adminEmail"], self.ready["adminPassword"])

    def pid(self, part: str) -> int:
        """The process id of a part: postgres, valkey, s3, api, flight, worker-1 …"""
        return int(json.loads((self.data_dir / f"run/{part}.pid").read_text())[0])


@contextmanager
def stack_in(data_dir: Path, *, workers: int = 1, **options: Any) -> Iterator[Stack]:
    """Run `karyaksham up` on free ports in a data directory."""
    ready, log = data_dir.with_suffix(".ready"), data_dir.with_suffix(".log")
    command = [sys.executable, "-m", "ops.cli", "up", "--data-dir", str(data_dir), "--port", "0", "--flight-port", "0"]
    command += ["--workers", str(workers), "--ready-file", str(ready)]
    with running(command, ready, log, **({"cwd": ROOT} | options)) as process:
        yield Stack(data_dir, json.loads(ready.read_text()), process, log)
