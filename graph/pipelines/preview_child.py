"""One preview in a process of its own: `python -m graph.pipelines.preview_child ROWS`; see `engine_child`."""

from __future__ import annotations

import sys

from graph.pipelines.engine_child import answer


def preview(request: str) -> str:
    """Run one preview; the engine is loaded when the limits hold."""
    import engine

    return engine.preview(request, int(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(answer(preview))
