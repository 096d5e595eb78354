"""What the short-lived children that run the engine have in common: limits, one request in, one answer out.

The request is JSON on standard input; the answer is one JSON object on standard output: `{"report": …}` or
`{"error": {code, message, hint}}`.

Architecture invariant: imports nothing of the API, so that a child starts in the time that the engine takes to load.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from graph.pipelines.child_limits import confine


def answer(work: Callable[[str], str]) -> int:
    """Do one piece of work within the limits of a child; exit code 0 whenever an answer was written."""
    if not confine():
        return 1
    try:
        said = {"report": json.loads(work(sys.stdin.read()))}
    except Exception as error:
        code = getattr(error, "code", None)
        if not isinstance(code, str):
            raise
        message = str(getattr(error, "message", error))
        said = {"error": {"code": code, "message": message, "hint": getattr(error, "hint", None)}}
    sys.stdout.write(json.dumps(said))
    return 0
