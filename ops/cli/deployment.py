"""Which deployment a command is about: the one that the environment names, else the stack of a data directory."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from graph.core.settings import Settings, load_settings
from ops.cli.errors import CommandError
from ops.local.datadir import DataDir
from ops.local.stack import Options, Stack


def named() -> bool:
    """Whether the environment names a database."""
    return bool(os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"))


def _log_to_stderr() -> None:
    """Keep stdout for the outcome."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )


@asynccontextmanager
async def backends_of(data: DataDir, *, begin: bool) -> AsyncIterator[Settings]:
    """Yield the settings of a deployment whose backends run.

    Those of a stack that is stopped are started for the time being; with `begin`, in an empty directory too.
    """
    _log_to_stderr()
    if named():
        yield load_settings()
        return
    if data.holder() is not None:
        try:
            os.environ.update(json.loads(data.environment_file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            hint = "Wait until the stack has started; else restart it."
            raise CommandError("SETTINGS", f"{data.environment_file} cannot be read: {error}", hint=hint) from error
        yield load_settings()
        return
    if not begin and not (data.postgres / "PG_VERSION").exists():
        hint = "Set DATABASE_URL and the other settings of the deployment, or name the stack's --data-dir."
        raise CommandError("NO_DEPLOYMENT", f"There is no stack in {data.path}, and no DATABASE_URL.", hint=hint)
    stack = Stack(Options(data.path, services=False), lambda text: print(text, file=sys.stderr, flush=True))
    stack.data.lock()
    try:
        await stack.start()
        os.environ.update(json.loads(stack.data.environment_file.read_text(encoding="utf-8")))
        yield load_settings()
    finally:
        await stack.stop()
        stack.data.unlock()
