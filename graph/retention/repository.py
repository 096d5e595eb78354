"""Queries of retention, over all workspaces, in `Database.system()`. Time is PostgreSQL's.

Each takes a batch of what is past its time and skips rows that others hold. A row that expired was made before: keys
are UUIDv7, so the primary key says where to stop reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    Text,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from graph.jobs.state import TERMINAL
from graph.models import ApiToken, Dataset, Job, JobAttempt, JobEvent, RetentionPolicy, Row, Session, Workspace
from graph.retention.policy import KINDS, Kind

_OWN = {kind: getattr(RetentionPolicy, f"{kind}_days") for kind in KINDS}


def _days(kind: Kind, default: int) -> ColumnElement[int]:
    """Days of the workspace joined in, the installation's where it has none of its own."""
    return func.coalesce(_OWN[kind], default)


def _past(moment: SQLColumnExpression[datetime], kind: Kind, default: int) -> ColumnElement[bool]:
    """Whether a row of that time is past its days; never where they are 0."""
    days = _days(kind, default)
    return and_(days > 0, moment < func.now() - func.make_interval(0, 0, 0, days))


def _made_before(days: int) -> UUID:
    """The lowest key of so many days ago, less an hour for clocks that differ."""
    moment = datetime.now(UTC) - timedelta(days=days) + timedelta(hours=1)
    return UUID(int=max(int(moment.timestamp() * 1000), 0) << 80)


async def shortest(session: AsyncSession, kind: Kind, default: int) -> int:
    """Return the fewest days that any workspace keeps this kind, 0 when all keep it for ever."""
    own = await session.scalar(select(func.min(_OWN[kind])).where(_OWN[kind] > 0))
    return min((days for days in (own, default) if days), default=0)


async def workspace_exists(session: AsyncSession, workspace_id: UUID) -> bool:
    """Tell whether there is such a workspace."""
    return bool(await session.scalar(select(exists().where(Workspace.id == workspace_id))))


async def policy_of(session: AsyncSession, workspace_id: UUID) -> RetentionPolicy | None:
    """Return what a workspace has of its own."""
    query = select(RetentionPolicy).where(RetentionPolicy.workspace_id == workspace_id)
    return (await session.scalars(query)).one_or_none()


async def set_policy(session: AsyncSession, workspace_id: UUID, days: dict[str, int | None]) -> RetentionPolicy:
    """Write what a workspace has of its own (`results_days` and so on), all of it."""
    statement = (
        insert(RetentionPolicy)
        .values(workspace_id=workspace_id, **days)
        .on_conflict_do_update(index_elements=["workspace_id"], set_=days)
        .returning(RetentionPolicy)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one()


async def old_results(session: AsyncSession, default: int, shortest_days: int, limit: int) -> Sequence[Job]:
    """Return jobs, locked, whose result is past its time."""
    query = (
        select(Job)
        .outerjoin(RetentionPolicy, RetentionPolicy.workspace_id == Job.workspace_id)
        .where(
            Job.id < _made_before(shortest_days),
            Job.status == "SUCCEEDED",
            Job.result_expired_at.is_(None),
            Job.deleted_at.is_(None),
            _past(func.coalesce(Job.finished_at, Job.created_at), "results", default),
        )
        .order_by(Job.id)
        .limit(limit)
        .with_for_update(of=Job, skip_locked=True)
    )
    return (await session.scalars(query)).all()


async def old_logs(session: AsyncSession, default: int, shortest_days: int, limit: int) -> Sequence[Job]:
    """Return ended jobs, locked, whose kept log is past its time."""
    query = (
        select(Job)
        .outerjoin(RetentionPolicy, RetentionPolicy.workspace_id == Job.workspace_id)
        .where(
            Job.id < _made_before(shortest_days),
            Job.log_key.is_not(None),
            Job.status.in_(sorted(TERMINAL)),
            Job.deleted_at.is_(None),
            _past(func.coalesce(Job.finished_at, Job.created_at), "logs", default),
        )
        .order_by(Job.id)
        .limit(limit)
        .with_for_update(of=Job, skip_locked=True)
    )
    return (await session.scalars(query)).all()


async def old_rejects(session: AsyncSession, default: int, shortest_days: int, limit: int) -> Sequence[Job]:
    """Return jobs, locked, whose result is kept and whose rejected rows are past their time."""
    query = (
        select(Job)
        .outerjoin(RetentionPolicy, RetentionPolicy.workspace_id == Job.workspace_id)
        .where(
            Job.id < _made_before(shortest_days),
            Job.status == "SUCCEEDED",
            Job.result_expired_at.is_(None),
            Job.deleted_at.is_(None),
            Job.rejects_expired_at.is_(None),
            Job.result["rejects"]["key"].as_string().is_not(None),
            _past(func.coalesce(Job.finished_at, Job.created_at), "rejects", default),
        )
        .order_by(Job.id)
        .limit(limit)
        .with_for_update(of=Job, skip_locked=True)
    )
    return (await session.scalars(query)).all()


async def expired_attempts(session: AsyncSession, limit: int) -> Sequence[JobAttempt]:
    """Return published attempts whose result has expired and whose objects may still be in storage."""
    query = (
        select(JobAttempt)
        .join(Job, Job.id == JobAttempt.job_id)
        .where(
            Job.result_expired_at.is_not(None),
            JobAttempt.outcome == "SUCCEEDED",
            JobAttempt.cleaned_at.is_(None),
        )
        .order_by(JobAttempt.id)
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def old_datasets(session: AsyncSession, default: int, shortest_days: int, limit: int) -> Sequence[Dataset]:
    """Return data sets, locked, that are past their time and that no unfinished job reads."""
    reads = literal('[{"datasetId": "').concat(Dataset.id.cast(Text)).concat('"}]').cast(JSONB)
    query = (
        select(Dataset)
        .outerjoin(RetentionPolicy, RetentionPolicy.workspace_id == Dataset.workspace_id)
        .where(
            Dataset.id < _made_before(shortest_days),
            Dataset.deleted_at.is_(None),
            Dataset.status != "INSPECTING",
            _past(Dataset.created_at, "datasets", default),
            ~exists().where(Job.status.in_(("PENDING", "RUNNING")), Job.inputs.op("@>")(reads)),
        )
        .order_by(Dataset.id)
        .limit(limit)
        .with_for_update(of=Dataset, skip_locked=True)
    )
    return (await session.scalars(query)).all()


async def delete_events(session: AsyncSession, default: int, shortest_days: int, limit: int) -> int:
    """Remove events of ended jobs that are past their time; returns how many."""
    old = (
        select(JobEvent.id)
        .join(Job, Job.id == JobEvent.job_id)
        .outerjoin(RetentionPolicy, RetentionPolicy.workspace_id == JobEvent.workspace_id)
        .where(
            JobEvent.id < _made_before(shortest_days),
            Job.status.in_(sorted(TERMINAL)),
            _past(JobEvent.created_at, "events", default),
        )
        .limit(limit)
    )
    return await _remove(session, JobEvent, old)


async def delete_sessions(session: AsyncSession, days: int, limit: int) -> int:
    """Remove log-ins that ended so many days ago; returns how many."""
    before = func.now() - timedelta(days=days)
    old = select(Session.id).where(or_(Session.revoked_at < before, Session.expires_at < before)).limit(limit)
    return await _remove(session, Session, old)


async def delete_tokens(session: AsyncSession, days: int, limit: int) -> int:
    """Remove API tokens that were revoked or ran out so many days ago; returns how many."""
    before = func.now() - timedelta(days=days)
    old = select(ApiToken.id).where(or_(ApiToken.revoked_at < before, ApiToken.expires_at < before)).limit(limit)
    return await _remove(session, ApiToken, old)


async def delete_audit(session: AsyncSession, days: int, limit: int) -> int:
    """Remove rows of the audit log that are so many days old, and at least 30; returns how many."""
    return int(await session.scalar(select(func.expire_audit_log(days, limit))) or 0)


async def mark_cleaned(session: AsyncSession, attempt_ids: Sequence[UUID]) -> None:
    """Note that the objects of these attempts are gone."""
    await session.execute(
        update(JobAttempt)
        .where(JobAttempt.id.in_(attempt_ids))
        .values(cleaned_at=func.now())
        .execution_options(synchronize_session=False)
    )


async def _remove(session: AsyncSession, table: type[Row], old: Select[UUID]) -> int:
    """Remove the rows whose ids a query gives; returns how many."""
    gone = await session.execute(
        delete(table).where(table.id.in_(old)).returning(table.id).execution_options(synchronize_session=False)
    )
    return len(gone.all())
