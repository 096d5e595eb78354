"""How a result leaves: presigned downloads under a good name, a signed Flight ticket, the first rows as JSON."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from graph.core.errors import Conflict, InvalidInput
from graph.core.keys import KeyRing
from graph.core.settings import Settings
from graph.core.storage import Storage
from graph.core.tickets import TicketClaims, TicketFile, sign_ticket
from graph.datasets.service import media_type as dataset_media_type
from graph.models import Dataset, Job
from graph.pipelines.preview import run_preview

PREVIEW_MAX: Final = 1000
MEDIA_TYPES: Final = {
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.file",
    "lines": "text/plain",
    "gz": "application/gzip",
    "zst": "application/zstd",
}
# suffixes that a job's name may bring from its source file; the result has its own
_SOURCE_SUFFIX: Final = re.compile(
    r"(\.(csv|tsv|txt|log|ndjson|jsonl|json|parquet|arrow|feather|ipc))?(\.(gz|gzip|zst|zstd|bz2|xz))?$", re.IGNORECASE
)
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]+')


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """A URL for one GET, and when it stops working."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedTicket:
    """A Flight ticket, and when it stops working."""

    ticket: str
    expires_at: datetime


def extension(file_name: str) -> str:
    """`part-00000.csv.gz` → `csv.gz`."""
    return file_name.rpartition("/")[2].partition(".")[2]


def download_name(job_name: str, stored_name: str, number: int | None = None) -> str:
    """Name under which a file of a result is saved: the job's name and the file's extension.

    `number` counts the files of a result of several, from 1.
    """
    stem = _UNSAFE.sub("_", _SOURCE_SUFFIX.sub("", job_name.strip())).strip(" .")[:150] or "result"
    suffix = extension(stored_name)
    numbered = stem if number is None else f"{stem}-{number:05d}"
    return f"{numbered}.{suffix}" if suffix else numbered


def media_type(stored_name: str, format_name: str) -> str:
    """Content type of a download."""
    last = stored_name.rpartition(".")[2]
    return MEDIA_TYPES.get(last if last in {"gz", "zst"} else format_name, "application/octet-stream")


class ResultService:
    """What the API hands out of a finished job; `job.result` is as `requests.result_from_report` wrote it."""

    def __init__(self, storage: Storage, keys: KeyRing, settings: Settings) -> None:
        self._storage = storage
        self._keys = keys
        self._settings = settings

    def url_expiry(self) -> datetime:
        """When a URL signed now stops working."""
        return datetime.now(UTC) + timedelta(seconds=self._settings.url_expiry_seconds)

    async def file_url(self, job: Job, index: int) -> SignedUrl:
        """Sign the download of one file of the result."""
        files = require_result(job)["files"]
        item = files[index]
        name = download_name(job.name, item["name"], index + 1 if len(files) > 1 else None)
        expires_at = self.url_expiry()
        return SignedUrl(
            await self._storage.sign_get(item["key"], name, media_type(item["name"], item["format"])), expires_at
        )

    async def dataset_url(self, dataset: Dataset) -> SignedUrl:
        """Sign the download of a data set."""
        expires_at = self.url_expiry()
        return SignedUrl(
            await self._storage.sign_get(dataset.s3_key, dataset.file_name, dataset_media_type(dataset)), expires_at
        )

    async def rejects_url(self, job: Job) -> SignedUrl:
        """Sign the download of the rejected rows."""
        item = require_result(job)["rejects"]
        expires_at = self.url_expiry()
        name = download_name(job.name, "rejects.csv").removesuffix(".csv") + "-rejects.csv"
        return SignedUrl(await self._storage.sign_get(item["key"], name, MEDIA_TYPES["csv"]), expires_at)

    def ticket(self, job: Job) -> SignedTicket:
        """Sign a Flight ticket; `Conflict` (RESULT_NOT_READY, JOB_FAILED, …) when there is no result."""
        result = require_result(job)
        expires = int(time.time()) + self._settings.ticket_expiry_seconds
        claims = TicketClaims(
            kind="job",
            id=job.id,
            workspace=job.workspace_id,
            format="csv" if result["format"] == "tsv" else result["format"],
            files=[TicketFile(item["key"], item["sizeBytes"], item.get("rows")) for item in result["files"]],
            exp=expires,
            schema=ticket_schema(result["format"], result["schema"]),
            dialect=scan_dialect(result),
            rows=result["rows"],
        )
        return SignedTicket(sign_ticket(claims, self._keys), datetime.fromtimestamp(expires, UTC))

    async def preview(self, job: Job, first: int) -> dict[str, Any]:
        """Return `{"columns": […], "rows": [[…]]}`, the first rows of the result."""
        if not 1 <= first <= PREVIEW_MAX:
            raise InvalidInput(
                f"`first` must be 1 to {PREVIEW_MAX}, not {first}.", code="FIRST_OUT_OF_RANGE", path=["first"]
            )
        result = require_result(job)
        columns = [column["name"] for column in result["schema"]]
        rows: list[Any] = []
        for item in result["files"]:
            if len(rows) >= first or item.get("rows") == 0:
                break
            rows += (await run_preview(self._preview_request(item, result), first - len(rows)))["rows"]
        return {"columns": columns, "rows": rows[:first]}

    def _preview_request(self, item: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        """Ask the engine for the first rows of one file of the result, as it is."""
        source = {
            "url": self._storage.url(item["key"]),
            "fileName": item["name"],
            "format": item["format"],
            "sizeBytes": item["sizeBytes"],
            "dialect": scan_dialect(result),
            "schema": result["schema"],
        }
        return {
            "spec": {"version": 1, "steps": [], "output": {"format": "ndjson"}},
            "inputs": {"input": source},
            "storage": self._storage.engine_storage(),
        }


def scan_dialect(result: dict[str, Any]) -> dict[str, Any] | None:
    """How the text of a stored result is written, compression included, as the engine's scanner takes it."""
    dialect: dict[str, Any] | None = result.get("dialect")
    if result.get("compression"):
        return {**(dialect or {}), "compression": result["compression"]}
    return dialect


def ticket_schema(format_name: str, schema: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Columns that a ticket has to declare: Parquet and Arrow carry their own, and ten thousand make it large."""
    return None if format_name in {"parquet", "arrow"} else schema


def require_result(job: Job) -> dict[str, Any]:
    """Return the stored result; `Conflict` saying why there is none."""
    if job.result_expired_at is not None:
        raise Conflict(
            f"The result expired on {job.result_expired_at:%Y-%m-%d}; run the pipeline again.",
            code="RESULT_EXPIRED",
            path=["id"],
        )
    if job.status == "SUCCEEDED" and job.result is not None:
        return job.result
    if job.status == "FAILED":
        reason = (job.error or {}).get("message", "no reason was recorded")
        raise Conflict(f"The job failed: {reason}", code="JOB_FAILED", path=["id"])
    if job.status == "CANCELLED":
        raise Conflict("The job was cancelled; it has no result.", code="JOB_CANCELLED", path=["id"])
    raise Conflict(f"The job is {job.status}; its result is not there yet.", code="RESULT_NOT_READY", path=["id"])
