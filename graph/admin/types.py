"""GraphQL types of the administrators' page."""

from __future__ import annotations

from datetime import UTC, datetime

import strawberry

from graph.admin.service import STATUSES, Status
from graph.api.scalars import Int64


@strawberry.type(description="Jobs in one status.")
class JobCount:
    """A status and how many jobs have it."""

    status: str
    count: int


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

    @classmethod
    def of(cls, status: Status) -> SystemStatus:
        """Return the type of a reading."""
        figures, machine = status.jobs, status.machine
        return cls(
            at=datetime.fromtimestamp(status.at, UTC),
            jobs=[JobCount(status=name, count=figures.by_status.get(name, 0)) for name in STATUSES],
            queue_depth=figures.by_status.get("PENDING", 0),
            queue_oldest_seconds=figures.oldest_pending_seconds,
            workers=None
            if status.workers is None
            else [
                WorkerStatus(
                    id=worker.id,
                    host=worker.host,
                    pid=worker.pid,
                    slots=worker.slots,
                    running=worker.running,
                    alive=worker.alive,
                    seen_at=datetime.fromtimestamp(worker.at, UTC),
                )
                for worker in status.workers
            ],
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
                api_memory_bytes=_int64(machine.api_memory),
            ),
        )


def _int64(value: int | None) -> Int64 | None:
    return None if value is None else Int64(value)
