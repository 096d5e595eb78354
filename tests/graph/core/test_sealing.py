"""Secrets at rest: what seals, opens; nothing else does."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.core.errors import ConfigurationError
from graph.core.sealing import CannotOpen, Sealer, generate_encryption_key
from graph.core.settings import Settings

KEYS = [generate_encryption_key() for _ in range(3)]


def sealer(current: str, *previous: str) -> Sealer:
    values = {"encryption_key": current, "previous_encryption_keys": ",".join(previous)}
    return Sealer.from_settings(Settings.model_validate(values))


@given(st.binary(max_size=100), st.text(max_size=20))
def test_what_is_sealed_opens(secret: bytes, holder: str) -> None:
    box = sealer(KEYS[0])
    sealed = box.seal(secret, holder)
    assert box.open(sealed, holder) == secret
    assert sealed.startswith(box.prefix)
    assert len(secret) < 8 or secret not in sealed
    assert sealed != box.seal(secret, holder)


@given(st.data())
def test_what_was_changed_does_not_open(data: st.DataObject) -> None:
    box = sealer(KEYS[0])
    sealed = bytearray(box.seal(b"a secret", "webhook:1"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CannotOpen):
        box.open(bytes(sealed), "webhook:1")
    with pytest.raises(CannotOpen):
        box.open(bytes(sealed[:place]), "webhook:1")


def test_a_row_does_not_open_with_the_secret_of_another() -> None:
    box = sealer(KEYS[0])
    with pytest.raises(CannotOpen, match="for something else"):
        box.open(box.seal(b"a secret", "webhook:1"), "webhook:2")


def test_keys_change_over() -> None:
    old = sealer(KEYS[0]).seal(b"a secret", "webhook:1")
    both = sealer(KEYS[1], KEYS[2], KEYS[0])
    assert both.open(old, "webhook:1") == b"a secret"
    new = both.seal(both.open(old, "webhook:1"), "webhook:1")
    after = sealer(KEYS[1])
    assert after.open(new, "webhook:1") == b"a secret"
    with pytest.raises(CannotOpen, match="neither"):
        after.open(old, "webhook:1")


@pytest.mark.parametrize("value", ["x", "", base64.b64encode(b"x" * 31).decode(), KEYS[0][:-1], "ä" * 44])
def test_keys_that_are_none_are_refused_at_the_start(value: str) -> None:
    with pytest.raises(ConfigurationError, match="ENCRYPTION_KEY"):
        sealer(value)
    if value:
        with pytest.raises(ConfigurationError, match="PREVIOUS_ENCRYPTION_KEYS"):
            sealer(KEYS[0], value)


def test_no_key_is_printed() -> None:
    settings = Settings.model_validate({"encryption_key": KEYS[0], "previous_encryption_keys": KEYS[1]})
    box = Sealer.from_settings(settings)
    for key in KEYS[:2]:
        assert key not in f"{settings!r}{box!r}"
