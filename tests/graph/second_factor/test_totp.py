"""Codes by the test vectors of RFC 4226 and RFC 6238."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from graph.second_factor import totp

SECRET = b"12345678901234567890"


# RFC 4226, appendix D
@pytest.mark.parametrize(
    ("step", "code"),
    enumerate(["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]),
)
def test_hotp(step: int, code: str) -> None:
    assert totp.code_at(SECRET, step) == code


# RFC 6238, appendix B, the rows of SHA-1
@pytest.mark.parametrize(
    ("time", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_totp(time: int, code: str) -> None:
    assert totp.code_at(SECRET, time // 30, digits=8) == code
    assert totp.matching_step(SECRET, code[2:], time) == time // 30


def test_a_step_before_and_after_are_taken_and_no_other() -> None:
    now = 1_900_000_015.0
    step = int(now // 30)
    around = {each: totp.matching_step(SECRET, totp.code_at(SECRET, step + each), now) for each in range(-3, 4)}
    assert around == {-3: None, -2: None, -1: step - 1, 0: step, 1: step + 1, 2: None, 3: None}
    for wrong in ("", "0", "abcdef", "１２３４５６", totp.code_at(SECRET, step)[:5]):
        assert totp.matching_step(SECRET, wrong, now) is None


def test_the_uri_says_what_an_app_needs() -> None:
    uri = urlsplit(totp.uri(SECRET, "ann+x@example.org"))
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", "/Karyaksham:ann+x@example.org")
    assert parse_qs(uri.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "issuer": ["Karyaksham"],
        "digits": ["6"],
        "period": ["30"],
    }


def test_secrets_are_new_and_long() -> None:
    assert len({totp.new_secret() for _ in range(10)}) == 10
    assert len(totp.new_secret()) == 20
