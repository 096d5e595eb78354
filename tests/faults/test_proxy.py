"""The proxy hurts as it says, and nothing else: bytes through an unhurt connection come as they were sent."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Hurt, Proxy
from tests.processes import PATIENCE


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says back whatever it hears; gives its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        try:
            while data := connection.recv(65_536):
                connection.sendall(data)
        except OSError:
            pass
        finally:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy("echo", ("127.0.0.1", echo), random.Random(1)) as proxy:
        yield proxy


def dial(proxy: Proxy, timeout: float = PATIENCE) -> socket.socket:
    """A connection that surely reached the server."""
    made = socket.create_connection(("127.0.0.1", proxy.port), timeout)
    assert say(made, b"hello") == b"hello"
    return made


def say(connection: socket.socket, data: bytes) -> bytes:
    """Send and receive as much, or as much as comes before the end."""
    connection.sendall(data)
    got = b""
    while len(got) < len(data) and (more := connection.recv(65_536)):
        got += more
    return got


def silent(connection: socket.socket, seconds: float = 0.5) -> bool:
    """Whether nothing comes, not even an end."""
    connection.settimeout(seconds)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(PATIENCE)
    return False


def test_bytes_pass_unchanged(proxy: Proxy) -> None:
    data = random.Random(2).randbytes(3_000_000)
    with dial(proxy) as connection:
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        got = b""
        while len(got) < len(data):
            got += connection.recv(65_536)
        sender.join()
    assert got == data


@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_a_cut_comes_after_its_bytes(proxy: Proxy, kind: str) -> None:
    with dial(proxy) as connection:
        assert proxy.hurt(Hurt(kind, "down", amount=7)) == 1  # type: ignore[arg-type]
        try:
            got = say(connection, b"0123456789")
        except ConnectionResetError:
            assert kind == "reset"
        else:
            assert got in ({b"0123456"} if kind == "cut" else {b"0123456", b""})
    proxy.heal()
    dial(proxy).close()


def test_frozen_bytes_come_when_it_is_over(proxy: Proxy) -> None:
    with dial(proxy) as connection:
        hurt = Hurt("freeze", "down")
        proxy.hurt(hurt)
        connection.sendall(b"late")
        assert silent(connection)
        proxy.heal(hurt)
        assert connection.recv(10) == b"late"


def test_half_open_is_silent_for_good_and_new_connections_are_well(proxy: Proxy) -> None:
    with dial(proxy) as connection:
        proxy.hurt(Hurt("half-open", "up"))
        connection.sendall(b"lost")
        assert silent(connection)
        proxy.heal()
        connection.sendall(b"lost too")
        assert silent(connection)
        dial(proxy).close()


def test_refused_connections_end_at_once(proxy: Proxy) -> None:
    old = dial(proxy)
    proxy.hurt(Hurt("refuse"))
    with pytest.raises((ConnectionError, AssertionError)):
        dial(proxy)
    with old, pytest.raises((ConnectionError, AssertionError)):
        assert say(old, b"x") == b"x"
    proxy.heal()
    dial(proxy).close()


def test_delay_and_throttle_hold_back(proxy: Proxy) -> None:
    """A lower bound of time only: a slow machine cannot break it."""
    with dial(proxy) as connection:
        for hurt in (Hurt("delay", "up", amount=0.3), Hurt("throttle", "down", amount=100.0)):
            proxy.hurt(hurt)
            began = time.monotonic()
            assert say(connection, b"x" * 30) == b"x" * 30
            assert time.monotonic() - began >= 0.29
            proxy.heal(hurt)


def test_the_seed_chooses_whom_it_strikes(echo: int) -> None:
    struck = []
    for _ in range(2):
        with Proxy("echo", ("127.0.0.1", echo), random.Random(5)) as proxy:
            connections = [dial(proxy) for _ in range(12)]
            struck.append(proxy.hurt(Hurt("delay", share=0.5, amount=0.01)))
            for connection in connections:
                connection.close()
    assert 0 < struck[0] < 12
