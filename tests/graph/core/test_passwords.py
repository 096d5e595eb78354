"""Passwords that are guessed first are refused, and the list of common ones is whole."""

from __future__ import annotations

import secrets

import pytest

from graph.core.errors import InvalidInput
from graph.core.passwords import COMMON, DIGEST_BYTES, PASSWORD_MIN, check_password, is_common

EMAIL = "ann.longstocking@kontor.example.org"
# of the 3,000 commonest of twelve characters or more: the first, some in the middle, and the last ones
COMMON_ONES = (
    "123qweasdzxc",
    "1q2w3e4r5t6y",
    "qwertyqwerty",
    "motherfucker",
    "leavemealone",
    "fuckyoupayme",
    "qwerty123456",
)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "PASSWORD_TOO_SHORT"),
        ("x" * 257, "PASSWORD_TOO_LONG"),
        ("aaaaaaaaaaaaaaaa", "PASSWORD_TOO_SIMPLE"),
        (EMAIL, "PASSWORD_TOO_SIMPLE"),
        ("ann.longstocking", "PASSWORD_TOO_SIMPLE"),
        ("Longstocking!1", "PASSWORD_TOO_SIMPLE"),
        ("Ann.Longstocking99", "PASSWORD_TOO_SIMPLE"),
        ("Kontor-2026!!", "PASSWORD_TOO_SIMPLE"),
        ("Karyaksham2026", "PASSWORD_TOO_SIMPLE"),
        ("KARYAKSHAMkaryaksham", "PASSWORD_TOO_SIMPLE"),
        *((password, "PASSWORD_COMMON") for password in COMMON_ONES),
        ("QwertyQwerty", "PASSWORD_COMMON"),
        (" 1q2w3e4r5t6y ", "PASSWORD_COMMON"),
        ("\uff51wertyqwerty", "PASSWORD_COMMON"),
    ],
)
def test_weak_passwords_are_refused_with_a_reason(password: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_password(password, email=EMAIL, path=("newPassword",))
    assert (caught.value.code, caught.value.path) == (code, ["newPassword"])
    assert password not in caught.value.message


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "longstocking rides a spotted horse",
        "we like karyaksham on Tuesdays",
        "пароль из четырёх слов",
        "\ud800 a lone surrogate, twelve",
    ],
)
def test_others_are_taken(password: str) -> None:
    check_password(password, email=EMAIL)


def test_the_list_is_sorted_and_long_enough() -> None:
    packed = COMMON.read_bytes()
    pieces = [packed[start : start + DIGEST_BYTES] for start in range(0, len(packed), DIGEST_BYTES)]
    assert len(packed) % DIGEST_BYTES == 0
    assert pieces == sorted(set(pieces))
    # ASVS 6.2.4 asks for 3,000
    assert len(pieces) > 40_000


def test_random_passwords_are_not_taken_for_common_ones() -> None:
    assert not any(is_common(secrets.token_urlsafe(PASSWORD_MIN)) for _ in range(2000))
