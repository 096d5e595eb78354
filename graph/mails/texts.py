"""What mails say. Plain text: nothing to load, nothing to click but the one link.

Nothing that people typed stands in them, names neither: anybody can register anybody's address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

VERIFY_EMAIL: Final = "VERIFY_EMAIL"
RESET_PASSWORD: Final = "RESET_PASSWORD"  # noqa: S105  # a kind of mail
PASSWORD_CHANGED: Final = "PASSWORD_CHANGED"  # noqa: S105

SECOND_FACTOR_ON: Final = "SECOND_FACTOR_ON"
SECOND_FACTOR_OFF: Final = "SECOND_FACTOR_OFF"
SECOND_FACTOR_RESET: Final = "SECOND_FACTOR_RESET"
RECOVERY_CODE_USED: Final = "RECOVERY_CODE_USED"
_NOT_YOU: Final = (
    "If it was not you, choose a new password at\n{service}/forgot-password and tell your administrator.\n"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of mail: `link` is the page that its token opens for `life`; it is not sent later than `patience`."""

    subject: str
    text: str
    patience: timedelta
    link: str | None = None
    life: timedelta = timedelta()


KINDS: Final[Mapping[str, Kind]] = {
    VERIFY_EMAIL: Kind(
        "Verify your e-mail address",
        "Hello,\n\nthis address was given for an account at {service}. To say that it is yours, open\n\n"
        "{link}\n\nwithin 24 hours. If you made no account there, do nothing.\n",
        timedelta(hours=24),
        "verify-email",
        timedelta(hours=24),
    ),
    RESET_PASSWORD: Kind(
        "Choose a new password",
        "Hello,\n\nsomebody asked for a new password for your account at {service}. To choose one, open\n\n"
        "{link}\n\nwithin an hour. If it was not you, do nothing: your password stays as it is.\n",
        timedelta(hours=1),
        "new-password",
        timedelta(hours=1),
    ),
    PASSWORD_CHANGED: Kind(
        "Your password was changed",
        "Hello,\n\nthe password of your account at {service} was changed, and all other sessions were ended.\n"
        "API tokens still work: revoke those you do not know on the page Account.\n\nIf it was not you, somebody knows "
        "your password or reads your mail: secure the mailbox first,\nthen ask for a new password at "
        "{service}/forgot-password and tell your administrator.\n",
        timedelta(days=2),
    ),
    SECOND_FACTOR_ON: Kind(
        "Log-in needs a code from now on",
        "Hello,\n\na second factor was set up for your account at {service}: logging in needs a code of an\n"
        "authenticator app too. All other sessions were ended.\n\n" + _NOT_YOU,
        timedelta(days=2),
    ),
    SECOND_FACTOR_OFF: Kind(
        "Log-in needs no code any more",
        "Hello,\n\nthe second factor of your account at {service} was turned off: the password alone logs in.\n\n"
        + _NOT_YOU,
        timedelta(days=2),
    ),
    SECOND_FACTOR_RESET: Kind(
        "An administrator turned your second factor off",
        "Hello,\n\nan administrator turned the second factor of your account at {service} off, and ended all its\n"
        "sessions. Log in with your password, and set it up anew on the page Account.\n\n" + _NOT_YOU,
        timedelta(days=2),
    ),
    RECOVERY_CODE_USED: Kind(
        "A recovery code was used",
        "Hello,\n\na recovery code of your account at {service} was used in place of a code of your authenticator\n"
        "app. The page Account tells how many are left, and makes new ones.\n\n" + _NOT_YOU,
        timedelta(days=2),
    ),
}
