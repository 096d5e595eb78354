"""Settings of mail, and of what it is for: verified addresses and new passwords. A part of `graph.core.settings`."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


class MailSettings(BaseSettings):
    """How workers send mail."""

    smtp_url: SecretStr | None = Field(
        None,
        description="Mail server: smtps://user:password@host:465 (TLS), smtp://user:password@host:587 (STARTTLS, "
        "demanded) or smtp+plain://host:25 (no TLS, for a relay on the same machine); special characters "
        "percent-encoded. Without it workers print mails to their log.",
    )
    smtp_ca: str | None = Field(
        None, description="Certificates, in PEM, of those who sign the mail server's; default: the system's."
    )
    mail_from: str | None = Field(
        None, description="Sender of mails, `Name <address>` or an address; needed with SMTP_URL."
    )
    mail_rate_limit: int = Field(
        3, ge=1, description="Mails that may be asked for to one address in LOGIN_RATE_SECONDS."
    )
    require_verified_email: bool = Field(
        False,
        description="Whether people must verify their e-mail address before they see or do anything in a workspace.",
    )

    @field_validator("smtp_url", "smtp_ca", "mail_from", mode="before")
    @classmethod
    def _empty_mail_setting_is_unset(cls, value: Any) -> Any:
        """`NAME=` in an env file means the default."""
        return None if value == "" else value
