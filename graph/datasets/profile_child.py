"""One profile in a process of its own: `python -m graph.datasets.profile_child`, the request on standard input.

The answer is one JSON object on standard output: `{"report": …}` or `{"error": {code, message, hint}}`.

Architecture invariant: imports nothing of the API, so that it starts in the time that the engine takes to load.
"""

from __future__ import annotations

import json
import sys

from graph.pipelines.child_limits import confine


def main() -> int:
    """Profile one file; exit code 0 whenever an answer was written."""
    if not confine():
        return 1
    import engine

    try:
        answer = {"report": json.loads(engine.profile(sys.stdin.read()))}
    except Exception as error:
        code = getattr(error, "code", None)
        if not isinstance(code, str):
            raise
        message = str(getattr(error, "message", error))
        answer = {"error": {"code": code, "message": message, "hint": getattr(error, "hint", None)}}
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
