"""Pipelines that Flight clients run without storing anything: GetFlightInfo with `{"spec": …, "inputs": […]}`.

The API checks the order as `runJob` does and signs what the Flight server may run: the specification and the objects
that it reads. Each ticket is good for one read. The audit row of that read carries the ticket's id, so that the row
itself tells a second use: there is no other state.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, InvalidInput
from graph.core.ids import parse_id, to_global, uuid7
from graph.core.keys import KeyRing
from graph.core.settings import Settings
from graph.core.storage import Storage
from graph.core.tickets import PullClaims, sign_ticket, verify_pull
from graph.core.viewer import Viewer
from graph.datasets import repository as datasets
from graph.jobs.orders import Order, check_order
from graph.jobs.requests import engine_inputs, schemas_for_validation
from graph.jobs.service import resolve_spec
from graph.pipelines.problems import require_valid
from graph.pipelines.service import NamedDataset, PipelineService


@dataclass(frozen=True, slots=True)
class FlightPulls:
    """Pulls of one workspace at a time."""

    db: Database
    storage: Storage
    keys: KeyRing
    settings: Settings

    async def open(self, viewer: Viewer, command: dict[str, Any]) -> str:
        """Return a signed ticket for one run of the pipeline.

        Raises what `runJob` refuses: `InvalidInput`, `InvalidPipeline`, `NotFound`, `Conflict` (DATASET_NOT_READY).
        """
        order = order_of(command)
        check_order(order)
        inputs = await PipelineService(self.db).inputs(viewer.workspace_id, order.inputs)
        async with self.db.tenant(viewer.workspace_id) as session:
            _, _, spec = await resolve_spec(session, order)
        await require_valid(spec, schemas_for_validation(spec, inputs))
        named = [{"name": name, "datasetId": str(dataset.id)} for name, dataset in inputs.items()]
        asked = engine_inputs(spec, named, {dataset.id: dataset for dataset in inputs.values()}, self.storage)
        claims = PullClaims(
            id=uuid7(),
            workspace=viewer.workspace_id,
            actor=viewer.user_id,
            spec=spec,
            inputs=[
                {key: value for key, value in asked[name].items() if key != "url"}
                | {"name": name, "key": dataset.s3_key, "datasetId": to_global("Dataset", dataset.id)}
                for name, dataset in inputs.items()
            ],
            exp=int(time.time()) + self.settings.ticket_expiry_seconds,
        )
        return sign_ticket(claims, self.keys)

    async def redeem(self, ticket: str) -> None:
        """Use a ticket up and write the read down.

        Raises `NotAuthenticated` for a ticket that is none, `Conflict` (TICKET_USED) for one that was used, or
        (INPUT_GONE) where a data set was deleted since.
        """
        claims = verify_pull(ticket, self.keys)
        ids = [_dataset_id(item.get("datasetId")) for item in claims.inputs]
        async with self.db.tenant(claims.workspace) as session:
            there = await datasets.get_many(session, set(ids))
            if len(there) < len(set(ids)):
                raise Conflict("A data set of the pipeline was deleted. Ask for a new ticket.", code="INPUT_GONE")
            fresh = await record(
                session,
                "pipeline.pull",
                actor_id=claims.actor,
                workspace_id=claims.workspace,
                object_type="Dataset",
                object_id=ids[0],
                data={"inputs": [{"name": item["name"], "datasetId": item["datasetId"]} for item in claims.inputs]},
                row_id=claims.id,
            )
        if not fresh:
            raise Conflict(
                "The ticket was used already: each runs its pipeline once. Call GetFlightInfo again for a new one.",
                code="TICKET_USED",
            )


def order_of(command: dict[str, Any]) -> Order:
    """Read a command: `spec` or `pipelineId`, and `inputs` as `runJob` takes them, or as an object of ids by name."""
    unknown = sorted(set(command) - {"spec", "pipelineId", "inputs"})
    if unknown:
        raise InvalidInput(f"`{unknown[0]}` is not known: give spec or pipelineId, and inputs.", code="BODY_INVALID")
    spec, pipeline = command.get("spec"), command.get("pipelineId")
    if spec is not None and not isinstance(spec, dict):
        raise InvalidInput("`spec` must be an object.", code="BODY_INVALID", path=["spec"])
    given = command.get("inputs")
    if isinstance(given, dict):
        given = [{"name": name, "datasetId": dataset} for name, dataset in given.items()]
    if not isinstance(given, list) or not all(isinstance(item, dict) and set(item) == _INPUT for item in given):
        raise InvalidInput(
            'Give `inputs`: [{"name": "input", "datasetId": "…"}], or {"input": "…"}.',
            code="BODY_INVALID",
            path=["inputs"],
        )
    named = [NamedDataset(str(item["name"]), _dataset_id(item["datasetId"], index)) for index, item in enumerate(given)]
    if pipeline is not None and (pipeline_id := parse_id(str(pipeline), "Pipeline")) is None:
        raise InvalidInput("`pipelineId` is no id of a pipeline.", code="ID_INVALID", path=["pipelineId"])
    return Order(inputs=named, spec=spec, pipeline_id=None if pipeline is None else pipeline_id)


_INPUT = {"name", "datasetId"}


def _dataset_id(text: Any, index: int = 0) -> UUID:
    found = parse_id(text, "Dataset") if isinstance(text, str) else None
    if found is None:
        raise InvalidInput(
            "`datasetId` is no id of a data set.", code="ID_INVALID", path=["inputs", index, "datasetId"]
        )
    return found
