"""GraphQL types of the administrators' page."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum

import strawberry

from graph.admin.repository import HistoryPoint, StorageFigures
from graph.admin.service import STATUSES, Status
from graph.api.scalars import Int64
from graph.core.fleet import WorkerState
from graph.core.ids import to_global
from graph.core.machine import Machine


@strawberry.type(description="Jobs in one status.")
class JobCount:
    """A status and how many jobs have it."""

    status: str
    count: int


@strawberry.enum(description="What a worker does: it takes jobs, it takes no more, or it has not been heard of lately.")
class WorkerPhase(Enum):
    """State of a worker."""

    READY = "ready"
    DRAINING = "draining"
    SILENT = "silent"


@strawberry.type(description="The machine that a worker runs on; null where the system does not tell.")
class WorkerMachine:
    """A machine; sizes in bytes. The disk is the one that jobs spill to."""

    cores: int
    load: float | None = strawberry.field(description="Load average of one minute, to be read against `cores`.")
    memory_total_bytes: Int64 | None
    memory_available_bytes: Int64 | None
    disk_total_bytes: Int64
    disk_free_bytes: Int64
    process_memory_bytes: Int64 | None = strawberry.field(description="Of the worker itself, without its children.")

    @classmethod
    def of(cls, machine: Machine) -> WorkerMachine:
        """Make it of a reading."""
        return cls(
            cores=machine.cores,
            load=machine.load,
            memory_total_bytes=_int64(machine.memory_total),
            memory_available_bytes=_int64(machine.memory_available),
            disk_total_bytes=Int64(machine.disk_total),
            disk_free_bytes=Int64(machine.disk_free),
            process_memory_bytes=_int64(machine.process_memory),
        )


@strawberry.type(description="A worker process by its last sign of life.")
class WorkerStatus:
    """A worker."""

    id: str
    host: str
    pid: int
    slots: int = strawberry.field(description="Jobs it runs at once.")
    running: int
    alive: bool = strawberry.field(description="Whether the last sign of life is younger than 15 seconds.")
    seen_at: datetime
    state: WorkerPhase
    version: str | None
    started_at: datetime | None
    job_ids: list[strawberry.ID] = strawberry.field(description="The jobs that it runs.")
    machine: WorkerMachine | None

    @classmethod
    def of(cls, worker: WorkerState) -> WorkerStatus:
        """Make it of a sign of life."""
        return cls(
            id=worker.id,
            host=worker.host,
            pid=worker.pid,
            slots=worker.slots,
            running=worker.running,
            alive=worker.alive,
            seen_at=datetime.fromtimestamp(worker.at, UTC),
            state=WorkerPhase(worker.phase),
            version=worker.version,
            started_at=None if worker.started_at is None else datetime.fromtimestamp(worker.started_at, UTC),
            job_ids=[strawberry.ID(to_global("Job", job)) for job in worker.jobs],
            machine=None if worker.machine is None else WorkerMachine.of(worker.machine),
        )


@strawberry.type(description="Load of the machine that the API runs on; null where the system does not tell.")
class MachineStatus:
    """A machine; sizes in bytes."""

    cores: int
    load: float | None
    memory_total_bytes: Int64 | None
    memory_available_bytes: Int64 | None
    disk_total_bytes: Int64
    disk_free_bytes: Int64
    api_memory_bytes: Int64 | None


@strawberry.type(description="What the last hour did.")
class Throughput:
    """Finished jobs of the last hour."""

    jobs_finished: int
    jobs_failed: int
    error_rate: float = strawberry.field(description="Failed of finished, 0 to 1.")
    bytes_read: Int64
    rows_in: Int64


@strawberry.type(description="What a span of time did.")
class ThroughputPoint:
    """Jobs that ended in it."""

    start: datetime
    seconds: int = strawberry.field(description="Length of the span; the newest is not over yet.")
    jobs_finished: int
    jobs_failed: int
    bytes_read: Int64
    rows_in: Int64

    @classmethod
    def of(cls, point: HistoryPoint, seconds: int) -> ThroughputPoint:
        """Make it of the figures."""
        return cls(
            start=datetime.fromtimestamp(point.start, UTC),
            seconds=seconds,
            jobs_finished=point.finished,
            jobs_failed=point.failed,
            bytes_read=Int64(point.bytes_read),
            rows_in=Int64(point.rows_in),
        )


@strawberry.type(description="What a workspace keeps in storage; uploads under way are not in it.")
class WorkspaceStorage:
    """Bytes that the rows of a workspace point to."""

    workspace_id: strawberry.ID
    name: str
    total_bytes: Int64
    dataset_bytes: Int64
    result_bytes: Int64 = strawberry.field(description="Results and rejected rows.")


@strawberry.type(description="What is kept in storage, summed up at most a minute ago.")
class StorageStatus:
    """Bytes that live rows point to."""

    at: datetime
    total_bytes: Int64
    dataset_bytes: Int64
    result_bytes: Int64
    workspaces: list[WorkspaceStorage] = strawberry.field(description="The hundred that keep most, the greatest first.")

    @classmethod
    def of(cls, figures: StorageFigures) -> StorageStatus:
        """Make it of the sums."""
        return cls(
            at=datetime.fromtimestamp(figures.at, UTC),
            total_bytes=Int64(figures.datasets + figures.results),
            dataset_bytes=Int64(figures.datasets),
            result_bytes=Int64(figures.results),
            workspaces=[
                WorkspaceStorage(
                    workspace_id=strawberry.ID(to_global("Workspace", each.workspace_id)),
                    name=each.name,
                    total_bytes=Int64(each.total),
                    dataset_bytes=Int64(each.datasets),
                    result_bytes=Int64(each.results),
                )
                for each in figures.workspaces
            ],
        )


@strawberry.type(description="The whole system at one time.")
class SystemStatus:
    """All figures of the administrators' page."""

    at: datetime
    jobs: list[JobCount]
    queue_depth: int = strawberry.field(description="Jobs that wait for a worker.")
    queue_oldest_seconds: float | None = strawberry.field(description="How long the oldest of them has waited.")
    workers: list[WorkerStatus] | None = strawberry.field(description="Null when Redis is down.")
    last_hour: Throughput
    machine: MachineStatus
    storage: StorageStatus

    @classmethod
    def of(cls, status: Status) -> SystemStatus:
        """Return the type of a reading."""
        figures, machine = status.jobs, status.machine
        return cls(
            at=datetime.fromtimestamp(status.at, UTC),
            jobs=[JobCount(status=name, count=figures.by_status.get(name, 0)) for name in STATUSES],
            queue_depth=figures.by_status.get("PENDING", 0),
            queue_oldest_seconds=figures.oldest_pending_seconds,
            workers=None if status.workers is None else [WorkerStatus.of(worker) for worker in status.workers],
            last_hour=Throughput(
                jobs_finished=figures.finished,
                jobs_failed=figures.failed,
                error_rate=figures.failed / figures.finished if figures.finished else 0.0,
                bytes_read=Int64(figures.bytes_read),
                rows_in=Int64(figures.rows_in),
            ),
            machine=MachineStatus(
                cores=machine.cores,
                load=machine.load,
                memory_total_bytes=_int64(machine.memory_total),
                memory_available_bytes=_int64(machine.memory_available),
                disk_total_bytes=Int64(machine.disk_total),
                disk_free_bytes=Int64(machine.disk_free),
                api_memory_bytes=_int64(machine.process_memory),
            ),
            storage=StorageStatus.of(status.storage),
        )


def _int64(value: int | None) -> Int64 | None:
    return None if value is None else Int64(value)
