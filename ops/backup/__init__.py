"""Backup and restore: the database, and the objects that its rows point to. `docs/backup.md` says what is in a backup.

The database comes first: objects are never changed once a row points to them, so what a snapshot of the rows names is
still in storage afterwards, except what somebody deleted meanwhile. In a restore the objects come first, for then no
row ever points to an object that is not there.
"""
