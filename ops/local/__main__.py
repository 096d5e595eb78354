"""`python -m ops.local --data-dir D --ready-file F`: PostgreSQL, Valkey and SeaweedFS alone, for tests and development.

`D/run/environment.json` holds the settings for every other part.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ops.local.errors import StackError
from ops.local.stack import Options, Stack


def main() -> int:
    """Run until SIGTERM; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ops.local", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--ready-file", type=Path)
    options = parser.parse_args()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    stack = Stack(Options(options.data_dir, 0, 0, ready_file=options.ready_file, services=False), say)
    try:
        return stack.run()
    except StackError as error:
        say(f"error[{error.code}]: {error.message}\nhint: {error.hint}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
