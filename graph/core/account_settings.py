"""Settings of what is demanded of accounts and sessions; `graph.core.settings.Settings` is made of them too."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class AccountSettings(BaseSettings):
    """Of second factors, of how long a log-in lasts, and of what is written down of refusals."""

    require_second_factor: Literal["off", "administrators", "everybody"] = Field(
        "off",
        description="Who must have a second factor: without one they can log in, set it up, and do nothing else; nor "
        "can their API tokens. Sessions by single sign-on are exempt: which factors it takes is the provider's policy.",
    )

    session_max_days: int = Field(
        30,
        ge=1,
        le=365,
        description="A log-in ends so many days after it began, however much it is used: then the password, or the "
        "provider, is asked again.",
    )

    audit_refusals_per_minute: int = Field(
        300,
        ge=0,
        le=100_000,
        description="Refusals (denied access, failed log-ins, refused tokens) that an API process writes into the "
        "audit log one by one in a minute, a tenth of them from one address; it counts the rest.",
    )

    def demands_second_factor(self, platform_role: str) -> bool:
        """Tell whether somebody of this platform role must have a second factor."""
        return self.require_second_factor == "everybody" or (
            self.require_second_factor == "administrators" and platform_role == "ADMIN"
        )
