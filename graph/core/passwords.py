"""Which passwords may be used: long enough, not one that many people use, not made of the words of its place.

`common_passwords.bin` holds, sorted, the first DIGEST_BYTES bytes of the SHA-256 of each common password of
PASSWORD_MIN characters or more, as `folded` writes it: enough to know one again, and nothing to read. `python -m
ops.setup.common_passwords` makes it, and names its source.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from graph.core.errors import InvalidInput

PASSWORD_MIN: Final = 12
PASSWORD_MAX: Final = 256
# one in 25 million other passwords is taken for one of 44,000 common ones
DIGEST_BYTES: Final = 5
COMMON: Final = Path(__file__).parent / "common_passwords.bin"
# names that somebody who guesses at this service tries first
_OWN_WORDS: Final = ("karyaksham",)
_WORD_MIN: Final = 4
# what must be left of a password without the words of its place
_REST_MIN: Final = 8


def folded(password: str) -> str:
    """Return a password as the list of common ones has it: whatever its case and its way of writing letters."""
    return unicodedata.normalize("NFKC", password).casefold().strip()


def digest(password: str) -> bytes:
    """Return what stands in the list for a password."""
    return hashlib.sha256(folded(password).encode(errors="surrogatepass")).digest()[:DIGEST_BYTES]


@cache
def _packed() -> bytes:
    return COMMON.read_bytes()


def is_common(password: str) -> bool:
    """Tell whether a password is one of those that were found most often where passwords had leaked."""
    packed, wanted = _packed(), digest(password)

    def at(place: int) -> bytes:
        return packed[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES]

    return at(bisect_left(range(len(packed) // DIGEST_BYTES), wanted, key=at)) == wanted


def _is_made_of(words: Iterable[str], password: str) -> str | None:
    """Return the word that a password is little else than, None if there is none."""
    lowered = folded(password)
    for word in words:
        if len(word) >= _WORD_MIN and word in lowered and len(lowered.replace(word, "")) < _REST_MIN:
            return word
    return None


def check_password(password: str, *, email: str = "", path: tuple[str, ...] = ("password",)) -> None:
    """Raise `InvalidInput` unless the password may be used; `email`, as it is compared, is its owner's."""
    if len(password) < PASSWORD_MIN:
        raise InvalidInput(
            f"The password needs at least {PASSWORD_MIN} characters; a few words in a row are easy to keep in mind.",
            code="PASSWORD_TOO_SHORT",
            path=path,
        )
    if len(password) > PASSWORD_MAX:
        raise InvalidInput(
            f"The password may have at most {PASSWORD_MAX} characters.", code="PASSWORD_TOO_LONG", path=path
        )
    lowered = password.casefold()
    if len(set(lowered)) < 4 or (email and (lowered in email or email.partition("@")[0] == lowered)):
        raise InvalidInput(
            "This password is easy to guess. Do not use the e-mail address or a few repeated characters.",
            code="PASSWORD_TOO_SIMPLE",
            path=path,
        )
    local, _, domain = email.casefold().partition("@")
    word = _is_made_of([*_OWN_WORDS, local, *re.split(r"[^\w]+", local), *domain.split(".")[:-1]], password)
    if word is not None:
        raise InvalidInput(
            f"This password is little more than “{word}”, which is guessed first here. Use other words.",
            code="PASSWORD_TOO_SIMPLE",
            path=path,
        )
    if is_common(password):
        raise InvalidInput(
            "Many people use this password, and it is on lists of leaked ones that are tried first. Choose another.",
            code="PASSWORD_COMMON",
            path=path,
        )
