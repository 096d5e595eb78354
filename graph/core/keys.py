"""Ed25519 keys: one signs, all public ones verify; each is named by its key id (`kid`)."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from graph.core.errors import ConfigurationError
from graph.core.settings import Settings

_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
_HINT = "make one with `openssl genpkey -algorithm ed25519`"


def generate_signing_key() -> str:
    """Return a new private key as PEM, for SIGNING_KEY."""
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def raw_public(key: Ed25519PublicKey) -> bytes:
    """Return the 32 bytes of a public key."""
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def key_id(key: Ed25519PublicKey) -> str:
    """Return the `kid`: 16 characters of the base64url SHA-256 of the raw key."""
    return base64.urlsafe_b64encode(hashlib.sha256(raw_public(key)).digest()).decode()[:16]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The private key that signs (None in parts that only verify) and the public keys by kid."""

    private: Ed25519PrivateKey | None
    public: dict[str, Ed25519PublicKey] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: Settings) -> KeyRing:
        """Read SIGNING_KEY, PREVIOUS_SIGNING_KEYS and VERIFICATION_KEYS."""
        private = None
        public: dict[str, Ed25519PublicKey] = {}
        if settings.signing_key is not None:
            # env files cannot hold newlines everywhere: accept \n written out
            pem = settings.signing_key.get_secret_value().replace("\\n", "\n")
            try:
                loaded = serialization.load_pem_private_key(pem.encode(), password=None)
            except (ValueError, TypeError) as error:
                raise ConfigurationError(f"SIGNING_KEY is no PEM private key: {_HINT}") from error
            if not isinstance(loaded, Ed25519PrivateKey):
                raise ConfigurationError(f"SIGNING_KEY is not an Ed25519 key: {_HINT}")
            private = loaded
            public[key_id(private.public_key())] = private.public_key()
        for name in ("previous_signing_keys", "verification_keys"):
            text = str(getattr(settings, name)).replace("\\n", "\n")
            blocks = _PEM.findall(text)
            if text.strip() and not blocks:
                raise ConfigurationError(f"{name.upper()} holds no PEM public key")
            for block in blocks:
                try:
                    key = serialization.load_pem_public_key(block.encode())
                except ValueError as error:
                    raise ConfigurationError(f"{name.upper()} holds a broken PEM public key") from error
                if not isinstance(key, Ed25519PublicKey):
                    raise ConfigurationError(f"{name.upper()} holds a key that is not Ed25519")
                public[key_id(key)] = key
        return cls(private, public)

    @property
    def kid(self) -> str:
        """Id of the signing key."""
        return key_id(self.signer.public_key())

    @property
    def signer(self) -> Ed25519PrivateKey:
        """The private key; `ConfigurationError` where there is none."""
        if self.private is None:
            raise ConfigurationError(f"SIGNING_KEY is not set: {_HINT} and set SIGNING_KEY or SIGNING_KEY_FILE")
        return self.private

    @property
    def raw(self) -> dict[str, bytes]:
        """Public keys as 32 raw bytes by kid, as the Flight server takes them."""
        return {kid: raw_public(key) for kid, key in self.public.items()}

    def jwks(self) -> dict[str, Any]:
        """JSON Web Key Set of the public keys (RFC 7517, RFC 8037)."""
        return {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "use": "sig",
                    "alg": "EdDSA",
                    "kid": kid,
                    "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
                }
                for kid, raw in self.raw.items()
            ]
        }
