"""Requests to strangers: bounded in time and size, never to an address inside, certificates verified."""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import ip_address
from pathlib import Path

import pytest

from graph.core.settings import parse_networks
from graph.webhooks import sender as module
from graph.webhooks.addresses import Address, may_reach
from graph.webhooks.sender import Answer, Sender
from tests.certificates import make_identity
from tests.graph.webhooks.receiver import Receiver, Request

LOCAL = "127.0.0.0/8"


async def post(url: str, allowed: str = LOCAL) -> Answer:
    made = Sender(parse_networks(allowed), most=1)
    try:
        return await made.post(url, {"webhook-id": "msg_1"}, b"{}")
    finally:
        await made.close()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.1.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff0e::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:a00:1::", False),  # 6to4 of 10.0.0.1
        ("64:ff9b::a00:1", False),  # NAT64 of 10.0.0.1
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert may_reach(ip_address(address), []) == public
    assert may_reach(ip_address(address), parse_networks("0.0.0.0/0, ::/0"))


def test_an_allowed_network_allows_no_other() -> None:
    allowed = parse_networks("10.1.0.0/16, fd00::/8")
    assert may_reach(ip_address("10.1.2.3"), allowed)
    assert may_reach(ip_address("fd00::1"), allowed)
    assert may_reach(ip_address("::ffff:10.1.2.3"), allowed)
    assert not may_reach(ip_address("10.2.0.1"), allowed)
    assert not may_reach(ip_address("127.0.0.1"), allowed)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1"])
async def test_nothing_inside_is_reached_by_any_name(receiver: Receiver, host: str) -> None:
    answer = await post(f"http://{host}:{receiver.port}/", allowed="")
    assert answer.status is None
    assert answer.error is not None
    assert "WEBHOOK_ALLOWED_NETWORKS" in answer.error
    assert receiver.requests == []


async def test_the_address_that_was_looked_at_is_the_one_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def changing(host: str, port: int) -> list[Address]:
        asked.append(host)
        return [ip_address("10.0.0.1"), ip_address("127.0.0.1" if len(asked) == 1 else "10.0.0.1")]

    monkeypatch.setattr(module, "_resolve", changing)
    assert (await post(f"http://hooks.test:{receiver.port}/")).status == 204
    assert asked == ["hooks.test"]
    assert receiver.requests[0].headers["host"] == f"hooks.test:{receiver.port}"
    assert (await post(f"http://hooks.test:{receiver.port}/")).status is None
    assert len(receiver.requests) == 1


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.extra = 307, f"location: {receiver.url}\r\n"
    answer = await post(receiver.url)
    assert (answer.status, answer.succeeded, len(receiver.requests)) == (307, False, 1)
    assert "not followed" in (answer.error or "")


async def test_silence_ends(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3600)

    async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-more: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.5)
    for answer in (hang, drip):
        receiver.answer = answer
        found = await post(receiver.url)
        assert (found.status, found.error) == (None, "No answer within 0.5 s.")


async def test_of_an_endless_answer_the_status_counts(receiver: Receiver) -> None:
    written = 0
    ended = asyncio.Event()

    async def endless(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                written += 65536
        finally:
            ended.set()

    receiver.answer = endless
    assert (await post(receiver.url)).status == 200
    await asyncio.wait_for(ended.wait(), 60)
    assert written < 1_000_000_000  # what socket buffers hold, not what was offered


@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nbroken"])
async def test_what_is_no_http_is_an_error(receiver: Receiver, reply: bytes) -> None:
    async def speak(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)

    receiver.answer = speak
    answer = await post(receiver.url)
    assert answer.status is None
    assert answer.error is not None
    assert answer.error.startswith("The request failed: ")


async def test_nobody_there_and_names_that_are_none_are_errors() -> None:
    nobody = await post("http://127.0.0.1:1/")
    assert (nobody.status, (nobody.error or "").startswith("The request failed: ")) == (None, True)
    nowhere = await post("http://no-such-name.invalid/")
    assert (nowhere.status, nowhere.error is None) == (None, False)


async def test_certificates_are_verified_for_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def local(host: str, port: int) -> list[Address]:
        return [ip_address("127.0.0.1")]

    monkeypatch.setattr(module, "_resolve", local)
    path = tmp_path / "hooks.test.pem"
    identity = make_identity("hooks.test", hosts=["hooks.test"])
    path.write_bytes(identity.certificate + identity.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    async with Receiver.listening(context) as receiver:
        url = f"https://hooks.test:{receiver.port}/"
        assert "CERTIFICATE_VERIFY_FAILED" in ((await post(url)).error or "")
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert (await post(url)).status == 204
        other = await post(f"https://other.test:{receiver.port}/")
        assert "CERTIFICATE_VERIFY_FAILED" in (other.error or "")
    assert len(receiver.requests) == 1
