"""Waiting jobs are taken by age: one that is tried again keeps its place in the queue.

The versions before and after both claim right with either index; the one that does not fit sorts the queue.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def waiting(*order: str) -> None:
    """Index the jobs that wait in this order, within workspace and priority."""
    condition = sa.text("status = 'PENDING'")
    op.drop_index("ix_jobs_waiting", table_name="jobs", postgresql_where=condition)
    op.create_index(
        "ix_jobs_waiting", "jobs", ["workspace_id", sa.text("priority DESC"), *order], postgresql_where=condition
    )


def upgrade() -> None:
    waiting("id")


def downgrade() -> None:
    waiting("next_attempt_at", "id")
