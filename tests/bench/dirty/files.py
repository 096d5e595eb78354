"""Dirty files, made up from a seed: for each kind of dirt, the bytes and the table that a person sees in them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Row = list[str]
NAMES = ["id", "name", "amount", "day"]
WORDS = ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "willow", "yew"]


@dataclass(frozen=True, slots=True)
class Dirty:
    """A file and what it means."""

    kind: str
    suffix: str
    data: bytes
    header: Row
    rows: list[Row]


def table(rng: random.Random, rows: int = 0) -> list[Row]:
    """Rows of a number, a text, a number with decimals and a date."""

    def row(number: int) -> Row:
        day = f"20{rng.randrange(10, 25)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
        name = " ".join(rng.sample(WORDS, rng.choice((1, 1, 2))))
        return [str(number), name, f"{rng.randrange(1, 9999)}.{rng.randrange(1, 10)}", day]

    return [row(number) for number in range(1, 1 + (rows or rng.randrange(12, 60)))]


def written(
    rows: Iterable[Row],
    delimiter: str = ",",
    quote: str = '"',
    end: str = "\n",
    escape: str = "",
    *,
    always: bool = False,
) -> str:
    """Rows as delimited text."""

    def field(text: str) -> str:
        needs = always or any(part in text for part in (delimiter, quote, "\n", "\r"))
        if not needs:
            return text
        inner = text.replace(escape, escape * 2) if escape else text
        return quote + inner.replace(quote, (escape or quote) + quote) + quote

    return "".join(delimiter.join(map(field, row)) + end for row in rows)


Made = tuple[str | bytes, Row, list[Row]]
KINDS: dict[str, tuple[str, Callable[[random.Random], Made]]] = {}


def kind(
    name: str, suffix: str = ".csv"
) -> Callable[[Callable[[random.Random], Made]], Callable[[random.Random], Made]]:
    """Register a kind of dirt."""

    def register(make: Callable[[random.Random], Made]) -> Callable[[random.Random], Made]:
        KINDS[name] = (suffix, make)
        return make

    return register


def _dialect(name: str, **style: str | bool) -> None:
    @kind(name)
    def make(rng: random.Random) -> Made:
        rows = table(rng)
        for row in rng.sample(rows, 3):
            row[1] = rng.choice(["Ann, the first", 'Bob "the" cat', "x;y", "a|b", "it's", "a::b"])
        return written([NAMES, *rows], **style), NAMES, rows  # type: ignore[arg-type]


for _name, _delimiter in {
    "comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "caret": "^", "tilde": "~", "colon": ":",
    "two pipes": "||", "two colons": "::", "two semicolons": ";;", "tilde pipe tilde": "~|~",
    "unit separator": "\x1f", "comma and space": ", ",
}.items():  # fmt: skip
    _dialect(f"delimiter: {_name}", delimiter=_delimiter)
_dialect("single quotes", quote="'")
_dialect("quotes escaped by a backslash", escape="\\")
_dialect("everything quoted", always=True)
_dialect("ends: CRLF", end="\r\n")
_dialect("ends: CR", end="\r")


@kind("ends: all kinds in one file")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    lines = [written([row], end="") for row in [NAMES, *rows]]
    return "".join(line + ["\n", "\r\n", "\r"][number % 3] for number, line in enumerate(lines)), NAMES, rows


@kind("preamble: one line")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    return f"Report {rng.randrange(99)}\n" + written([NAMES, *rows]), NAMES, rows


@kind("preamble: several lines")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    front = ["Sales report", f"Period: {rng.randrange(2000, 2024)}, all countries", "", "Exported by a machine", ""]
    return "\n".join([*front, written([NAMES, *rows])]), NAMES, rows


@kind("preamble: a title padded by a spreadsheet")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    return f"Sales {rng.randrange(2000, 2024)},,,\n,,,\n" + written([NAMES, *rows]), NAMES, rows


@kind("preamble: an open quote")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    return '"Report\n' + written([NAMES, *rows]), NAMES, rows


@kind("comments: before the table")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    mark = rng.choice(["#", "//", "%"])
    return f"{mark} made by a machine\n{mark} of, some, sorts\n" + written([NAMES, *rows]), NAMES, rows


@kind("comments: within the table")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    lines = [written([row]) for row in [NAMES, *rows]]
    for place in sorted(rng.sample(range(2, len(lines)), 3), reverse=True):
        lines.insert(place, "# checked by hand\n")
    return "".join(lines), NAMES, rows


@kind("header: two rows")
def _(rng: random.Random) -> Made:
    rows = [[str(n), *(str(rng.randrange(99)) for _ in range(4))] for n in range(1, rng.randrange(12, 40))]
    text = "shop,2023,,2024,\n,first,second,first,second\n" + written(rows)
    return text, ["shop", "2023 first", "2023 second", "2024 first", "2024 second"], rows


@kind("header: a row of units")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    rows = [[row[1], row[2], row[0]] for row in rows]
    return "name,weight,height\n,kg,cm\n" + written(rows), ["name", "weight kg", "height cm"], rows


@kind("header: none")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    return written(rows), [], rows


@kind("footer: a total")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    return written([NAMES, *rows]) + f"Total,{rng.randrange(999)}\n", NAMES, rows


@kind("footer: notes")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    return written([NAMES, *rows]) + "\n* provisional figures\nSource: a survey\n", NAMES, rows


@kind("a second table")
def _(rng: random.Random) -> Made:
    rows = table(rng, 40)
    return written([NAMES, *rows]) + "\ncode,country\nIN,India\nDE,Germany\n", NAMES, rows


@kind("ragged rows")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    lines = [written([row]) for row in [NAMES, *rows]]
    lines.insert(rng.randrange(3, len(lines)), "77,short\n")
    lines.insert(rng.randrange(3, len(lines)), "78,long,1.5,2024-01-31,5,6\n")
    return "".join(lines), NAMES, rows


@kind("empty lines")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    lines = [written([row]) + rng.choice(["", "", "\n"]) for row in [NAMES, *rows]]
    return "\n" + "".join(lines) + "\n\n", NAMES, rows


@kind("line ends within quotes")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    for row in rng.sample(rows, 4):
        row[1] = "two\nlines, and more"
    return written([NAMES, *rows]), NAMES, rows


@kind("stray quotes within a field")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    lines = [NAMES, *rows]
    for row in rng.sample(rows, 3):
        row[1] = f'{rng.randrange(3, 30)}" pipe'
    return "".join(",".join(row) + "\n" for row in lines), NAMES, rows


@kind("NUL characters")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    rng.choice(rows)[1] = "a\0b"
    return written([NAMES, *rows]), NAMES, rows


@kind("leading zeros")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    for row in rows:
        row[1] = f"{rng.randrange(99999):05}"
    rows[0][1] = "00501"
    return written([NAMES, *rows]), NAMES, rows


@kind("long digit strings")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    for row in rows:
        row[1] = str(rng.randrange(10**21, 10**22))
    return written([NAMES, *rows]), NAMES, rows


@kind("decimal commas")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    text = written([NAMES, *([row[0], row[1], row[2].replace(".", ","), row[3]] for row in rows)], ";")
    return text, NAMES, rows


@kind("dates with the day first")
def _(rng: random.Random) -> Made:
    rows = table(rng)
    rows[0][3] = "2024-01-31"
    shown = [[*row[:3], "/".join(reversed(row[3].split("-")))] for row in rows]
    return written([NAMES, *shown]), NAMES, rows


@kind("a type that changes late")
def _(rng: random.Random) -> Made:
    rows = table(rng, 30_000)
    rows[25_000][0] = "unknown"
    return written([NAMES, *rows]), NAMES, rows


def _stored(name: str, suffix: str, store: Callable[[str], bytes]) -> None:
    @kind(name, suffix)
    def make(rng: random.Random) -> Made:
        rows = table(rng)
        rows[3][1] = "Zoë, née Müller"
        return store(written([NAMES, *rows])), NAMES, rows


_stored("encoding: UTF-8 with a mark", ".csv", lambda text: text.encode("utf-8-sig"))
_stored("encoding: UTF-16, little endian", ".csv", lambda text: b"\xff\xfe" + text.encode("utf-16-le"))
_stored("encoding: UTF-16, big endian", ".csv", lambda text: b"\xfe\xff" + text.encode("utf-16-be"))
_stored("compression: gzip", ".csv.gz", lambda text: gzip.compress(text.encode()))
_stored(
    "compression: gzip, two members",
    ".csv.gz",
    lambda text: gzip.compress(text[:99].encode()) + gzip.compress(text[99:].encode()),
)
_stored("compression: bzip2", ".csv.bz2", lambda text: bz2.compress(text.encode()))
_stored("compression: xz", ".csv.xz", lambda text: lzma.compress(text.encode()))


def dirty_files(seed: int, each: int) -> list[Dirty]:
    """`each` files of each kind."""
    files = []
    for name, (suffix, make) in KINDS.items():
        for number in range(each):
            text, header, rows = make(random.Random(f"{seed} {name} {number}"))
            data = text if isinstance(text, bytes) else text.encode()
            files.append(Dirty(name, suffix, data, header, rows))
    return files
