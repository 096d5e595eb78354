"""E-mail addresses and names as people type them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from graph.core.errors import InvalidInput

_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f.]+(\.[^@\s\x00-\x1f\x7f.]+)*")
_NAME_MAX: Final = 200


def normalise_email(email: str) -> str:
    """Return the address as it is compared: NFKC, trimmed, lower case; `InvalidInput` when it is none."""
    normal = unicodedata.normalize("NFKC", email).strip().lower()
    if len(normal) > 254 or not _EMAIL.fullmatch(normal):
        raise InvalidInput("This is not an e-mail address.", code="EMAIL_INVALID", path=["email"])
    return normal


def clean_name(name: str, *, path: tuple[str, ...] = ("name",)) -> str:
    """Return a name for people, trimmed; `InvalidInput` when empty, too long or with control characters."""
    clean = name.strip()
    if not clean or len(clean) > _NAME_MAX or not all(c.isprintable() for c in clean):
        raise InvalidInput(f"A name needs 1 to {_NAME_MAX} visible characters.", code="NAME_INVALID", path=path)
    return clean
