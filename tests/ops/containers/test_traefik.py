"""A real Traefik with the files of `ops/traefik` before the real service: what passes, and what does not."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pyarrow.flight as fl
import pytest
import websockets
import yaml

from ops.setup.package_tools import PACKAGES
from tests.ops.commands import karyaksham
from tests.ops.containers.composition import OPS, services
from tests.ops.containers.proxy import DOMAIN, STORAGE, Front
from tests.processes import PATIENCE
from tests.stack import Account, Stack, clean_environment, stack_in

WATCH = "subscription { systemStatusChanged { at queueDepth } }"


@dataclass(frozen=True)
class Proxied(Front):
    """The service behind Traefik."""

    stack: Stack

    def stored(self, method: str, url: str, body: bytes | None = None) -> httpx.Response:
        """Use a presigned URL."""
        base = f"https://{STORAGE}:{self.port}"
        assert url.startswith(base), url
        headers = {"Content-Type": "application/x-karyaksham"} if body is not None else {}
        return self.request(method, url.removeprefix(base), STORAGE, content=body, headers=headers)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("traefik")
    front = Front.choose(folder)
    environment = clean_environment(
        PUBLIC_URL=front.url,
        S3_PUBLIC_ENDPOINT_URL=f"https://{STORAGE}:{front.port}",
        TRUSTED_PROXIES="127.0.0.1",
    )
    with stack_in(folder / "data", env=environment) as stack:
        inner = stack.environment
        flight = f"h2c://127.0.0.1:{inner['FLIGHT_PORT']}"
        with front.running([inner["API_URL"]], flight=flight, storage=inner["S3_ENDPOINT_URL"]):
            yield Proxied(front.folder, front.port, front.plain, front.ping, stack)


@pytest.fixture(scope="module")
def person(proxied: Proxied) -> Account:
    # the stack's own address: what is asked through the proxy is asked below
    inner = proxied.stack.environment
    account = Account(f"{inner['API_URL']}/graphql", email=inner["ADMIN_EMAIL"], password=inner["ADMIN_PASSWORD"])
    document = "mutation ($i: LogInInput!) { logIn(input: $i) { ... on LogInSuccess { accessToken } } }"
    answer = ask(proxied, document, {"i": {"email": account.email, "password": account.password}})
    account.token = answer["data"]["logIn"]["accessToken"]
    return account


def ask(proxied: Proxied, document: str, variables: dict[str, Any], token: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {"query": document, "variables": variables}
    return proxied.request("POST", "/graphql", json=body, headers=headers).json()


def test_the_version_is_that_of_the_compose_file() -> None:
    assert services()["traefik"]["image"] == f"traefik:v{PACKAGES['traefik'].version}"
    static = yaml.safe_load((OPS / "traefik/traefik.yaml").read_text(encoding="utf-8"))
    inner = {str(entry["address"]).removeprefix(":") for entry in static["entryPoints"].values()}
    assert {mapping.split(":")[1] for mapping in services()["traefik"]["ports"]} <= inner


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_only_tls_1_3_is_spoken(proxied: Proxied, version: ssl.TLSVersion) -> None:
    context = proxied.tls
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", proxied.port), PATIENCE) as plain:
        if version == ssl.TLSVersion.TLSv1_2:
            with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
                context.wrap_socket(plain, server_hostname=DOMAIN)
        else:
            with context.wrap_socket(plain, server_hostname=DOMAIN) as secure:
                assert secure.version() == "TLSv1.3"


def test_a_name_that_is_not_ours_gets_no_certificate(proxied: Proxied) -> None:
    with (
        socket.create_connection(("127.0.0.1", proxied.port), PATIENCE) as plain,
        pytest.raises(ssl.SSLError),
    ):
        proxied.tls.wrap_socket(plain, server_hostname="elsewhere.example")


def test_plain_http_is_sent_on(proxied: Proxied) -> None:
    answer = httpx.get(f"http://127.0.0.1:{proxied.plain}/jobs", headers={"Host": DOMAIN})
    assert (answer.status_code, answer.headers["location"]) == (301, f"https://{DOMAIN}/jobs")


def test_a_program_that_speaks_in_the_open_is_not_sent_on(proxied: Proxied) -> None:
    """It would send its token in the open each time, and never notice."""
    with httpx.Client(base_url=f"http://127.0.0.1:{proxied.plain}", headers={"Host": DOMAIN}) as plain:
        answers = [plain.post("/graphql", json={"query": "{ __typename }"}), plain.get("/export/audit")]
        answers += [plain.post("/jobs"), plain.get("/graphql")]
    assert [answer.status_code for answer in answers] == [404] * 4


def test_the_web_application_passes_and_what_is_inner_does_not(proxied: Proxied) -> None:
    assert "<html" in proxied.request("GET", "/").text
    for path in ("/metrics", "/internal/flight"):
        answer = proxied.request("GET", path)
        assert (answer.status_code, answer.text) == (404, "404 page not found\n")
    inner = proxied.stack.environment["API_URL"]
    assert httpx.get(f"{inner}/metrics").status_code == 200


async def test_websockets_pass(proxied: Proxied, person: Account) -> None:
    protocol = websockets.Subprotocol("graphql-transport-ws")
    options: dict[str, Any] = {"ssl": proxied.tls, "host": "127.0.0.1", "port": proxied.port}
    address = f"wss://{DOMAIN}:{proxied.port}/graphql"
    async with websockets.connect(address, subprotocols=[protocol], **options) as found:
        await found.send(
            json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {person.token}"}})
        )
        assert json.loads(await asyncio.wait_for(found.recv(), PATIENCE))["type"] == "connection_ack"
        await found.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": WATCH}}))
        first = json.loads(await asyncio.wait_for(found.recv(), PATIENCE))
        assert first["payload"]["data"]["systemStatusChanged"]["at"]


def test_event_streams_pass_while_they_are_open(proxied: Proxied, person: Account) -> None:
    headers = {
        "Authorization": f"Bearer {person.token}",
        "Accept": "text/event-stream",
        "Host": f"{DOMAIN}:{proxied.port}",
    }
    with (
        httpx.Client(verify=proxied.tls, timeout=PATIENCE) as client,
        client.stream(
            "POST",
            f"https://127.0.0.1:{proxied.port}/graphql",
            json={"query": WATCH},
            headers=headers,
            extensions={"sni_hostname": DOMAIN},
        ) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        # the subscription never ends: this line comes while it is open
        assert next(line for line in answer.iter_lines() if "systemStatusChanged" in line)


def test_files_go_up_and_come_down_and_tables_stream(proxied: Proxied, person: Account) -> None:
    """The whole path of a file by the outer addresses: presigned parts, and Flight over TLS by HTTP/2."""
    rows = 2_000_000
    data = b"id,text\n" + b"".join(b"%d,%016d\n" % (number, number * 7) for number in range(rows))
    begun = person.begin("big.csv", len(data))
    size = int(begun["partSizeBytes"])
    document = (
        "mutation ($i: SignUploadPartsInput!) { signUploadParts(input: $i) {"
        " ... on SignUploadPartsSuccess { parts { partNumber url } } } }"
    )
    wanted = {"i": {"uploadId": begun["id"], "partNumbers": list(range(1, int(begun["partCount"]) + 1))}}
    for part in ask(proxied, document, wanted, person.token)["data"]["signUploadParts"]["parts"]:
        start = (part["partNumber"] - 1) * size
        proxied.stored("PUT", part["url"], data[start : start + size]).raise_for_status()
    dataset = person.complete(begun)
    assert person.wait_dataset(dataset)["status"] == "READY"

    spec = {"version": 1, "steps": [{"filter": {"where": "id < 10"}}], "output": {"format": "csv"}}
    job = person.run_job(spec, input=dataset)
    (file,) = job["result"]["files"]
    down = proxied.stored("GET", file["url"])
    assert len(down.text.splitlines()) == 11

    options: dict[str, Any] = {"tls_root_certs": proxied.certificate.read_bytes()}
    with fl.connect(f"grpc+tls://{DOMAIN}:{proxied.port}", **options) as client:
        call = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {person.token}".encode())])
        info = client.get_flight_info(fl.FlightDescriptor.for_path("datasets", dataset), call)
        parts = [client.do_get(endpoint.ticket, call).read_all() for endpoint in info.endpoints]
    assert sum(part.num_rows for part in parts) == rows


def test_the_doctor_sees_it_as_clients_do(proxied: Proxied) -> None:
    arguments = ("doctor", "--json", "--url", proxied.url, "--flight-url", f"grpc+tls://{DOMAIN}:{proxied.port}")
    found = {}
    for trusted in (proxied.certificate, proxied.folder / "tls_key"):
        done = karyaksham(*arguments, env={"SSL_CERT_FILE": str(trusted)})
        found[trusted] = {each["name"]: each for each in json.loads(done.stdout)["findings"]}
    good = found[proxied.certificate]
    assert {name: each["status"] for name, each in good.items()} == {
        **dict.fromkeys(("service", "headers", "service's clock", "WebSocket"), "ok"),
        # the certificate ends tomorrow; the stack is one of developers, on this machine
        **dict.fromkeys(("TLS", "Flight by TLS"), "warn"),
        "introspection": "warn",
        "inner paths": "skip",
    }
    assert good["TLS"]["message"].startswith("TLSv1.3")
    # to whoever does not trust the certificate nothing else is said
    ((name, wrong),) = found[proxied.folder / "tls_key"].items()
    assert (name, wrong["status"]) == ("TLS", "fail")


def test_presigned_urls_stay_out_of_the_log(proxied: Proxied) -> None:
    lines = proxied.log.splitlines()
    requests = [line for line in lines if '"DownstreamStatus"' in line]
    assert requests
    assert not [line for line in requests if re.search("(?i)signature|x-amz|bearer", line)]
