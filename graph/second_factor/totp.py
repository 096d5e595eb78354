"""Time-based one-time passwords (RFC 6238 over RFC 4226): HMAC-SHA-1, six digits, steps of 30 seconds.

Fifteen lines of our own rather than a library: what matters here, that a code is good once and guesses are counted, no
library does for us, and the rest is checked against the RFCs' test vectors. SHA-1 is what all authenticator apps know;
HMAC does not rest on its resistance to collisions.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import struct
from typing import Final
from urllib.parse import quote, urlencode

STEP_SECONDS: Final = 30
DIGITS: Final = 6
# clocks may differ by a step, and people type slowly
DRIFT: Final = 1
_SECRET_BYTES: Final = 20
_ISSUER: Final = "Karyaksham"


def new_secret() -> bytes:
    """Return a new secret: 160 bits, as RFC 4226 recommends."""
    return secrets.token_bytes(_SECRET_BYTES)


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """Return the code of a step (seconds since 1970 divided by 30)."""
    digest = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    place = digest[-1] & 0x0F
    number = int.from_bytes(digest[place : place + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def matching_step(secret: bytes, code: str, now: float) -> int | None:
    """Return the step that a code belongs to, among those around `now` (Unix seconds); None when it is wrong."""
    current, found = int(now // STEP_SECONDS), None
    for step in range(current - DRIFT, current + DRIFT + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            found = step
    return found


def as_text(secret: bytes) -> str:
    """Return a secret as authenticator apps take it, in base32."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, account: str) -> str:
    """Return the `otpauth` URI that a QR code carries to the app."""
    label = quote(f"{_ISSUER}:{account}", safe="")
    values = {"secret": as_text(secret), "issuer": _ISSUER, "digits": DIGITS, "period": STEP_SECONDS}
    return f"otpauth://totp/{label}?{urlencode(values)}"
