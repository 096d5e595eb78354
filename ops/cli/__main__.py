"""`python -m ops.cli` is `karyaksham`."""

import sys

from ops.cli.main import command

if __name__ == "__main__":
    sys.exit(command())
