"""What an authenticator app does, written anew from RFC 6238: the service's own code is not asked."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass


@dataclass
class Clock:
    """Stands in for the module `time` where codes are checked."""

    now: float

    def time(self) -> float:
        """Seconds since 1970."""
        return self.now


def code_of(secret: str, at: float, *, steps: int = 0) -> str:
    """The six digits that an app shows for a base32 secret, some steps away from a time."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    counter = (int(at) // 30 + steps).to_bytes(8, "big")
    digest = hmac.new(key, counter, hashlib.sha1).digest()
    offset = digest[19] % 16
    value = int.from_bytes(digest[offset : offset + 4], "big") % 2**31
    return f"{value % 1_000_000:06d}"
