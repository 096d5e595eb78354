"""Fair claims, limits of workspaces, and what a job may ask for: memory and time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# generated, so that it is right for the rows of before too: an UPDATE here would see none, row-level security binds the owner
RESULT_BYTES = (
    "CAST(result ->> 'sizeBytes' AS BIGINT) + COALESCE(CAST(result #>> '{rejects,sizeBytes}' AS BIGINT), 0)"
)


def upgrade() -> None:
    for column in ("max_running_jobs", "max_unfinished_jobs", "max_priority"):
        op.add_column("workspaces", sa.Column(column, sa.Integer(), nullable=True))
    op.add_column("workspaces", sa.Column("max_storage_bytes", sa.BigInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_workspaces_limits"),
        "workspaces",
        "max_running_jobs >= 0 AND max_unfinished_jobs >= 0 AND max_storage_bytes >= 0 "
        "AND max_priority BETWEEN -10 AND 10",
    )

    op.add_column("jobs", sa.Column("workspace_slot", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("memory_limit_bytes", sa.BigInteger(), nullable=True))
    op.add_column("jobs", sa.Column("timeout_seconds", sa.Integer(), nullable=True))
    op.add_column(
        "jobs", sa.Column("result_bytes", sa.BigInteger(), sa.Computed(RESULT_BYTES, persisted=True), nullable=True)
    )
    op.create_check_constraint(op.f("ck_jobs_priority"), "jobs", "priority BETWEEN -10 AND 10")
    op.create_check_constraint(op.f("ck_jobs_asked"), "jobs", "memory_limit_bytes > 0 AND timeout_seconds > 0")

    op.drop_index("ix_jobs_pending", table_name="jobs", postgresql_where=sa.text("status = 'PENDING'"))
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["workspace_id", sa.text("priority DESC"), "next_attempt_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_index(
        "uq_jobs_workspace_slot",
        "jobs",
        ["workspace_id", "workspace_slot"],
        unique=True,
        postgresql_where=sa.text("status = 'RUNNING'"),
    )
    op.create_index(
        "ix_jobs_result_bytes",
        "jobs",
        ["workspace_id"],
        unique=False,
        postgresql_include=["result_bytes"],
        postgresql_where=sa.text("result_bytes IS NOT NULL AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_job_attempts_workspace_id_started_at", "job_attempts", ["workspace_id", "started_at"], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_job_attempts_workspace_id_started_at", table_name="job_attempts")
    op.drop_index("ix_jobs_result_bytes", table_name="jobs")
    op.drop_index("uq_jobs_workspace_slot", table_name="jobs", postgresql_where=sa.text("status = 'RUNNING'"))
    op.drop_index("ix_jobs_waiting", table_name="jobs", postgresql_where=sa.text("status = 'PENDING'"))
    op.create_index(
        "ix_jobs_pending",
        "jobs",
        [sa.text("priority DESC"), "next_attempt_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.drop_constraint(op.f("ck_jobs_asked"), "jobs")
    op.drop_constraint(op.f("ck_jobs_priority"), "jobs")
    for column in ("result_bytes", "timeout_seconds", "memory_limit_bytes", "workspace_slot"):
        op.drop_column("jobs", column)
    op.drop_constraint(op.f("ck_workspaces_limits"), "workspaces")
    for column in ("max_storage_bytes", "max_priority", "max_unfinished_jobs", "max_running_jobs"):
        op.drop_column("workspaces", column)
