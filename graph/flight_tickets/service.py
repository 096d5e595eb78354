"""Tables of a workspace as Arrow Flight sees them: results of jobs, and data sets."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast
from uuid import UUID

from graph.core.db import Database
from graph.core.errors import Conflict, NotFound
from graph.core.ids import to_global
from graph.core.keys import KeyRing
from graph.core.settings import Settings
from graph.core.tickets import TicketClaims, TicketFile, sign_ticket
from graph.datasets import repository as datasets
from graph.datasets.service import engine_schema
from graph.jobs import repository as jobs
from graph.jobs.results import ResultService, require_result
from graph.models import Dataset

Kind = Literal["jobs", "datasets"]
LISTED_MOST: Final = 1000
_FORMATS: Final = {"csv": "csv", "tsv": "csv", "ndjson": "ndjson", "parquet": "parquet", "arrow": "arrow"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table and the ticket that opens it; sizes in bytes, `rows` None when nobody counted."""

    ticket: str
    expires_at: datetime
    rows: int | None
    size_bytes: int
    schema: list[dict[str, Any]] | None


class FlightTables:
    """Resolves paths of the Flight server; who may read is decided by the workspace of the caller."""

    def __init__(self, db: Database, results: ResultService, keys: KeyRing, settings: Settings) -> None:
        self._db = db
        self._results = results
        self._keys = keys
        self._settings = settings

    async def resolve(self, workspace_id: UUID, kind: Kind, table_id: UUID) -> Table:
        """Return the table; `NotFound`, or `Conflict` when it is not there yet or failed."""
        return await (self._job if kind == "jobs" else self._dataset)(workspace_id, table_id)

    async def _job(self, workspace_id: UUID, job_id: UUID) -> Table:
        async with self._db.tenant(workspace_id) as session:
            job = await jobs.get(session, job_id)
        if job is None:
            raise NotFound.of("job")
        result = require_result(job)
        signed = self._results.ticket(job)
        return Table(signed.ticket, signed.expires_at, result["rows"], result["sizeBytes"], result["schema"])

    async def _dataset(self, workspace_id: UUID, dataset_id: UUID) -> Table:
        async with self._db.tenant(workspace_id) as session:
            dataset = await datasets.get(session, dataset_id)
        if dataset is None:
            raise NotFound.of("data set")
        rows = dataset.row_estimate if dataset.rows_exact else None
        expires = int(time.time()) + self._settings.ticket_expiry_seconds
        claims = TicketClaims(
            kind="dataset",
            id=dataset.id,
            workspace=dataset.workspace_id,
            format=_format(dataset),
            files=[TicketFile(dataset.s3_key, dataset.size_bytes, rows)],
            exp=expires,
            schema=engine_schema(dataset),
            dialect=_dialect(dataset),
            rows=rows,
        )
        return Table(
            sign_ticket(claims, self._keys),
            datetime.fromtimestamp(expires, UTC),
            rows,
            dataset.size_bytes,
            claims.schema,
        )

    async def tables(self, workspace_id: UUID) -> list[dict[str, Any]]:
        """Return what ListFlights shows: the newest results and data sets."""
        async with self._db.tenant(workspace_id) as session:
            finished = await jobs.succeeded(session, LISTED_MOST)
            ready = await datasets.ready(session, LISTED_MOST)
        listed = [
            {
                "kind": "job",
                "id": to_global("Job", job.id),
                "name": job.name,
                "rows": (job.result or {}).get("rows"),
                "sizeBytes": (job.result or {}).get("sizeBytes"),
            }
            for job in finished
        ]
        listed += [
            {
                "kind": "dataset",
                "id": to_global("Dataset", dataset.id),
                "name": dataset.name,
                "rows": dataset.row_estimate if dataset.rows_exact else None,
                "sizeBytes": dataset.size_bytes,
            }
            for dataset in ready
        ]
        return listed


def _format(dataset: Dataset) -> Literal["parquet", "csv", "ndjson", "arrow", "lines"]:
    if dataset.status == "FAILED":
        reason = (dataset.error or {}).get("message", "it cannot be read")
        raise Conflict(f"The data set cannot be read: {reason}", code="DATASET_FAILED")
    if dataset.status != "READY":
        raise Conflict("The data set is still being inspected. Try again in a moment.", code="DATASET_NOT_READY")
    name = _FORMATS.get(dataset.format or "", "lines")
    return cast("Literal['parquet', 'csv', 'ndjson', 'arrow', 'lines']", name)


def _dialect(dataset: Dataset) -> dict[str, Any] | None:
    """How the text is written, compression and encoding included, as the engine's scanner takes it."""
    found = {"compression": dataset.compression, "encoding": dataset.encoding}
    return {**(dataset.dialect or {}), **{name: value for name, value in found.items() if value}} or None
