"""Checks specifications in a process of its own, `python -m graph.pipelines.check_child`, until its input ends.

Each line of standard input is `[spec, schemas]`, two JSON texts (`null` for no schemas); each line of standard output
the engine's list of problems.

Architecture invariant: imports nothing of the API, so that it starts in the time that the engine takes to load.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from graph.pipelines.child_limits import confine


def main() -> int:
    """Answer until the API hangs up; whatever a library prints goes to standard error."""
    if not confine():
        return 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the API decides
    from engine import _engine

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        # an unexpected exception ends the process: after a panic nothing in it is trusted
        answers.write(_engine.validate_pipeline(*json.loads(line)) + "\n")
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
