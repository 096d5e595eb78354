"""GraphQL input of a pipeline → exactly the JSON that the engine, the store and the command line use.

Field names come from the GraphQL names (which are the JSON names), enum members from their values. What the client
left out is left out; an explicit null means the same, since the specification knows no null that differs from absence.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from enum import Enum
from typing import Any

from strawberry import UNSET
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case


def spec_to_json(value: object) -> dict[str, Any]:
    """Return the JSON object of a `PipelineSpecInput` (or of any input type of it)."""
    converted = _convert(value)
    if not isinstance(converted, dict):
        raise TypeError(f"not an input type: {type(value).__name__}")
    return converted


def _convert(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        definition = get_object_definition(value, strict=True)
        out = {}
        for field in definition.fields:
            member = getattr(value, field.python_name)
            if member is not UNSET and member is not None:
                out[field.graphql_name or to_camel_case(field.python_name)] = _convert(member)
        return out
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list):
        return [_convert(item) for item in value]
    return value
