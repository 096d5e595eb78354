"""Schedules: pipelines that run by the clock. Webhooks, and the outbox that a trigger on jobs writes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TENANT_TABLES = ("schedules", "webhooks", "webhook_deliveries")
# after a transaction the setting is '' rather than absent
WORKSPACE = "NULLIF(current_setting('karyaksham.workspace_id', true), '')::uuid"


def secure() -> None:
    """FORCE binds the owner too; without a workspace the comparison is NULL, so no row is seen or written."""
    for table in TENANT_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY system ON {table} TO karyaksham_system USING (true) WITH CHECK (true)")
        op.execute(
            f"CREATE POLICY tenant ON {table} TO PUBLIC USING (workspace_id = {WORKSPACE}) "
            f"WITH CHECK (workspace_id = {WORKSPACE})"
        )


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("pipeline_id", sa.Uuid(), nullable=False),
        sa.Column("cron", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("overlap", sa.String(), server_default="SKIP", nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("disabled_reason", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("next_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_tick_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_outcome", sa.String(), nullable=True),
        sa.Column("last_error", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("overlap IN ('SKIP', 'QUEUE')", name=op.f("ck_schedules_overlap")),
        sa.CheckConstraint(
            "last_outcome IN ('STARTED', 'SKIPPED', 'REFUSED')", name=op.f("ck_schedules_last_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_schedules_created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name=op.f("fk_schedules_pipeline_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_schedules_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index(op.f("ix_schedules_workspace_id"), "schedules", ["workspace_id"], unique=False)
    op.create_index("ix_schedules_workspace_id_id", "schedules", ["workspace_id", "id"], unique=False)
    op.create_index(
        "ix_schedules_due", "schedules", ["next_run_at"], unique=False, postgresql_where=sa.text("enabled")
    )
    op.add_column("jobs", sa.Column("schedule_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_jobs_schedule_id"), "jobs", "schedules", ["schedule_id"], ["id"], ondelete="SET NULL"
    )
    op.create_index(
        "ix_jobs_schedule_id_id",
        "jobs",
        ["schedule_id", "id"],
        unique=False,
        postgresql_where=sa.text("schedule_id IS NOT NULL"),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("disabled_reason", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_webhooks_created_by"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_webhooks_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_workspace_id"), "webhooks", ["workspace_id"], unique=False)
    op.create_index("ix_webhooks_workspace_id_id", "webhooks", ["workspace_id", "id"], unique=False)
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("snapshot", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.String(), server_default="PENDING", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response_ms", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('PENDING', 'DELIVERED', 'FAILED')", name=op.f("ck_webhook_deliveries_status")
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_webhook_deliveries_job_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("fk_webhook_deliveries_webhook_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_webhook_deliveries_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(op.f("ix_webhook_deliveries_workspace_id"), "webhook_deliveries", ["workspace_id"], unique=False)
    op.create_index("ix_webhook_deliveries_webhook_id_id", "webhook_deliveries", ["webhook_id", "id"], unique=False)
    op.create_index("ix_webhook_deliveries_job_id", "webhook_deliveries", ["job_id"], unique=False)
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_index(
        "ix_webhook_deliveries_sent",
        "webhook_deliveries",
        ["webhook_id"],
        unique=False,
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    secure()
    watch_jobs()


def watch_jobs() -> None:
    """However a job ends, the messages about it are written in the same transaction: no caller can forget them.

    The trigger has the rights of whoever ends the job, so row-level security holds in it too.
    """
    op.execute(
        # UUIDv7 (lists are sorted by id); PostgreSQL has a function of its own from 18 on
        """CREATE FUNCTION karyaksham_uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
        SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
            substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
        ), 52, 1), 53, 1), 'hex')::uuid $$"""
    )
    op.execute(
        """CREATE FUNCTION write_webhook_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO webhook_deliveries (id, workspace_id, webhook_id, job_id, event, snapshot)
            SELECT karyaksham_uuid7(), NEW.workspace_id, w.id, NEW.id, 'job.' || lower(NEW.status),
                jsonb_build_object(
                    'id', NEW.id, 'name', NEW.name, 'status', NEW.status, 'attempt', NEW.attempt,
                    'createdAt', NEW.created_at, 'startedAt', NEW.started_at,
                    'finishedAt', coalesce(NEW.finished_at, clock_timestamp()),
                    'pipelineId', (SELECT pipeline_id FROM pipeline_versions WHERE id = NEW.pipeline_version_id),
                    'scheduleId', NEW.schedule_id,
                    'errorCode', NEW.error->'code', 'errorMessage', NEW.error->'message',
                    'rows', NEW.result->'rows', 'sizeBytes', NEW.result->'sizeBytes'
                )
            FROM webhooks w
            WHERE w.workspace_id = NEW.workspace_id AND w.enabled AND 'job.' || lower(NEW.status) = ANY (w.events);
            RETURN NULL;
        END $$"""
    )
    op.execute(
        "CREATE TRIGGER webhooks AFTER UPDATE ON jobs FOR EACH ROW "
        "WHEN (NEW.status IN ('SUCCEEDED', 'FAILED', 'CANCELLED') AND OLD.status <> NEW.status) "
        "EXECUTE FUNCTION write_webhook_deliveries()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER webhooks ON jobs")
    op.execute("DROP FUNCTION write_webhook_deliveries()")
    op.execute("DROP FUNCTION karyaksham_uuid7()")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
    op.drop_index("ix_jobs_schedule_id_id", table_name="jobs")
    op.drop_constraint(op.f("fk_jobs_schedule_id"), "jobs", type_="foreignkey")
    op.drop_column("jobs", "schedule_id")
    op.drop_table("schedules")
