"""Data sets made of results: where each comes from, also when the job is gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("origin", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_datasets_source_job_id",
            "datasets",
            ["source_job_id"],
            postgresql_where=sa.text("source_job_id IS NOT NULL"),
            postgresql_concurrently=True,
            # a build that broke off is begun anew
            if_not_exists=True,
        )


def downgrade() -> None:
    op.drop_index("ix_datasets_source_job_id", table_name="datasets")
    op.drop_column("datasets", "origin")
