"""Arithmetic of multipart uploads, and what a file's name may be. Pure functions, no input or output.

S3's limits: parts of 5 MiB (but for the last one) to 5 GiB, numbered 1 to 10,000, an object of 5 TiB at most
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html). SeaweedFS and GCS interoperability keep the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from graph.core.errors import InvalidInput

MIB = 1024**2
GIB = 1024**3

MAX_PARTS = 10_000
MIN_PART_BYTES = 5 * MIB
MAX_PART_BYTES = 5 * GIB
MAX_OBJECT_BYTES = 5 * 1024 * GIB
# Large enough that a file of 50 GiB has 800 parts, small enough that a lost connection costs seconds.
DEFAULT_PART_BYTES = 64 * MIB
# What one `signUploadParts` may ask for: about 0.5 MB of URLs.
MAX_SIGNED_PARTS = 1000

MAX_NAME_BYTES = 255
DEFAULT_CONTENT_TYPE = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}(\s*;[\x20-\x7e]*)?", re.ASCII)
# Characters that make a name read as another one (right-to-left overrides and isolates).
_BIDI = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))


@dataclass(frozen=True, slots=True)
class PartPlan:
    """How a file of `size_bytes` is cut: `part_count` parts of `part_size_bytes`, the last one may be smaller."""

    size_bytes: int
    part_size_bytes: int
    part_count: int

    def size_of(self, number: int) -> int:
        """Bytes of part `number` (counted from 1)."""
        if not 1 <= number <= self.part_count:
            raise ValueError(f"part {number} of {self.part_count}")
        if number < self.part_count:
            return self.part_size_bytes
        return self.size_bytes - self.part_size_bytes * (self.part_count - 1)


def plan_parts(size_bytes: int, *, max_bytes: int) -> PartPlan:
    """Cut a file of `size_bytes` into parts; `InvalidInput` for sizes that cannot be uploaded.

    `max_bytes` is the operator's limit (MAX_UPLOAD_BYTES); S3's own limit holds beside it.
    """
    limit = min(max_bytes, MAX_OBJECT_BYTES)
    if size_bytes < 0:
        raise InvalidInput(
            f"sizeBytes is {size_bytes}: send the size of the file in bytes.",
            code="UPLOAD_SIZE_INVALID",
            path=["sizeBytes"],
        )
    if size_bytes == 0:
        raise InvalidInput(
            "The file is empty (0 bytes): there is nothing to work on.", code="UPLOAD_EMPTY", path=["sizeBytes"]
        )
    if size_bytes > limit:
        raise InvalidInput(
            f"The file has {size_bytes:,} bytes; this service takes at most {limit:,} bytes. "
            "Compress or split it, or ask the administrator to raise MAX_UPLOAD_BYTES.",
            code="UPLOAD_TOO_LARGE",
            path=["sizeBytes"],
        )
    least = -(-size_bytes // MAX_PARTS)
    part = max(DEFAULT_PART_BYTES, -(-least // MIB) * MIB)
    return PartPlan(size_bytes, part, -(-size_bytes // part))


def check_part_numbers(numbers: Iterable[int], *, part_count: int) -> list[int]:
    """Return the part numbers, sorted and once each; `InvalidInput` naming the first that cannot be."""
    wanted = list(numbers)
    if not wanted:
        raise InvalidInput("Name at least one part.", code="UPLOAD_PARTS_INVALID", path=["partNumbers"])
    if len(wanted) > MAX_SIGNED_PARTS:
        raise InvalidInput(
            f"{len(wanted):,} parts asked for: ask for at most {MAX_SIGNED_PARTS:,} at a time.",
            code="UPLOAD_PARTS_INVALID",
            path=["partNumbers"],
        )
    for index, number in enumerate(wanted):
        if not 1 <= number <= part_count:
            raise InvalidInput(
                f"There is no part {number}: this upload has the parts 1 to {part_count}.",
                code="UPLOAD_PARTS_INVALID",
                path=["partNumbers", index],
            )
    return sorted(set(wanted))


def missing_parts(present: Collection[int], part_count: int) -> list[int]:
    """Return the numbers from 1 to `part_count` that are not present."""
    return [number for number in range(1, part_count + 1) if number not in present]


def describe_numbers(numbers: list[int], *, most: int = 10) -> str:
    """Sorted numbers as people write them: as ranges, the rest as a count."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    text = ", ".join(str(a) if a == b else f"{a}\N{EN DASH}{b}" for a, b in ranges[:most])
    rest = sum(b - a + 1 for a, b in ranges[most:])
    return f"{text} and {rest:,} more" if rest else text


def check_file_name(name: str, *, path: str = "fileName") -> str:
    """Return the name without blanks around it; `InvalidInput` when it is none."""

    def refuse(reason: str) -> InvalidInput:
        return InvalidInput(f"{path}: {reason}", code="FILE_NAME_INVALID", path=[path])

    name = unicodedata.normalize("NFC", name).strip()
    if name in {"", ".", ".."}:
        raise refuse("give the file a name.")
    if "/" in name or "\\" in name:
        raise refuse("send the name alone, without folders.")
    for character in name:
        if unicodedata.category(character) in {"Cc", "Cs"} or character in _BIDI:
            raise refuse(f"the character U+{ord(character):04X} is not allowed in names.")
    size = len(name.encode())
    if size > MAX_NAME_BYTES:
        raise refuse(f"{size} bytes long; at most {MAX_NAME_BYTES} bytes of UTF-8 are allowed.")
    return name


def check_content_type(value: str | None) -> str:
    """Return the media type, `application/octet-stream` when the browser knows none."""
    text = (value or "").strip()
    if not text:
        return DEFAULT_CONTENT_TYPE
    if len(text) > 255 or not _MEDIA_TYPE.fullmatch(text):
        raise InvalidInput(
            "contentType is no media type: send one such as text/csv, or leave it out.",
            code="CONTENT_TYPE_INVALID",
            path=["contentType"],
        )
    return text
