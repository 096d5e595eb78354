"""The Compose files as data, with what their variables stand for."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

OPS = Path(__file__).parents[3] / "ops"
COMPOSE = OPS / "compose.yaml"
LOGS = OPS / "compose.logs.yaml"
# the variables that an operator sets
VARIABLES = {"DOMAIN": "karyaksham.example"}


def fill(text: str, variables: dict[str, str]) -> str:
    """Put variables in as Compose does: `${A}`, `${A:-default}`, `${A:?message}`; `$$` is a dollar."""

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name, kind, rest = match["name"], match["kind"], match["rest"]
        if variables.get(name):
            return variables[name]
        assert kind != ":?", f"{name} is not set: {rest}"
        assert kind == ":-", f"{name} has no default and is not set"
        return str(rest)

    return re.sub(r"(?P<dollar>\$\$)|\$\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<rest>[^}]*))?\}", value, text)


def filled(value: Any, variables: dict[str, str]) -> Any:
    match value:
        case dict():
            return {key: filled(each, variables) for key, each in value.items()}
        case list():
            return [filled(each, variables) for each in value]
        case str():
            return fill(value, variables)
        case _:
            return value


@cache
def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load(path: Path = COMPOSE, **variables: str) -> dict[str, Any]:
    # parsed first, as Compose does: an empty variable is an empty text there, not nothing
    loaded: dict[str, Any] = filled(parsed(path), VARIABLES | variables)
    return loaded


def services(path: Path = COMPOSE) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load(path)["services"]
    return found
