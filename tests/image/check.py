"""All parts from the image as `ops/compose.yaml` has them, behind Traefik, and a file's whole way through them."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow.flight as fl
from sqlalchemy import make_url

from ops.cli.login import SESSION_DOCUMENTS
from ops.setup import deployment_secrets
from ops.setup.package_tools import traefik
from tests.certificates import make_identity
from tests.image.podman import PREFIX, Container, bridges, networks, podman
from tests.ops.containers.composition import load
from tests.processes import PATIENCE
from tests.stack import CONTENT_TYPE, SIGN, Account, Backends, backends_in

DOMAIN, EMAIL = "karyaksham.example", "admin@karyaksham.example"
# the names that Compose gives to the servers that run on this machine here, and their ports
OUTER = {"postgres": 5432, "valkey": 6379, "seaweedfs": 8333}
ROWS = 300_000
SLOW = {
    "version": 1,
    "steps": [{"derive": {"columns": [{"name": "hash", "expr": "encode(sha256(repeat(text, 500)), 'hex')"}]}}],
    "output": {"format": "csv"},
}
QUICK = {"version": 1, "steps": [{"filter": {"where": "id < 10"}}], "output": {"format": "parquet"}}

Say = Callable[[str], None]


class Through(httpx.BaseTransport):
    """Takes every request to one address, whatever its name: no resolver knows the names of a check."""

    def __init__(self, address: str, port: int, tls: ssl.SSLContext) -> None:
        self._inner, self._address, self._port = httpx.HTTPTransport(verify=tls), address, port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Dial there; Host and the name in the handshake stay."""
        request.extensions = request.extensions | {"sni_hostname": request.url.host}
        request.url = request.url.copy_with(host=self._address, port=self._port)
        return self._inner.handle_request(request)


class Deployment:
    """The containers, and what they are told."""

    def __init__(self, image: str, folder: Path, backends: Backends, gateways: dict[str, str]) -> None:
        self.folder, self.gateways, self.image = folder, gateways, image
        self.compose = load(DOMAIN=DOMAIN, ADMIN_EMAIL=EMAIL)["services"]
        self.secrets = folder / "secrets"
        deployment_secrets.make(self.secrets)
        identity = make_identity(DOMAIN, hosts=[DOMAIN, f"s3.{DOMAIN}"])
        inner = backends.environment
        given = {"tls_cert": identity.certificate.decode(), "tls_key": identity.key.decode()}
        for name, host in (("DATABASE_URL", "postgres"), ("MIGRATION_DATABASE_URL", "postgres")):
            # a database that is not there yet: `migrate` makes it
            url = make_url(inner[name]).set(host=host, port=OUTER[host], database="image")
            given[name.lower()] = url.render_as_string(hide_password=False)
        given["redis_url"] = str(httpx.URL(inner["REDIS_URL"]).copy_with(host="valkey", port=OUTER["valkey"]))
        for name in ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"):
            given[name.lower()] = inner[name]
        for name, text in given.items():
            path = self.secrets / name
            path.unlink(missing_ok=True)
            path.write_text(text)
            path.chmod(0o444)
        self.tls = ssl.create_default_context(cadata=given["tls_cert"])
        self.certificate = given["tls_cert"].encode()
        self.ports = {
            "postgres": make_url(inner["DATABASE_URL"]).port,
            "valkey": httpx.URL(inner["REDIS_URL"]).port,
            "seaweedfs": httpx.URL(inner["S3_ENDPOINT_URL"]).port,
        }

    @contextmanager
    def forwarded(self) -> Iterator[None]:
        """Let containers reach the servers of this machine under the names and ports that Compose gives them."""
        processes = []
        try:
            for gateway in (self.gateways["backends"], self.gateways["proxy"]):
                for name, port in OUTER.items():
                    # the bridge comes with the first container
                    listen = f"TCP-LISTEN:{port},bind={gateway},freebind,fork,reuseaddr"
                    processes.append(subprocess.Popen(["socat", listen, f"TCP:127.0.0.1:{self.ports[name]}"]))
            yield
        finally:
            for process in processes:
                process.kill()
                process.wait()

    def hold(self, stack: ExitStack) -> None:
        """Keep the bridges, and their hardware addresses, while containers come and go.

        A bridge takes the lowest address of its ports: when one leaves, who talks to this machine's servers would stand
        still until the old address is forgotten.
        """
        name = f"{PREFIX}-hold"
        stack.callback(podman, "rm", "--force", "--time", "0", name, check=False)
        inner = [f"--network={PREFIX}-{network}" for network in ("backends", "proxy")]
        podman(
            "run", "--detach", "--name", name, *inner, "--ulimit", "host", "--entrypoint", "sleep", self.image, "9999"
        )
        for bridge in bridges(("backends", "proxy")):
            address = Path(f"/sys/class/net/{bridge}/address").read_text().strip()
            subprocess.run(["ip", "link", "set", "dev", bridge, "address", address], check=True)

    def container(self, service: str, number: int = 1) -> Container:
        """Lay out one service."""
        inner = "backends" if "backends" in self.compose[service]["networks"] else "proxy"
        hosts = dict.fromkeys(OUTER, self.gateways[inner])
        made = Container(service, self.image, self.compose[service], self.secrets, hosts, number=number)
        if service == "traefik":
            # its own image is not here: its program, of the same version, in ours
            program = [f"--volume={traefik()}:/usr/local/bin/traefik:ro", "--entrypoint", '["traefik"]']
            made = replace(made, extra=program)
        return made

    def account(self) -> Account:
        """Log in as the administrator from outside, and get the token of a program."""
        address = self.compose["traefik"]["networks"]["proxy"]["ipv4_address"]
        client = httpx.Client(transport=Through(address, 8443, self.tls), timeout=PATIENCE)
        account = Account(f"https://{DOMAIN}/graphql", http=client)
        log_in, _, make_token = SESSION_DOCUMENTS
        password = (self.secrets / "admin_password").read_text().strip()
        account.token = account.gql(log_in, {"i": {"email": EMAIL, "password": password}})["logIn"]["accessToken"]
        wanted = {"name": "image check", "scopes": ["READ", "WRITE"]}
        account.token = account.gql(make_token, {"i": wanted})["createApiToken"]["token"]
        return account


def upload(account: Account, data: bytes) -> str:
    """Send a file by presigned URLs, as a browser does; returns its data set."""
    begun = account.begin("rows.csv", len(data))
    size = int(begun["partSizeBytes"])
    wanted = {"i": {"uploadId": begun["id"], "partNumbers": list(range(1, int(begun["partCount"]) + 1))}}
    for part in account.gql(SIGN, wanted)["signUploadParts"]["parts"]:
        start = (part["partNumber"] - 1) * size
        body = data[start : start + size]
        account.http.put(part["url"], content=body, headers={"Content-Type": CONTENT_TYPE}).raise_for_status()
    dataset = account.complete(begun)
    state = account.wait_dataset(dataset)
    assert state["status"] == "READY", state
    return dataset


def pulled(account: Account, job: dict[str, Any], deployment: Deployment) -> int:
    """Pull a result by Flight through Traefik; returns its rows."""
    address = deployment.compose["traefik"]["networks"]["proxy"]["ipv4_address"]
    options: dict[str, Any] = {"tls_root_certs": deployment.certificate, "override_hostname": DOMAIN}
    assert job["result"]["flight"]["location"] == f"grpc+tls://{DOMAIN}:443"
    with fl.connect(f"grpc+tls://{address}:8443", **options) as client:
        call = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {account.token}".encode())])
        return int(client.do_get(fl.Ticket(job["result"]["flight"]["ticket"].encode()), call).read_all().num_rows)


def confined(container: Container) -> None:
    """What Compose says of rights is so inside: nobody in particular, no capability, a root that is not written to."""
    inside = container.execute(
        "sh", "-c", "id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status; touch /x /opt/x; :"
    )
    assert inside.split() == ["10001", "CapEff:", "0" * 16, "NoNewPrivs:", "1"], inside
    written = container.execute("sh", "-c", "find / -xdev -newer /proc/1 -type f 2>/dev/null | head; :")
    assert written == "", written


def check(image: str, folder: Path, say: Say) -> dict[str, float]:
    """Run everything; returns seconds until healthy and until gone, by part. `AssertionError` says what is wrong."""
    figures: dict[str, float] = {}
    with ExitStack() as stack:
        backends = stack.enter_context(backends_in(folder / "data"))
        deployment = Deployment(image, folder, backends, stack.enter_context(networks()))
        stack.enter_context(deployment.forwarded())

        def begin(service: str, number: int = 1) -> Container:
            container = deployment.container(service, number)
            stack.callback(container.remove)
            stack.push(lambda kind, *_: say(f"{container.name}: {container.log[-1500:]}") if kind else None)
            return container.begin()

        deployment.hold(stack)
        begin("migrate").finish()
        say("migrate made the database and ended")
        parts = {name: begin(name) for name in ("api", "worker")}
        for name in ("api", "worker", "flight", "traefik"):
            part = parts.setdefault(name, parts.get(name) or begin(name))
            figures[f"{name} healthy"] = part.wait().ready_after
            if name != "traefik":
                confined(part)
            say(f"{name} is healthy after {part.ready_after:.1f} s")

        account = deployment.account()
        data = b"id,text\n" + b"".join(b"%d,%016d\n" % (number, number * 7) for number in range(ROWS))
        dataset = upload(account, data)
        job = account.run_job(QUICK, input=dataset)
        assert pulled(account, job, deployment) == 10
        table = account.http.get(job["result"]["files"][0]["url"]).raise_for_status().content
        assert table[:4] == b"PAR1", "a result by its presigned URL"
        say("a file went up, was filtered, came down, and was pulled by Flight")

        slow = account.start_job(SLOW, input=dataset)
        figures["worker gone"] = parts["worker"].end()
        begin("worker", 2).wait()
        ended = account.wait_job(slow)
        assert ended["status"] == "SUCCEEDED", ended
        say(f"a worker went in {figures['worker gone']:.1f} s amid a job, which attempt {ended['attempt']} ended")
        for name in ("flight", "api", "traefik"):
            figures[f"{name} gone"] = parts[name].end()
            say(f"{name} went in {figures[f'{name} gone']:.1f} s")
    return figures
