"""The embedded stack: PostgreSQL, Valkey and SeaweedFS from wheels, beside API, Flight and workers.

One supervisor (`supervisor.py`) starts the parts that `stack.py` lays out, restarts what crashes, stops all in order.
Everything lives in one data directory (`datadir.py`); every file here works with the standard library alone, so that
the supervisor starts at once and stays small.
"""
