"""What the service tells about something that it did by itself."""

from __future__ import annotations

from typing import Any

import strawberry


@strawberry.type(description="Why the service did something by itself.")
class Notice:
    """A code for programs and a sentence for people."""

    code: str
    message: str

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> Notice | None:
        """Make it of {code, message}."""
        return None if stored is None else cls(code=stored["code"], message=stored["message"])
