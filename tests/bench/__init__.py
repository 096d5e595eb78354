"""Figures of the service on the embedded stack; `python -m tests.bench --help` (see README.md here)."""
