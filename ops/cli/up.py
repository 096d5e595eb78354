"""`karyaksham up`."""

from __future__ import annotations

import argparse
import sys

from ops.local.datadir import default_data_dir
from ops.local.stack import Options, Stack


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(options: argparse.Namespace) -> int:
    """Run the stack until it is told to stop."""
    wanted = Options(
        data_dir=options.data_dir or default_data_dir(),
        port=options.port,
        flight_port=options.flight_port,
        workers=options.workers,
        ready_file=options.ready_file,
    )
    return Stack(wanted, _say).run()
