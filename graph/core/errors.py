"""The errors of the domain: each with a stable code, a sentence for people, and the path of the field at fault.

Two families. A `DomainError` is an answer: resolvers return it as a member of the mutation's result union. A
`TopLevelError` is not an answer to the question asked (nobody is logged in, a limit is reached, a part of the service
is down): it leaves as a top-level GraphQL error with `extensions.code`. Every other exception is a bug and is masked.
"""

from __future__ import annotations

from collections.abc import Sequence


class DomainError(Exception):
    """An expected refusal.

    `code` is stable, in UPPER_SNAKE_CASE; `message` says what is wrong and how to mend it; `path` names the field of
    the input at fault, as camelCase parts (`["spec", "steps", "0", "filter"]`), empty when no field is.
    """

    code: str = "INVALID_INPUT"

    def __init__(self, message: str, *, code: str | None = None, path: Sequence[str | int] = ()) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.message = message
        self.path: list[str] = [str(part) for part in path]


class InvalidInput(DomainError):
    """A value of the input cannot be used."""

    code = "INVALID_INPUT"


class NotFound(DomainError):
    """What was named does not exist, or the caller may not see it: the two look the same."""

    code = "NOT_FOUND"

    @classmethod
    def of(cls, what: str, *, path: Sequence[str | int] = ("id",)) -> NotFound:
        """`NotFound.of("job")`: the usual sentence."""
        return cls(f"There is no such {what} in this workspace.", path=path)


class Conflict(DomainError):
    """The state of the thing does not allow the action (a finished job cannot be cancelled)."""

    code = "CONFLICT"


class Forbidden(DomainError):
    """The caller sees the thing but their role or token scope does not allow the action."""

    code = "FORBIDDEN"


class TopLevelError(DomainError):
    """Leaves as a top-level GraphQL error with `extensions.code`, never inside a result union."""


class NotAuthenticated(TopLevelError):
    """No credentials, or credentials that are expired, foreign, revoked or broken."""

    code = "UNAUTHENTICATED"

    def __init__(self, message: str = "Log in first: send a valid access token or API token as Bearer.") -> None:
        super().__init__(message)


class RateLimited(TopLevelError):
    """Too many attempts; `retry_after` is in seconds."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServiceUnavailable(TopLevelError):
    """A part that the request needs (PostgreSQL, Redis, S3) does not answer now; the request may be repeated."""

    code = "SERVICE_UNAVAILABLE"

    def __init__(self, part: str, message: str | None = None) -> None:
        super().__init__(message or f"{part} does not answer at the moment. Try again in a few seconds.")
        self.part = part


class ConfigurationError(Exception):
    """A setting is missing or unusable; the message names the variable and how to set it."""
