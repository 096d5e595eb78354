"""`python -m flight`: the Arrow Flight server alone, settings from the environment."""

from __future__ import annotations

import sys

from flight import serve
from graph.core.errors import ConfigurationError
from graph.core.settings import load_settings


def main() -> int:
    """Serve; return the exit code: 0 after a signal, 2 for settings that cannot be used."""
    try:
        serve(load_settings())
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
