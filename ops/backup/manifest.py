"""The files of a backup: `backup.json`, written last, and `objects.ndjson`, one line an object."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from ops.backup.errors import BackupError

FORMAT: Final = 1
_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """An object: size in bytes, the storage's ETag, and the SHA-256 of its bytes where they were copied."""

    key: str
    size: int
    etag: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """`backup.json`. `encryption_key` is a fingerprint: keys are in no backup; `missing` were not in storage."""

    format: int
    at: str
    version: str
    server: int
    revision: str
    owner: str
    app: str
    encryption_key: str | None
    unfinished_jobs: int
    sealed_webhooks: int
    objects: int
    object_bytes: int
    copied: bool
    missing: list[str]
    checksums: dict[str, str]


class Folder:
    """The folder of a backup."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dump = path / "database.dump"
        self.manifest = path / "objects.ndjson"
        self._description = path / "backup.json"
        self._objects = path / "objects"

    @classmethod
    def make(cls, path: Path) -> Self:
        """Make it, for nobody else to read; `BackupError` when something is in it."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise BackupError("FOLDER_NOT_EMPTY", f"{path} is not empty.", "Give each backup a folder of its own.")
        path.chmod(0o700)
        return cls(path)

    def file_of(self, key: str) -> Path:
        """Return where the copy of an object is; `BackupError` for a key that leads elsewhere."""
        path = self._objects / key
        if not path.resolve().is_relative_to(self._objects.resolve()):
            raise BackupError("KEY_UNSAFE", f"The key {key!r} leads out of the backup.")
        return path

    def write(self, description: Description) -> None:
        """Complete the backup."""
        self._description.write_text(json.dumps(asdict(description), indent=1) + "\n", encoding="utf-8")

    def write_entries(self, entries: Iterable[Entry]) -> None:
        """Write the manifest."""
        with self.manifest.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(entry)) + "\n" for entry in entries)

    def entries(self) -> Iterator[Entry]:
        """Read the manifest."""
        with self.manifest.open(encoding="utf-8") as file:
            for line in file:
                yield Entry(**json.loads(line))

    def checksums(self) -> dict[str, str]:
        """Return the SHA-256 of dump and manifest, by name."""
        return {path.name: sha256(path) for path in (self.dump, self.manifest)}

    def read(self) -> Description:
        """Read what it says of itself; `BackupError` when it is not whole."""
        try:
            stored: dict[str, Any] = json.loads(self._description.read_text(encoding="utf-8"))
        except FileNotFoundError:
            message = f"{self.path} is no whole backup: backup.json, which is written last, is not there."
            raise BackupError("BACKUP_NOT_WHOLE", message, "Take another one.") from None
        if stored.get("format") != FORMAT:
            message = f"The backup has the format {stored.get('format')}, this program knows {FORMAT}."
            raise BackupError("FORMAT_UNKNOWN", message, "Use the version that made it.")
        description = Description(**{field.name: stored[field.name] for field in fields(Description)})
        if description.checksums != self.checksums():
            message = "database.dump or objects.ndjson is not as it was written."
            raise BackupError("BACKUP_DAMAGED", message, "Copy the folder again, or take another backup.")
        return description


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def fingerprint(key: str | None) -> str | None:
    """Return what tells a key of 32 random bytes from another, and not what it is."""
    return None if key is None else hashlib.sha256(f"karyaksham backup {key.strip()}".encode()).hexdigest()[:16]
