"""Memory that a worker's jobs may have: so much runs at once as fits, whatever the number of slots."""

from __future__ import annotations

from graph.core.machine_memory import LEAST_MEMORY, share_of_machine
from graph.core.settings import Settings
from graph.jobs.claim_repository import Room


class Memory:
    """What is given to jobs and taken back, in bytes."""

    def __init__(self, settings: Settings) -> None:
        self.total = settings.worker_memory_bytes or share_of_machine()
        # a small machine runs the usual job too, in what it has
        self.default = min(settings.job_memory_limit_bytes, self.total)
        self.free = self.total

    @property
    def short(self) -> bool:
        """Whether not even the smallest job fits."""
        return self.free < LEAST_MEMORY

    @property
    def room(self) -> Room:
        """What a claim may take now."""
        return Room(self.total, self.free, self.default)

    def take(self, size: int) -> None:
        """Give so much to a job."""
        self.free -= size

    def give_back(self, size: int) -> None:
        """The job has ended."""
        self.free += size
