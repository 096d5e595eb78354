"""datasets: files in storage with what inspection found out about them."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Json, JsonList, TenantRow, one_of

DATASET_STATUSES: Final = ("INSPECTING", "READY", "FAILED")


class Dataset(TenantRow):
    """One data set: a source file (`s3_key`), or several (`files`: key, name, sizeBytes, rows).

    `etag` is the storage's, of the source file when it was complete; None for those of before it was kept. One made of
    a job's result points to the job's own object, which stays until neither needs it; `source_job_id` is None once the
    job is gone, `origin` still says what it was: {jobId, jobName, file, partition: [{column, value}]}.
    """

    __tablename__ = "datasets"
    __table_args__ = (
        one_of("status", DATASET_STATUSES),
        Index("ix_datasets_workspace_id_id", "workspace_id", "id", postgresql_where=text("deleted_at IS NULL")),
        # is there a row for this object?
        Index("ix_datasets_s3_key", "s3_key"),
        # what was made of this job's result?
        Index("ix_datasets_source_job_id", "source_job_id", postgresql_where=text("source_job_id IS NOT NULL")),
    )

    name: Mapped[str]
    file_name: Mapped[str]
    s3_key: Mapped[str]
    files: Mapped[JsonList | None]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    etag: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="INSPECTING", server_default="INSPECTING")
    format: Mapped[str | None]
    compression: Mapped[str | None]
    encoding: Mapped[str | None]
    dialect: Mapped[Json | None]
    schema: Mapped[JsonList | None]
    row_estimate: Mapped[int | None] = mapped_column(BigInteger)
    rows_exact: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    preview: Mapped[Json | None]
    warnings: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[Json | None]
    inspected_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    source_job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    origin: Mapped[Json | None]
