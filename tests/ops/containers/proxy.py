"""A real Traefik with the files of `ops/traefik`, on this machine's addresses."""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ops.setup.package_tools import traefik
from tests.certificates import make_identity
from tests.graph.http.serving import free_port
from tests.ops.containers.composition import OPS
from tests.processes import PATIENCE

DOMAIN = "localhost"
STORAGE = f"s3.{DOMAIN}"


@dataclass(frozen=True)
class Front:
    """Traefik's place: `port` is that of HTTPS, `plain` that of HTTP. It runs within `running`."""

    folder: Path
    port: int
    plain: int
    ping: int

    @classmethod
    def choose(cls, folder: Path) -> Front:
        """Take free ports and make a certificate; nothing runs yet, so that others can be told the address."""
        identity = make_identity(DOMAIN, hosts=[DOMAIN, STORAGE])
        (folder / "tls_cert").write_bytes(identity.certificate)
        (folder / "tls_key").write_bytes(identity.key)
        return cls(folder, free_port(), free_port(), free_port())

    @property
    def url(self) -> str:
        return f"https://{DOMAIN}:{self.port}"

    @property
    def certificate(self) -> Path:
        return self.folder / "tls_cert"

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    @property
    def log(self) -> str:
        return (self.folder / "traefik.log").read_text()

    def request(self, method: str, path: str, host: str = DOMAIN, **options: Any) -> httpx.Response:
        """Ask by a name that no resolver has to know."""
        headers = {"Host": f"{host}:{self.port}"} | options.pop("headers", {})
        with httpx.Client(verify=self.tls, timeout=PATIENCE) as client:
            url = f"https://127.0.0.1:{self.port}{path}"
            return client.request(method, url, headers=headers, extensions={"sni_hostname": host}, **options)

    @contextmanager
    def running(self, api: Sequence[str], *, flight: str, storage: str) -> Iterator[None]:
        """Run Traefik before these addresses (http://, h2c://, http://); it must answer, and log no error."""
        routes = {
            '[{url: "http://api:8000"}]': "[" + ", ".join(f'{{url: "{url}"}}' for url in api) + "]",
            "h2c://flight:8815": flight,
            "http://seaweedfs:8333": storage,
            "/run/secrets": str(self.folder),
        }
        places = {
            "address: :8443": f"address: 127.0.0.1:{self.port}",
            "address: :8080": f"address: 127.0.0.1:{self.plain}",
            "address: :8082": f"address: 127.0.0.1:{self.ping}",
            "/etc/traefik": str(self.folder),
        }
        localized("routes.yaml", routes, self.folder)
        command = [traefik(), f"--configFile={localized('traefik.yaml', places, self.folder)}"]
        with (self.folder / "traefik.log").open("wb") as log:
            process = subprocess.Popen(command, env=os.environ | {"DOMAIN": DOMAIN}, stdout=log, stderr=log)
        try:
            self._wait(process)
            yield
            assert '"level":"error"' not in self.log
        finally:
            # at once: the order would wait for requests, of which there are none
            process.kill()
            process.wait(PATIENCE)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            try:
                if self.request("GET", "/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)


def localized(name: str, changes: Mapping[str, str], folder: Path) -> Path:
    """One of the files, with this machine's addresses; each change must find what it changes."""
    text = (OPS / "traefik" / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name
