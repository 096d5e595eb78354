"""Settings of single sign-on by OpenID Connect; `graph.core.settings.Settings` is made of them too."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

OnOff = Literal["on", "off"]
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def split_list(text: str) -> list[str]:
    """Return the parts of a list separated by commas, trimmed."""
    return [part.strip() for part in text.split(",") if part.strip()]


class OidcSettings(BaseSettings):
    """All of them stand on their own; without OIDC_ISSUER none has an effect."""

    password_login: OnOff = Field(
        "on", description="off: nobody logs in or registers with a password, only by OIDC_ISSUER."
    )
    oidc_issuer: str | None = Field(
        None,
        description="Issuer of an OpenID Connect provider, exactly as its discovery document names it; empty for no "
        "single sign-on. https, but for a provider on this machine.",
    )
    oidc_client_id: str | None = Field(None, description="Our id at the provider.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="Our secret at the provider; empty for a public client, which PKCE alone protects."
    )
    oidc_name: str = Field("SSO", min_length=1, max_length=60, description="What the button says: Continue with …")
    oidc_scopes: str = Field("openid,email,profile", description="Scopes that are asked for, separated by commas.")
    oidc_allowed_domains: str = Field(
        "",
        description="Domains of e-mail addresses, separated by commas, for which accounts are made; the provider must "
        "have verified the address. Empty for any.",
    )
    oidc_create_accounts: OnOff = Field("on", description="off: only accounts that are linked already may sign in.")
    oidc_trust_email: OnOff = Field(
        "off",
        description="on: an account with the address that the provider says it has verified is linked without its "
        "owner's log-in. Whoever rules the provider can then enter any account.",
    )
    oidc_admin_claim: str | None = Field(
        None,
        description="Claim (e.g. groups) that decides at each sign-in whether the account is an administrator's; "
        "empty: the provider decides nothing.",
    )
    oidc_admin_values: str = Field(
        "", description="Values of that claim, separated by commas, any of which makes an administrator."
    )
    oidc_session_hours: int = Field(
        12,
        ge=1,
        le=720,
        description="A session by single sign-on ends so long after it began, whatever its use: then the provider "
        "is asked again.",
    )

    @field_validator("oidc_issuer", "oidc_client_id", "oidc_client_secret", "oidc_admin_claim", mode="before")
    @classmethod
    def _empty_oidc_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer_url(cls, value: str | None) -> str | None:
        """Refuse at the start what could only fail later."""
        if value is not None:
            url = urlsplit(value)
            local = url.scheme == "http" and url.hostname in _LOOPBACK
            if not url.hostname or url.query or url.fragment or not (local or url.scheme == "https"):
                raise ValueError("must look like https://id.example.org or https://id.example.org/realms/name")
        return value

    @field_validator("oidc_scopes")
    @classmethod
    def _openid(cls, value: str) -> str:
        if "openid" not in split_list(value):
            raise ValueError("must contain openid")
        return value

    @model_validator(mode="after")
    def _complete(self) -> OidcSettings:
        if self.oidc_issuer is not None and self.oidc_client_id is None:
            raise ValueError("OIDC_ISSUER needs OIDC_CLIENT_ID")
        if self.oidc_issuer is None and not self.takes_passwords:
            raise ValueError("PASSWORD_LOGIN=off needs OIDC_ISSUER: nobody could log in")
        if self.oidc_admin_claim is not None and not self.admin_values:
            raise ValueError("OIDC_ADMIN_CLAIM needs OIDC_ADMIN_VALUES")
        return self

    @property
    def takes_passwords(self) -> bool:
        """PASSWORD_LOGIN."""
        return self.password_login == "on"  # noqa: S105  # a switch

    @property
    def scopes(self) -> str:
        """OIDC_SCOPES as the protocol has them, separated by blanks."""
        return " ".join(split_list(self.oidc_scopes))

    @property
    def allowed_domains(self) -> frozenset[str]:
        """OIDC_ALLOWED_DOMAINS, in lower case."""
        return frozenset(part.lower().removeprefix("@") for part in split_list(self.oidc_allowed_domains))

    @property
    def admin_values(self) -> frozenset[str]:
        """OIDC_ADMIN_VALUES."""
        return frozenset(split_list(self.oidc_admin_values))
