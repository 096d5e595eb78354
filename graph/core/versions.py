"""The version of the installed service."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def service_version() -> str:
    """Return it; `0+source` when run from a checkout that was never installed."""
    try:
        return version("karyaksham")
    except PackageNotFoundError:
        return "0+source"
