"""`karyaksham api`, `worker`, `flight` and `migrate`: one part, settings from the environment."""

from __future__ import annotations

import argparse
import sys

from ops.cli.backends import unreachable, wait_for


def api(_: argparse.Namespace) -> int:
    """Serve the API until SIGTERM. It starts without its backends too, since /readyz must say what is missing."""
    from graph.core.memory import leave_out_rich

    leave_out_rich()
    from graph.app import run
    from graph.core.settings import get_settings

    settings = get_settings()
    for error in unreachable(settings, ("DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL")):
        print(f"warning[{error.code}]: {error.message}\nhint: {error.hint}", file=sys.stderr, flush=True)
    run(settings)
    return 0


def worker(options: argparse.Namespace) -> int:
    """Work until SIGTERM."""
    from graph.core.settings import get_settings

    settings = get_settings()
    wait_for(settings, ("DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL"), options.wait)
    from workers.main import run

    return run(settings)


def flight(_: argparse.Namespace) -> int:
    """Serve Arrow Flight until SIGTERM. Tickets are checked without any backend, so it waits for none."""
    from flight import serve
    from graph.core.settings import get_settings

    serve(get_settings())
    return 0


def migrate(options: argparse.Namespace) -> int:
    """Bring the database up to date."""
    from graph.core.settings import get_settings

    settings = get_settings()
    wait_for(settings, ("MIGRATION_DATABASE_URL",), options.wait)
    from graph.core import migrate as migrations
    from graph.core import telemetry

    telemetry.configure(settings, "migrate")
    migrations.migrate(settings, patience=options.patience)
    return 0
