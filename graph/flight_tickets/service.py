"""Tables of a workspace as Arrow Flight sees them: results of jobs, and data sets."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast
from uuid import UUID

from graph.core.db import Database
from graph.core.errors import Conflict, InvalidInput, NotFound
from graph.core.ids import to_global
from graph.core.keys import KeyRing
from graph.core.settings import Settings
from graph.core.tickets import TicketClaims, TicketFile, sign_ticket
from graph.datasets import repository as datasets
from graph.datasets.service import engine_schema
from graph.jobs import repository as jobs
from graph.jobs.requests import fraction_done
from graph.jobs.results import ResultService, SignedUrl, require_result, ticket_schema
from graph.models import Dataset

Kind = Literal["jobs", "datasets"]
LISTED_MOST: Final = 200
_FORMATS: Final = {"csv": "csv", "tsv": "csv", "ndjson": "ndjson", "parquet": "parquet", "arrow": "arrow"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table and the ticket that opens it; sizes in bytes, `rows` None when nobody counted."""

    ticket: str
    expires_at: datetime
    rows: int | None
    size_bytes: int
    schema: list[dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a table is: share done (None if unknown), and a number that grows with each change."""

    status: str
    done: bool
    fraction: float | None
    sequence: int


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
        written, schema = _format(dataset), engine_schema(dataset)
        expires = int(time.time()) + self._settings.ticket_expiry_seconds
        claims = TicketClaims(
            kind="dataset",
            id=dataset.id,
            workspace=dataset.workspace_id,
            format=written,
            files=[TicketFile(dataset.s3_key, dataset.size_bytes, rows)],
            exp=expires,
            schema=ticket_schema(written, schema),
            dialect=_dialect(dataset),
            rows=rows,
        )
        return Table(
            sign_ticket(claims, self._keys),
            datetime.fromtimestamp(expires, UTC),
            rows,
            dataset.size_bytes,
            schema,
        )

    async def progress(self, workspace_id: UUID, kind: Kind, table_id: UUID) -> Progress:
        """Return how far a table is; `NotFound`, or `Conflict` when it will never be there (failed, cancelled)."""
        async with self._db.tenant(workspace_id) as session:
            job = await jobs.get(session, table_id) if kind == "jobs" else None
            dataset = await datasets.get(session, table_id) if kind == "datasets" else None
        if job is not None:
            if job.status not in {"PENDING", "RUNNING"}:
                require_result(job)
            fraction = fraction_done(job.status, job.progress or {})
            return Progress(job.status, job.status == "SUCCEEDED", fraction, job.sequence)
        if dataset is not None:
            if dataset.status == "INSPECTING":
                return Progress(dataset.status, False, None, 0)
            _format(dataset)
            return Progress(dataset.status, True, 1.0, 1)
        raise NotFound.of("job" if kind == "jobs" else "data set")

    async def urls(self, workspace_id: UUID, kind: Kind, table_id: UUID) -> list[dict[str, Any]]:
        """Return presigned downloads of a table's files: name, format, sizeBytes, rows, url, expiresAt."""
        async with self._db.tenant(workspace_id) as session:
            job = await jobs.get(session, table_id) if kind == "jobs" else None
            dataset = await datasets.get(session, table_id) if kind == "datasets" else None
        if job is not None:
            files = require_result(job)["files"]
            signed = [await self._results.file_url(job, index) for index in range(len(files))]
            return [
                {**{name: item.get(name) for name in ("name", "format", "sizeBytes", "rows")}, **_signed(url)}
                for item, url in zip(files, signed, strict=True)
            ]
        if dataset is not None:
            _format(dataset)
            rows = dataset.row_estimate if dataset.rows_exact else None
            item = {
                "name": dataset.file_name, "format": dataset.format, "sizeBytes": dataset.size_bytes, "rows": rows,
            }  # fmt: skip
            return [{**item, **_signed(await self._results.dataset_url(dataset))}]
        raise NotFound.of("job" if kind == "jobs" else "data set")

    async def tables(
        self, workspace_id: UUID, first: int, after: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return a page of what ListFlights shows, results before data sets, newest first; and where the next begins.

        Raises `InvalidInput` for an `after` that no page gave.
        """
        kind, before = _position(after)
        async with self._db.tenant(workspace_id) as session:
            finished = await jobs.succeeded(session, first, before) if kind == "job" else []
            room = first - len(finished)
            older = before if kind == "dataset" else None
            ready = await datasets.ready(session, room, older) if room else []
        following = None
        if len(finished) == first:
            following = f"job:{finished[-1].id}"
        elif len(ready) == room:
            following = f"dataset:{ready[-1].id}"
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
        return listed, following


def _position(after: str | None) -> tuple[str, UUID | None]:
    """Read where a page of tables begins: `job:<id>` or `dataset:<id>`, None for the first."""
    if after is None:
        return "job", None
    kind, _, text = after.partition(":")
    try:
        before = UUID(text)
    except ValueError:
        before = None
    if kind not in {"job", "dataset"} or before is None:
        raise InvalidInput("`after` must be the `next` of the page before.", code="CURSOR_INVALID", path=["after"])
    return kind, before


def _signed(signed: SignedUrl) -> dict[str, str]:
    return {"url": signed.url, "expiresAt": signed.expires_at.isoformat()}


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
