"""The tables, one file each. Only repositories build queries on them."""

from graph.models.account_tokens import AccountToken
from graph.models.api_tokens import ApiToken
from graph.models.audit_log import AuditLog
from graph.models.base import Base, Row, TenantRow
from graph.models.datasets import Dataset
from graph.models.identities import Identity
from graph.models.job_attempts import JobAttempt
from graph.models.job_events import JobEvent
from graph.models.job_logs import JobLog
from graph.models.jobs import Job
from graph.models.mails import Mail
from graph.models.memberships import Membership
from graph.models.pipeline_versions import PipelineVersion
from graph.models.pipelines import Pipeline
from graph.models.recovery_codes import RecoveryCode
from graph.models.retention_policies import RetentionPolicy
from graph.models.schedules import Schedule
from graph.models.second_factors import SecondFactor
from graph.models.sessions import Session
from graph.models.sweeps import Sweep
from graph.models.uploads import Upload
from graph.models.users import User
from graph.models.webhook_deliveries import WebhookDelivery
from graph.models.webhooks import Webhook
from graph.models.workspaces import Workspace

__all__ = [
    "AccountToken",
    "ApiToken",
    "AuditLog",
    "Base",
    "Dataset",
    "Identity",
    "Job",
    "JobAttempt",
    "JobEvent",
    "JobLog",
    "Mail",
    "Membership",
    "Pipeline",
    "PipelineVersion",
    "RecoveryCode",
    "RetentionPolicy",
    "Row",
    "Schedule",
    "SecondFactor",
    "Session",
    "Sweep",
    "TenantRow",
    "Upload",
    "User",
    "Webhook",
    "WebhookDelivery",
    "Workspace",
]
