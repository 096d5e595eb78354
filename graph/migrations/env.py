"""Alembic environment: runs on the connection that `graph.core.migrate` hands over."""

from __future__ import annotations

from alembic import context

from graph.models import Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("run migrations with `karyaksham migrate`")

context.configure(
    connection=connection, target_metadata=Base.metadata, compare_type=True, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
