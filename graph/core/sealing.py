"""Secrets at rest: sealed with AES-256-GCM under ENCRYPTION_KEY, each bound to the row that holds it.

A sealed secret is `version (1 byte) | id of the key (8) | nonce (12) | ciphertext and tag`. The first nine bytes say
which key opens it, so that rows of an older key can be found and sealed anew while PREVIOUS_ENCRYPTION_KEYS still has
that key. 96-bit random nonces are safe for 2^32 secrets under one key (NIST SP 800-38D, 8.3).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from graph.core.errors import ConfigurationError
from graph.core.settings import Settings

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_PREFIX_BYTES: Final = len(_VERSION) + _ID_BYTES
_HINT: Final = "make one with `openssl rand -base64 32`"


class CannotOpen(Exception):
    """No key of the settings opens this, or it was sealed for another row."""


def generate_encryption_key() -> str:
    """Return a new key as text, for ENCRYPTION_KEY."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _parse(name: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{name} is not {KEY_BYTES} bytes in base64: {_HINT}")
    return key


def _prefix(key: bytes) -> bytes:
    return _VERSION + hashlib.sha256(b"karyaksham encryption key\0" + key).digest()[:_ID_BYTES]


@dataclass(frozen=True, slots=True, repr=False)
class Sealer:
    """Seals with one key, opens with all."""

    prefix: bytes
    _keys: dict[bytes, AESGCM]

    @classmethod
    def from_settings(cls, settings: Settings) -> Sealer:
        """Read ENCRYPTION_KEY and PREVIOUS_ENCRYPTION_KEYS; `ConfigurationError` when the first is missing."""
        if settings.encryption_key is None:
            raise ConfigurationError(
                f"ENCRYPTION_KEY is not set: {_HINT} and set ENCRYPTION_KEY or ENCRYPTION_KEY_FILE"
            )
        current = _parse("ENCRYPTION_KEY", settings.encryption_key.get_secret_value())
        previous = (settings.previous_encryption_keys or "").replace(",", " ").split()
        keys = [current, *(_parse("PREVIOUS_ENCRYPTION_KEYS", text) for text in previous)]
        return cls(_prefix(current), {_prefix(key): AESGCM(key) for key in keys})

    def seal(self, secret: bytes, holder: str) -> bytes:
        """Seal a secret of one holder, e.g. `webhook:{id}`: under another name it does not open."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self.prefix + nonce + self._keys[self.prefix].encrypt(nonce, secret, holder.encode())

    def open(self, sealed: bytes, holder: str) -> bytes:
        """Return the secret; `CannotOpen` when no key does, or the holder is another."""
        key = self._keys.get(sealed[:_PREFIX_BYTES])
        if key is None:
            raise CannotOpen("it is sealed with a key that is neither ENCRYPTION_KEY nor a previous one")
        rest = sealed[_PREFIX_BYTES:]
        try:
            return key.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], holder.encode())
        except (InvalidTag, ValueError) as error:
            raise CannotOpen("it was changed, or sealed for something else") from error
