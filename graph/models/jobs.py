"""jobs: the truth about every job; the row is the outbox of the queue."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Json, JsonList, TenantRow, one_of

JOB_STATUSES: Final = ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")
# what a job's result takes in storage
RESULT_BYTES: Final = (
    "CAST(result ->> 'sizeBytes' AS BIGINT) + COALESCE(CAST(result #>> '{rejects,sizeBytes}' AS BIGINT), 0)"
)


class Job(TenantRow):
    """One job.

    `name` is the pipeline's, or that of the main input for a specification without one; downloads are named after it.
    `lease_token` grows with each claim and fences writes of workers that lost their lease; `sequence` grows with each
    change that subscribers should see. `schedule_id` is what started it, if no person did. `inputs` is
    [{name, datasetId}]; `progress`, `error`, `result` hold the engine's words with keys in camelCase. `workspace_slot`
    is the job's number among those that its workspace runs, below the workspace's limit, while it is RUNNING.
    `memory_limit_bytes` and `timeout_seconds` are what the job asked for, None for the service's defaults. A result
    that expired keeps its description, not its files. The log's lines up to sequence `log_archived` stand in the object
    `log_key` (NDJSON, gzip), those behind it in `job_logs`.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        one_of("status", JOB_STATUSES),
        CheckConstraint("attempt >= 0 AND attempt <= max_attempts", name="attempt"),
        UniqueConstraint("workspace_id", "idempotency_key"),
        Index("ix_jobs_workspace_id_id", "workspace_id", "id", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_jobs_workspace_id_status_id", "workspace_id", "status", "id"),
        CheckConstraint("priority BETWEEN -10 AND 10", name="priority"),
        CheckConstraint("memory_limit_bytes > 0 AND timeout_seconds > 0", name="asked"),
        # the order in which a workspace's jobs are taken: no sort, however long the queue. Nothing behind `id`:
        # PostgreSQL 18 would count with skip scans over it, and sort the queue by another index instead
        Index(
            "ix_jobs_waiting",
            "workspace_id",
            text("priority DESC"),
            "id",
            postgresql_where=text("status = 'PENDING'"),
        ),
        Index("ix_jobs_schedule_id_id", "schedule_id", "id", postgresql_where=text("schedule_id IS NOT NULL")),
        # what makes the limit of running jobs strict: two claims at once never get the same slot
        Index(
            "uq_jobs_workspace_slot",
            "workspace_id",
            "workspace_slot",
            unique=True,
            postgresql_where=text("status = 'RUNNING'"),
        ),
        Index(
            "ix_jobs_result_bytes",
            "workspace_id",
            postgresql_include=["result_bytes"],
            postgresql_where=text("result_bytes IS NOT NULL AND deleted_at IS NULL AND result_expired_at IS NULL"),
        ),
        Index(
            "ix_jobs_result_kept",
            "id",
            postgresql_where=text("status = 'SUCCEEDED' AND result_expired_at IS NULL AND deleted_at IS NULL"),
        ),
        Index(
            "ix_jobs_log_in_rows",
            "finished_at",
            postgresql_where=text(
                "status IN ('SUCCEEDED', 'FAILED', 'CANCELLED') AND log_archived < log_sequence AND deleted_at IS NULL"
            ),
        ),
        Index("ix_jobs_log_kept", "id", postgresql_where=text("log_key IS NOT NULL")),
        Index("ix_jobs_lease_until", "lease_until", postgresql_where=text("status = 'RUNNING'")),
    )

    name: Mapped[str]
    pipeline_version_id: Mapped[UUID | None] = mapped_column(ForeignKey("pipeline_versions.id", ondelete="SET NULL"))
    spec: Mapped[Json]
    inputs: Mapped[JsonList]
    status: Mapped[str] = mapped_column(default="PENDING", server_default="PENDING")
    priority: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    attempt: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    max_attempts: Mapped[int] = mapped_column(default=3, server_default=text("3"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lease_token: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    lease_until: Mapped[datetime | None]
    workspace_slot: Mapped[int | None]
    memory_limit_bytes: Mapped[int | None] = mapped_column(BigInteger)
    timeout_seconds: Mapped[int | None]
    worker_id: Mapped[str | None]
    cancel_requested_at: Mapped[datetime | None]
    idempotency_key: Mapped[str | None]
    sequence: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    log_sequence: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    progress: Mapped[Json | None]
    error: Mapped[Json | None]
    result: Mapped[Json | None]
    schedule_id: Mapped[UUID | None] = mapped_column(ForeignKey("schedules.id", ondelete="SET NULL"))
    result_bytes: Mapped[int | None] = mapped_column(BigInteger, Computed(RESULT_BYTES, persisted=True))
    traceparent: Mapped[str | None]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    result_expired_at: Mapped[datetime | None]
    rejects_expired_at: Mapped[datetime | None]
    log_key: Mapped[str | None]
    log_archived: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
