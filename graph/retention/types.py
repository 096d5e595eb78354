"""GraphQL types of retention and of the sweep for orphans."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry

from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from graph.api.scalars import Int64
from graph.retention.policy import Policy


@strawberry.type(description="Days that a workspace keeps things; 0 keeps them for ever.")
class RetentionPolicy:
    """What holds for a workspace."""

    results_days: int
    rejects_days: int
    datasets_days: int
    logs_days: int
    events_days: int

    @classmethod
    def of(cls, policy: Policy) -> RetentionPolicy:
        """Make it of a policy."""
        return cls(
            results_days=policy.results,
            rejects_days=policy.rejects,
            datasets_days=policy.datasets,
            logs_days=policy.logs,
            events_days=policy.events,
        )


@strawberry.type(description="The last finished search of the storage for objects that no row points to.")
class OrphanSweep:
    """Findings of a sweep; sizes in bytes."""

    started_at: datetime
    finished_at: datetime
    objects: Int64 = strawberry.field(description="Objects that were looked at.")
    bytes: Int64
    removed_objects: Int64
    removed_bytes: Int64
    aborted_multiparts: int
    unknown_objects: Int64 = strawberry.field(
        description="Objects of a shape that we do not write; they are left alone."
    )
    examples: list[str] = strawberry.field(description="Keys of some removed objects.")

    @classmethod
    def of(cls, found: dict[str, Any]) -> OrphanSweep:
        """Make it of stored findings."""
        return cls(
            started_at=found["startedAt"],
            finished_at=found["finishedAt"],
            objects=Int64(found["objects"]),
            bytes=Int64(found["bytes"]),
            removed_objects=Int64(found["removed"]),
            removed_bytes=Int64(found["removed_bytes"]),
            aborted_multiparts=found["multiparts"],
            unknown_objects=Int64(found["unknown"]),
            examples=found["examples"],
        )


@strawberry.input(description="What a workspace keeps for how many days; what is left out is as the settings say.")
class SetRetentionPolicyInput:
    """Input of setRetentionPolicy."""

    workspace_id: strawberry.ID
    results_days: int | None = None
    rejects_days: int | None = None
    datasets_days: int | None = None
    logs_days: int | None = None
    events_days: int | None = None


@strawberry.type
class SetRetentionPolicySuccess:
    """What holds for the workspace now."""

    policy: RetentionPolicy


SetRetentionPolicyResult = Annotated[
    SetRetentionPolicySuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("SetRetentionPolicyResult"),
]
