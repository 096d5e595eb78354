"""Settings of what is removed, and when; `graph.core.settings.Settings` is made of them too."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class RetentionSettings(BaseSettings):
    """Of what has an end at all; the rounds of `workers` look at them."""

    retention_results_days: int = Field(
        0, ge=0, description="Results expire after so many days; their jobs stay. 0 keeps them."
    )
    retention_rejects_days: int = Field(0, ge=0, description="Rejected rows expire after so many days. 0 keeps them.")
    retention_datasets_days: int = Field(
        0, ge=0, description="Data sets are deleted after so many days unless a job waits to read them. 0 keeps them."
    )
    retention_logs_days: int = Field(365, ge=0, description="Logs of ended jobs go after so many days. 0 keeps them.")
    retention_events_days: int = Field(
        365, ge=0, description="The history of ended jobs goes after so many days. 0 keeps it."
    )
    retention_sessions_days: int = Field(
        30, ge=0, description="Log-ins and API tokens that ended are forgotten after so many days. 0 keeps them."
    )
    retention_audit_days: int = Field(
        0, ge=0, description="Rows of the audit log go after so many days, never before 30. 0 keeps them."
    )
    orphan_sweep_hours: int = Field(
        24, ge=0, description="How often storage is searched for objects that no row points to; 0 for never."
    )
    orphan_age_hours: int = Field(24, ge=1, description="Younger objects than this are never taken for orphans.")
