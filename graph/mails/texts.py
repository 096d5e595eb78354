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
        "Hello,\n\nthe password of your account at {service} was changed by a link that was mailed to you, and "
        "all its\nsessions were ended. API tokens still work: revoke those you do not know on the page Account.\n\n"
        "If it was not you, somebody reads your mail: secure the mailbox first, then ask for a new password at\n"
        "{service}/forgot-password and tell your administrator.\n",
        timedelta(days=2),
    ),
}
