"""Accounts: registration, log-in, sessions, API tokens, and who a request comes from."""
