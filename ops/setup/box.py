"""Run a command with what a container forbids: `python -m ops.setup.box COMMAND …`, as root on Linux (x86-64).

Keeps Docker's default capabilities only, sets no_new_privs, closes standard input, and lets unshare, setns, mount,
umount2, pivot_root, ptrace and clone with a new user namespace answer EPERM (a seccomp filter, see seccomp(2)). CI
forbids at least user namespaces: `make ci-box` tries `.ci/run` on a fresh clone in here.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import Final, NoReturn

# What Docker leaves to root: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service,
# net_raw, sys_chroot, mknod, audit_write, setfcap.
KEPT: Final = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31)
FORBIDDEN: Final = {"ptrace": 101, "pivot_root": 155, "mount": 165, "umount2": 166, "unshare": 272, "setns": 308}
_CLONE: Final = 56
_CLONE_NEWUSER: Final = 0x10000000
_PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 22, 24, 38
_CAPABILITY_VERSION: Final = 0x20080522
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_ANY, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _EPERM = 0x7FFF0000, 0x00050001

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def seccomp_filter() -> bytes:
    """Return the classic BPF program: EPERM for the forbidden calls, everything else as ever."""

    def line(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_so, if_not, value)

    numbers = list(FORBIDDEN.values())
    lines = [line(_LOAD, 0)]  # the call's number
    lines += [line(_JUMP_IF_EQUAL, number, if_so=len(numbers) - place + 3) for place, number in enumerate(numbers)]
    lines += [
        line(_JUMP_IF_EQUAL, _CLONE, if_not=2),
        line(_LOAD, 16),  # its first argument, the flags
        line(_JUMP_IF_ANY, _CLONE_NEWUSER, if_so=1),
        line(_RETURN, _ALLOW),
        line(_RETURN, _EPERM),
    ]
    return b"".join(lines)


def enter() -> None:
    """Give up the rights of this process and of all that it starts; `OSError` where it may not."""
    for capability in range(64):
        if capability not in KEPT:
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails for numbers that the kernel does not know
    mask = sum(1 << capability for capability in KEPT)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    _check(_libc.capset(struct.pack("II", _CAPABILITY_VERSION, 0), struct.pack("6I", low, low, 0, high, high, 0)))
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    code = seccomp_filter()
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    _check(_libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0))


def main() -> NoReturn:
    """Enter the box and become the command."""
    if len(sys.argv) < 2 or sys.platform != "linux" or os.uname().machine != "x86_64" or os.geteuid() != 0:
        sys.stderr.write("usage: python -m ops.setup.box COMMAND …, as root on Linux (x86-64)\n")
        sys.exit(2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    enter()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  # the command is the caller's


if __name__ == "__main__":
    main()
