"""How child processes start: they die with the supervisor, and PostgreSQL never runs as root.

PostgreSQL refuses to run as root. As root, it runs in a user namespace of its own, where this user is called `nobody`:
its files stay root's, no mode of any folder above them changes, and it has no capabilities. Where namespaces are not
allowed (containers), it runs as the user `nobody` with the one capability to pass folders (CAP_DAC_OVERRIDE).
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ops.local.errors import StackError

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CLONE_NEWUSER = 0x10000000
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None

Preparation = Callable[[], None]


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent(number: signal.Signals) -> None:
    """Ask the kernel to signal this process when the supervisor is gone, even if it was killed (Linux only)."""
    if _libc is not None:
        _check(_libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0))


def preparation(death: signal.Signals, before: Preparation | None = None) -> Preparation:
    """Return what runs in a new process before its program."""
    parent = os.getpid()

    def prepare() -> None:
        if before is not None:
            before()
        die_with_parent(death)
        if os.getppid() != parent and os.getppid() != 0:
            os._exit(1)  # the supervisor died in between

    return prepare


def _nobody() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        for entry in pwd.getpwall():
            if entry.pw_uid != 0:
                return entry
    raise StackError("NO_ORDINARY_USER", "PostgreSQL refuses root, and this system has no other user.", "Add one.")


def _enter_namespace(user: pwd.struct_passwd) -> Preparation:
    def enter() -> None:
        uid, gid = os.getuid(), os.getgid()
        assert _libc is not None  # noqa: S101  # chosen only where libc is loaded
        _check(_libc.unshare(_CLONE_NEWUSER))
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user.pw_uid} {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{user.pw_gid} {gid} 1", encoding="ascii")

    return enter


def _become(user: pwd.struct_passwd) -> Preparation:
    def become() -> None:
        assert _libc is not None  # noqa: S101
        _check(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
        os.setgroups([])
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
        mask = 1 << _CAP_DAC_OVERRIDE
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
        _check(_libc.capset(header, data))
        _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))

    return become


@cache
def postgres_user() -> tuple[Preparation | None, int]:
    """Return what a PostgreSQL process does before it starts, and the id of the user that owns its files."""
    if os.geteuid() != 0:
        return None, os.geteuid()
    user = _nobody()
    for before, owner in ((_enter_namespace(user), 0), (_become(user), user.pw_uid)):
        try:
            # the program must be found below folders that may be closed to others
            subprocess.run([sys.executable, "-S", "-c", ""], preexec_fn=before, check=True, capture_output=True)
        except (OSError, subprocess.SubprocessError):
            continue
        return before, owner
    raise StackError(
        "POSTGRES_REFUSES_ROOT",
        "PostgreSQL refuses to run as root, and root may neither make user namespaces nor become `nobody` here.",
        "Run as an ordinary user, or set DATABASE_URL to a PostgreSQL server.",
    )


def give(path: Path, owner: int) -> None:
    """Make `owner` own a folder and all in it, if it does not yet."""
    if path.stat().st_uid == owner:
        return
    for folder, _, files in os.walk(path):
        os.chown(folder, owner, -1)
        for name in files:
            os.chown(Path(folder) / name, owner, -1, follow_symlinks=False)
