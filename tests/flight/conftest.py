"""A real Flight server on real object storage, with tickets signed as the API signs them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from uuid import UUID, uuid4

import boto3
import pyarrow.flight as fl
import pytest
from botocore.config import Config
from cryptography.hazmat.primitives import serialization

from graph.core.keys import KeyRing
from graph.core.settings import Settings
from graph.core.tickets import TicketClaims, TicketFile, sign_ticket
from tests.processes import PATIENCE
from tests.stack import CONTENT_TYPE, Backends, clean_environment

ROOT = Path(__file__).resolve().parents[2]
WORKSPACE = UUID("01900000-0000-7000-8000-000000000001")


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[Any], seconds: float = PATIENCE) -> None:
    """Wait until the port answers; fail when the process ends first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"{process.args!r} does not listen on {port}")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of SeaweedFS and a client of it."""

    client: Any
    name: str

    def put(self, key: str, body: bytes | Path) -> TicketFile:
        """Store bytes or a file as the engine does, in one request; return the object as tickets name it."""
        if isinstance(body, Path):
            with body.open("rb") as file:
                self.client.put_object(Bucket=self.name, Key=key, Body=file, ContentType=CONTENT_TYPE)
            return TicketFile(key, body.stat().st_size)
        self.client.put_object(Bucket=self.name, Key=key, Body=body, ContentType=CONTENT_TYPE)
        return TicketFile(key, len(body))


def _close_connection(params: dict[str, Any], **_: object) -> None:
    params["headers"]["Connection"] = "close"


def bucket_of(settings: Settings) -> Bucket:
    """The bucket that settings name."""
    secret = settings.s3_secret_access_key
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(s3={"addressing_style": "path"}),
    )
    # An empty PUT leaves SeaweedFS's connection such that the next request on it waits for a minute.
    client.meta.events.register_last("before-call.s3.PutObject", _close_connection)
    return Bucket(client, settings.s3_bucket)


@pytest.fixture(scope="session")
def bucket(backends: Backends) -> Bucket:
    """The bucket of the session's SeaweedFS."""
    return bucket_of(backends.settings)


@dataclass(slots=True)
class Server:
    """A running Flight server."""

    process: subprocess.Popen[bytes]
    location: str
    settings: Settings
    keys: KeyRing
    bucket: Bucket

    def client(self) -> fl.FlightClient:
        """A plain client without credentials: tickets need none."""
        return fl.connect(self.location)

    def ticket(self, files: list[TicketFile], written: str = "parquet", **changes: Any) -> str:
        """A ticket for these files, signed as the API signs; `changes` replace claims."""
        claims = TicketClaims(
            kind="job", id=uuid4(), workspace=WORKSPACE, format=written, files=files, exp=int(time.time()) + 600
        )
        return sign_ticket(replace(claims, **changes), self.keys)

    def put(self, body: bytes, name: str = "part-00000.parquet") -> TicketFile:
        """Store an object under a fresh job of the test's workspace."""
        return self.bucket.put(f"w/{WORKSPACE}/jobs/{uuid4()}/1-1/{name}", body)


def spawn_flight(settings: Settings, out: IO[bytes], **more: str) -> subprocess.Popen[bytes]:
    """Start `python -m flight` with these settings, and `more` of the environment."""
    public = "".join(
        key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        for key in KeyRing.from_settings(settings).public.values()
    )
    environment = clean_environment(
        # As in production: the Flight server gets public keys only.
        SIGNING_KEY="",
        VERIFICATION_KEYS=public,
        FLIGHT_HOST=settings.flight_host,
        FLIGHT_PORT=str(settings.flight_port),
        API_URL=settings.api_url,
        S3_ENDPOINT_URL=settings.s3_endpoint_url or "",
        S3_BUCKET=settings.s3_bucket,
        S3_ACCESS_KEY_ID=settings.s3_access_key_id or "",
        S3_SECRET_ACCESS_KEY=settings.s3_secret_access_key.get_secret_value() if settings.s3_secret_access_key else "",
        **more,
    )
    return subprocess.Popen([sys.executable, "-m", "flight"], stderr=out, stdout=out, env=environment, cwd=ROOT)


def start_flight(settings: Settings, log: Path, **more: str) -> subprocess.Popen[bytes]:
    """Start `python -m flight` and wait until it listens; `more` as for `spawn_flight`."""
    with log.open("ab") as out:
        process = spawn_flight(settings, out, **more)
    wait_for_port(settings.flight_port, process)
    return process


@pytest.fixture(scope="session")
def server(backends: Backends, bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The Flight server under test. Its API does not exist: tickets must do without it."""
    changes = {"flight_host": "127.0.0.1", "flight_port": free_port(), "api_url": f"http://127.0.0.1:{free_port()}"}
    settings = backends.settings.model_copy(update=changes)
    log = tmp_path_factory.mktemp("flight") / "log"
    process = start_flight(settings, log)
    location = f"grpc://127.0.0.1:{settings.flight_port}"
    yield Server(process, location, settings, KeyRing.from_settings(settings), bucket)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0, log.read_text()
