"""GraphQL types of a job's result."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from graph.api.fields import field
from graph.api.scalars import Int64
from graph.context import Info
from graph.core.ids import to_global
from graph.datasets.types import Column, Dataset, Preview
from graph.jobs import loaders
from graph.jobs.receipt import with_attempts
from graph.jobs.results import ResultService, SignedUrl
from graph.jobs.snippets import snippets
from graph.models import Job as JobRow


def result_service(info: Info) -> ResultService:
    """Return the service of this request."""
    return ResultService(info.context.storage, info.context.keys, info.context.settings)


@strawberry.type(description="One file of a result.")
class ResultFile:
    """A file; its URL is signed when asked for."""

    row: strawberry.Private[JobRow]
    index: strawberry.Private[int]
    name: str
    format: str
    size_bytes: Int64
    rows: Int64 | None
    expires_at: datetime = strawberry.field(description="When `url` stops working.")

    @field(description="Downloads the file, named after the job; needs no token.")
    async def url(self, info: Info) -> str:
        """Presigned URL."""
        return (await result_service(info).file_url(self.row, self.index)).url

    @field(description="The data set that was made of it with createDatasetsFromJob; null when there is none.")
    async def dataset(self, info: Info) -> Dataset | None:
        """Batched over all files of the answer."""
        made = await loaders.made_of(info).load(self.row.id)
        found = made.get((self.row.result or {})["files"][self.index]["key"])
        return None if found is None else Dataset.of(found)


@strawberry.type(description="Rows that could not be used, each with line, byte offset, column, reason and raw text.")
class Rejects:
    """The rejected rows of a job."""

    row: strawberry.Private[JobRow]
    rows: Int64
    size_bytes: Int64 | None

    async def _signed(self, info: Info) -> SignedUrl:
        return await result_service(info).rejects_url(self.row)

    @field(description="Downloads them as CSV; needs no token.")
    async def url(self, info: Info) -> str:
        """Presigned URL."""
        return (await self._signed(info)).url


@strawberry.type(description="Python code that loads the result; runs as it is until the ticket expires.")
class FlightSnippets:
    """Code for three libraries of Python and for R, each with pyarrow."""

    pandas: str
    polars: str
    duckdb: str
    r: str = strawberry.field(description="For R with the packages arrow and reticulate.")


@strawberry.type(description="How to pull the result as Arrow, by ticket (no token) or by path with a token.")
class FlightAccess:
    """Arrow Flight coordinates of a result."""

    location: str = strawberry.field(description="Address of the Flight server.")
    ticket: str = strawberry.field(description="For DoGet; signed, works until `expiresAt`. Treat it as a secret.")
    descriptor: list[str] = strawberry.field(description="Path for GetFlightInfo with `Authorization: Bearer`.")
    expires_at: datetime
    snippets: FlightSnippets


def flight_access(info: Info, descriptor: list[str], ticket: str, expires_at: datetime) -> FlightAccess:
    """Return the coordinates of a table whose ticket was signed just now."""
    location = info.context.settings.flight_public_url
    code = snippets(location, ticket)
    return FlightAccess(
        location=location,
        ticket=ticket,
        descriptor=descriptor,
        expires_at=expires_at,
        snippets=FlightSnippets(pandas=code.pandas, polars=code.polars, duckdb=code.duckdb, r=code.r),
    )


@strawberry.type(description="What a job made.")
class JobResult:
    """The published result."""

    row: strawberry.Private[JobRow]
    stored: strawberry.Private[dict[str, Any]]
    rows: Int64
    size_bytes: Int64
    expired: bool = strawberry.field(
        description="Whether its files are gone by the retention policy: `files` is empty then, `rejects` and `flight` "
        "are null, and the receipt still says what there was."
    )
    expired_at: datetime | None

    @classmethod
    def of(cls, row: JobRow) -> JobResult | None:
        """Make it of a job's row; None while there is none."""
        if row.status != "SUCCEEDED" or row.result is None:
            return None
        stored = row.result
        return cls(
            row=row,
            stored=stored,
            rows=Int64(stored["rows"]),
            size_bytes=Int64(stored["sizeBytes"]),
            expired=row.result_expired_at is not None,
            expired_at=row.result_expired_at,
        )

    @field(
        description="What was done: the ledger (rows in, out, filtered, rejected, per step), bytes, seconds, memory; "
        "versions of service, engine and specification, and its SHA-256; inputs and outputs with size and ETag; all "
        "attempts with worker, times and outcome. An ETag is the storage's: the MD5 of an object written in one piece, "
        "else of its parts; null where it was not known. Hashes over content are not computed."
    )
    async def receipt(self, info: Info) -> JSON:
        """The stored receipt, and the attempts."""
        attempts = await loaders.attempts(info).load(self.row.id)
        return JSON(with_attempts(self.stored["receipt"], attempts))

    @field(description="The columns.")
    def schema(self) -> list[Column]:
        """Columns with their types."""
        return [Column.from_json(column) for column in self.stored["schema"]]

    @field(description="The files, in order.")
    def files(self, info: Info) -> list[ResultFile]:
        """Files of the result."""
        if self.expired:
            return []
        expires_at = result_service(info).url_expiry()
        return [
            ResultFile(
                row=self.row,
                index=index,
                name=item["name"],
                format=item["format"],
                size_bytes=Int64(item["sizeBytes"]),
                rows=None if item.get("rows") is None else Int64(item["rows"]),
                expires_at=expires_at,
            )
            for index, item in enumerate(self.stored["files"])
        ]

    @field(description="Rows that were rejected; null when none was, or when they have expired.")
    def rejects(self) -> Rejects | None:
        """Rejected rows."""
        item = self.stored.get("rejects")
        if not item or not item["rows"] or self.expired or self.row.rejects_expired_at is not None:
            return None
        size = item.get("sizeBytes")
        return Rejects(row=self.row, rows=Int64(item["rows"]), size_bytes=None if size is None else Int64(size))

    @field(description="The first rows, 1 to 1000; none when the result has expired.")
    async def preview(self, info: Info, first: int = 20) -> Preview:
        """Rows to look at."""
        if self.expired:
            return Preview.from_json(
                {"columns": [column["name"] for column in self.stored["schema"]], "rows": []}, first
            )
        return Preview.from_json(await result_service(info).preview(self.row, first), first)

    @field(description="Pull the result as Arrow; null for compressed text, which is for download only.")
    def flight(self, info: Info) -> FlightAccess | None:
        """Flight coordinates, with a fresh ticket."""
        if self.stored.get("compression") or self.expired:
            return None
        signed = result_service(info).ticket(self.row)
        return flight_access(info, ["jobs", to_global("Job", self.row.id)], signed.ticket, signed.expires_at)
