"""Alembic migrations; run by `graph.core.migrate.migrate` as the role that owns the tables."""
