"""Settings from files: `NAME_FILE=/run/secrets/name` stands in for `NAME`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from graph.core.errors import ConfigurationError


class NameFiles(EnvSettingsSource):
    """Reads `NAME_FILE` where `NAME` itself is not set."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Return the text of the file named by `NAME_FILE`, without the newline at its end."""
        path = os.environ.get(f"{field_name.upper()}_FILE")
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError as error:
            raise ConfigurationError(f"{field_name.upper()}_FILE: cannot read {path}: {error.strerror}") from error

    def prepare_field_value(self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool) -> Any:  # noqa: ARG002
        """Files hold plain text; lists are split by the validators."""
        return value
