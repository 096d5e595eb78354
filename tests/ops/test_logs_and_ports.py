"""Rotation of logs and choice of ports."""

from __future__ import annotations

import socket
from pathlib import Path

from ops.local.logs import RotatingLog
from ops.local.ports import PortChooser, is_free


def test_logs_are_capped(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "part.log", limit=1000, kept=2)
    for number in range(100):
        log.write(f"line {number:04}\n".encode() * 10)
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["part.log", "part.log.1", "part.log.2"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert (tmp_path / "part.log").read_text().endswith("line 0099\n")
    assert log.tail(1) == "line 0099"
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_a_restart_appends_to_the_log(tmp_path: Path) -> None:
    for text in (b"first\n", b"second\n"):
        log = RotatingLog(tmp_path / "part.log")
        log.write(text)
        log.close()
    assert (tmp_path / "part.log").read_text() == "first\nsecond\n"


def test_a_full_disk_does_not_stop_a_part() -> None:
    log = RotatingLog(Path("/dev/full"))
    log.write(b"lost\n")
    assert log.tail() == "lost"


def test_a_taken_port_is_replaced_and_none_given_twice() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
        chooser = PortChooser({"other": port})
        first, second = chooser.choose("api", port), chooser.choose("other")
    assert port not in {first, second}
    assert first != second
    assert is_free(first)


def test_a_remembered_port_is_kept() -> None:
    port = PortChooser({}).choose("s3")
    assert PortChooser({"s3": port}).choose("s3") == port
    # what was asked for comes first
    asked = PortChooser({}).choose("s3")
    assert PortChooser({"s3": port}).choose("s3", asked) == asked
