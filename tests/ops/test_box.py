"""The box lets the calls through that it should: its filter, interpreted here (entering it could not be undone)."""

from __future__ import annotations

import struct

import pytest

from ops.setup import box


def verdict(number: int, flags: int = 0) -> int:
    """What the kernel would make of a system call."""
    lines = list(struct.iter_unpack("HBBI", box.seccomp_filter()))
    place, loaded = 0, 0
    while True:
        code, if_so, if_not, value = lines[place]
        place += 1
        match code:
            case box._LOAD:
                loaded = {0: number, 16: flags}[value]
            case box._JUMP_IF_EQUAL:
                place += if_so if loaded == value else if_not
            case box._JUMP_IF_ANY:
                place += if_so if loaded & value else if_not
            case _:
                return int(value)


@pytest.mark.parametrize("name", list(box.FORBIDDEN))
def test_what_containers_forbid_is_refused(name: str) -> None:
    assert verdict(box.FORBIDDEN[name]) == box._EPERM


def test_other_calls_and_plain_clones_go_through() -> None:
    others = set(range(450)) - set(box.FORBIDDEN.values())
    assert {verdict(number) for number in others} == {box._ALLOW}
    assert verdict(56, 0x00010000) == box._ALLOW
    assert verdict(56, 0x10000000 | 0x11) == box._EPERM
