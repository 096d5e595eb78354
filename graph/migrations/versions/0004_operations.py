"""What operators need: the audit log by actor and its expiry, retention by workspace, expired results, sweeps, kept logs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WORKSPACE = "NULLIF(current_setting('karyaksham.workspace_id', true), '')::uuid"
# the application may not remove rows of the audit log; this function may, and never young ones
AUDIT_FLOOR_DAYS = 30


def audit_expiry() -> None:
    """SECURITY DEFINER: it runs as the owner of the table, whom FORCE binds too, hence the policies."""
    for verb in ("SELECT", "DELETE"):
        op.execute(
            f"CREATE POLICY expiry_{verb.lower()} ON audit_log FOR {verb} TO CURRENT_USER "
            f"USING (created_at < now() - interval '{AUDIT_FLOOR_DAYS} days')"
        )
    op.execute(
        "CREATE FUNCTION expire_audit_log(days integer, most integer) RETURNS bigint LANGUAGE sql SECURITY DEFINER "
        "SET search_path = public, pg_temp AS $$"
        "WITH gone AS (DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log "
        f"WHERE created_at < now() - make_interval(days => GREATEST(days, {AUDIT_FLOOR_DAYS})) ORDER BY id LIMIT most) "
        "RETURNING 1) SELECT count(*) FROM gone$$"
    )
    op.execute("REVOKE ALL ON FUNCTION expire_audit_log(integer, integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION expire_audit_log(integer, integer) TO karyaksham_system")


def stored_results(condition: str) -> None:
    """Index the sizes of results that are kept; those that expired take no room."""
    op.drop_index("ix_jobs_result_bytes", "jobs")
    op.create_index(
        "ix_jobs_result_bytes",
        "jobs",
        ["workspace_id"],
        postgresql_include=["result_bytes"],
        postgresql_where=sa.text(f"result_bytes IS NOT NULL AND deleted_at IS NULL {condition}".rstrip()),
    )


def upgrade() -> None:
    op.create_index("ix_audit_log_actor_id_id", "audit_log", ["actor_id", "id"])
    audit_expiry()
    op.add_column("jobs", sa.Column("result_expired_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("jobs", sa.Column("rejects_expired_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("jobs", sa.Column("log_key", sa.String(), nullable=True))
    op.add_column("jobs", sa.Column("log_archived", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.create_index(
        "ix_jobs_result_kept",
        "jobs",
        ["id"],
        postgresql_where=sa.text("status = 'SUCCEEDED' AND result_expired_at IS NULL AND deleted_at IS NULL"),
    )
    stored_results("AND result_expired_at IS NULL")
    op.create_index(
        "ix_jobs_log_in_rows",
        "jobs",
        ["finished_at"],
        postgresql_where=sa.text(
            "status IN ('SUCCEEDED', 'FAILED', 'CANCELLED') AND log_archived < log_sequence AND deleted_at IS NULL"
        ),
    )
    op.create_index("ix_jobs_log_kept", "jobs", ["id"], postgresql_where=sa.text("log_key IS NOT NULL"))
    op.add_column("datasets", sa.Column("etag", sa.String(), nullable=True))
    op.create_index("ix_datasets_s3_key", "datasets", ["s3_key"])
    op.create_table(
        "retention_policies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("results_days", sa.Integer(), nullable=True),
        sa.Column("rejects_days", sa.Integer(), nullable=True),
        sa.Column("datasets_days", sa.Integer(), nullable=True),
        sa.Column("logs_days", sa.Integer(), nullable=True),
        sa.Column("events_days", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "LEAST(results_days, rejects_days, datasets_days, logs_days, events_days) >= 0",
            name=op.f("ck_retention_policies_days"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_retention_policies_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_policies")),
        sa.UniqueConstraint("workspace_id", name=op.f("uq_retention_policies_workspace_id")),
    )
    op.create_index(op.f("ix_retention_policies_workspace_id"), "retention_policies", ["workspace_id"])
    op.create_table(
        "sweeps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("cursor", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("found", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("last", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweeps")),
        sa.UniqueConstraint("kind", name=op.f("uq_sweeps_kind")),
    )
    for table in ("retention_policies", "sweeps"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY system ON {table} TO karyaksham_system USING (true) WITH CHECK (true)")
    op.execute(
        f"CREATE POLICY tenant ON retention_policies TO PUBLIC USING (workspace_id = {WORKSPACE}) "
        f"WITH CHECK (workspace_id = {WORKSPACE})"
    )


def downgrade() -> None:
    op.drop_table("sweeps")
    op.drop_table("retention_policies")
    op.drop_index("ix_datasets_s3_key", "datasets")
    op.drop_column("datasets", "etag")
    op.drop_index("ix_jobs_log_kept", "jobs")
    op.drop_index("ix_jobs_log_in_rows", "jobs")
    op.drop_index("ix_jobs_result_kept", "jobs")
    stored_results("")
    for column in ("log_archived", "log_key", "rejects_expired_at", "result_expired_at"):
        op.drop_column("jobs", column)
    op.execute("DROP FUNCTION expire_audit_log(integer, integer)")
    op.execute("DROP POLICY expiry_delete ON audit_log")
    op.execute("DROP POLICY expiry_select ON audit_log")
    op.drop_index("ix_audit_log_actor_id_id", "audit_log")
