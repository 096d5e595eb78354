"""The data directory: layout, lock, secrets, remembered ports and what a killed supervisor left running."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import signal
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from ops.local.errors import StackError

_ORPHAN_PATIENCE_SECONDS = 15.0


def default_data_dir() -> Path:
    """`~/.karyaksham`, or what KARYAKSHAM_DATA_DIR says."""
    return Path(os.environ.get("KARYAKSHAM_DATA_DIR") or Path.home() / ".karyaksham")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Generated once per data directory. All are text without characters that need quoting in URLs or files."""

    database_owner_password: str
    database_app_password: str
    redis_password: str
    s3_access_key_id: str
    s3_secret_access_key: str
    s3_internal_key: str
    admin_email: str
    admin_password: str
    signing_key: str
    encryption_key: str

    @classmethod
    def generate(cls) -> Secrets:
        """Return new random secrets."""
        return cls(
            database_owner_password=secrets.token_hex(16),
            database_app_password=secrets.token_hex(16),
            redis_password=secrets.token_hex(16),
            s3_access_key_id="KARYAKSHAM" + secrets.token_hex(5).upper(),
            s3_secret_access_key=secrets.token_hex(20),
            s3_internal_key=secrets.token_hex(20),
            admin_email="admin@karyaksham.example",
            admin_password=secrets.token_urlsafe(15),
            signing_key=_ed25519_pem(),
            encryption_key=base64.b64encode(secrets.token_bytes(32)).decode(),
        )


def _ed25519_pem() -> str:
    """Return a private key as PKCS#8 PEM: the 32 random bytes behind the fixed header of RFC 8410."""
    der = bytes.fromhex("302e020100300506032b657004220420") + secrets.token_bytes(32)
    return f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(der).decode()}\n-----END PRIVATE KEY-----\n"


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 at one stroke: readers see the old or the new text, never half of one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)


class DataDir:
    """One data directory; `lock()` before using anything in it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.logs = self.path / "logs"
        self.run = self.path / "run"
        self.postgres = self.path / "postgres"
        self.valkey = self.path / "valkey"
        self.s3 = self.path / "s3"
        self.spill = self.path / "spill"
        self.secrets_file = self.path / "secrets.json"
        self.environment_file = self.run / "environment.json"
        self._lock_file: IO[str] | None = None

    def lock(self) -> None:
        """Make the directory (0700) and take it for this process; `StackError` when another stack has it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            for folder in (self.logs, self.run, self.postgres, self.valkey, self.s3, self.spill):
                folder.mkdir(mode=0o700, exist_ok=True)
            self._lock_file = (self.path / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise StackError(
                "DATA_DIR_UNUSABLE",
                f"{self.path} cannot be used as data directory: {error.strerror}",
                "Choose a directory that you may write to with --data-dir.",
            ) from error
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock_file.seek(0)
            holder = self._lock_file.read().strip() or "unknown"
            raise StackError(
                "DATA_DIR_IN_USE",
                f"Another stack (process {holder}) is using {self.path}.",
                f"Stop it with `kill {holder}`, or choose another directory with --data-dir.",
            ) from error
        self._lock_file.seek(0)
        self._lock_file.truncate()
        self._lock_file.write(f"{os.getpid()}\n")
        self._lock_file.flush()

    def unlock(self) -> None:
        """Give the directory free."""
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def holder(self) -> int | None:
        """Return the id of the process that has locked the directory, if one has."""
        try:
            with (self.path / "lock").open("r+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except OSError:
            text = (self.path / "lock").read_text(encoding="utf-8").strip()
            return int(text) if text.isdigit() else -1
        return None

    def secrets(self) -> Secrets:
        """Return the secrets of this directory, made at the first call."""
        try:
            stored = json.loads(self.secrets_file.read_text(encoding="utf-8"))
            if "encryption_key" not in stored:  # a directory of before there was one
                stored["encryption_key"] = Secrets.generate().encryption_key
                write_private(self.secrets_file, json.dumps(stored, indent=1))
            return Secrets(**{field.name: str(stored[field.name]) for field in fields(Secrets)})
        except FileNotFoundError:
            if (self.postgres / "PG_VERSION").exists():
                raise StackError(
                    "SECRETS_MISSING",
                    f"{self.secrets_file} is missing, but the data that it opens is there.",
                    "Restore the file from a backup, or start afresh with another --data-dir.",
                ) from None
        except (ValueError, KeyError, OSError) as error:
            raise StackError(
                "SECRETS_UNREADABLE", f"{self.secrets_file} cannot be read: {error}", "Restore it from a backup."
            ) from error
        made = Secrets.generate()
        write_private(self.secrets_file, json.dumps(asdict(made), indent=1))
        return made

    # ports and processes ---------------------------------------------------------------------------------------

    def remembered_ports(self) -> dict[str, int]:
        """Return the ports of the last start, by name."""
        try:
            stored = json.loads((self.run / "ports.json").read_text(encoding="utf-8"))
            return {str(name): int(port) for name, port in stored.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def remember_ports(self, ports: dict[str, int]) -> None:
        """Keep the ports, so that URLs stay the same at the next start."""
        write_private(self.run / "ports.json", json.dumps(ports, indent=1))

    def record_process(self, part: str, pid: int) -> None:
        """Note a started process, so that a later start recognises it if this supervisor is killed."""
        (self.run / f"{part}.pid").write_text(json.dumps([pid, process_start(pid)]), encoding="utf-8")

    def forget_process(self, part: str) -> None:
        """Drop the note of a process that has ended."""
        (self.run / f"{part}.pid").unlink(missing_ok=True)

    def end_orphans(self) -> list[int]:
        """Wait for processes of a killed supervisor to end, and kill those that do not; returns the killed ones."""
        alive: dict[int, Any] = {}
        for note in self.run.glob("*.pid"):
            try:
                pid, started = json.loads(note.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                started, pid = None, 0
            if pid and started is not None and process_start(pid) == started:
                alive[pid] = started
            else:
                note.unlink(missing_ok=True)
        for pid in alive:
            _signal(pid, signal.SIGTERM)
        deadline = time.monotonic() + _ORPHAN_PATIENCE_SECONDS
        while alive and time.monotonic() < deadline:
            time.sleep(0.05)
            alive = {pid: started for pid, started in alive.items() if process_start(pid) == started}
        for pid in alive:
            _signal(pid, signal.SIGKILL)
        return list(alive)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def process_start(pid: int) -> int | None:
    """Return the start time of a process in kernel ticks, which tells it from a later one of the same id.

    None when there is no such process (or it is a zombie), or on systems without /proc.
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    values = text.rpartition(")")[2].split()
    return None if values[0] in "ZX" else int(values[19])
