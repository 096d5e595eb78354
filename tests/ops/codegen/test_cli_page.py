"""docs/cli.md holds every command and every argument of the parser."""

from __future__ import annotations

import argparse

import pytest

from ops.cli.main import build_parser
from ops.codegen.cli_page import render


def test_every_command_and_argument_is_there() -> None:
    page = render()
    seen = 0
    for action in build_parser()._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for name, parser in action.choices.items():
            section = page.partition(f"\n## `karyaksham {name}`\n")[2].partition("\n## ")[0]
            assert section, name
            for argument in parser._actions:
                if isinstance(argument, argparse._HelpAction):
                    continue
                seen += 1
                for option in argument.option_strings or [str(argument.metavar or argument.dest)]:
                    assert option in section, (name, option)
    assert seen > 20


def test_the_page_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    page = render()
    monkeypatch.setenv("COLUMNS", "40")
    assert render() == page
