"""One profile in a process of its own: `python -m graph.datasets.profile_child`; see `graph.pipelines.engine_child`."""

from __future__ import annotations

import sys

from graph.pipelines.engine_child import answer


def profile(request: str) -> str:
    """Profile one file; the engine is loaded when the limits hold."""
    import engine

    return engine.profile(request)


if __name__ == "__main__":
    sys.exit(answer(profile))
