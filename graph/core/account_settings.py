"""Settings of what is demanded of accounts and sessions; `graph.core.settings.Settings` is made of them too."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class AccountSettings(BaseSettings):
    """Of second factors, and of how long a log-in lasts."""

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

    def demands_second_factor(self, platform_role: str) -> bool:
        """Tell whether somebody of this platform role must have a second factor."""
        return self.require_second_factor == "everybody" or (
            self.require_second_factor == "administrators" and platform_role == "ADMIN"
        )
