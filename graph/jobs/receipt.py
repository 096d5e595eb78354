"""The run receipt: what a job did, from what, to what, with which versions, in which attempts.

What is missing: hashes over content. The engine reports none, and reading all bytes again would double the cost of a
job; the storage's ETags stand in for them. The engine binds each input to one ETag while it reads (`INPUT_CHANGED`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from graph.core.versions import service_version
from graph.models import Dataset, JobAttempt


def spec_digest(spec: Mapping[str, Any]) -> str:
    """SHA-256 of a specification as JSON with sorted keys, in hex."""
    return hashlib.sha256(orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)).hexdigest()


def sources_of(inputs: Sequence[Mapping[str, Any]], datasets: Mapping[UUID, Dataset]) -> dict[str, dict[str, Any]]:
    """Return what is known of a job's inputs by name: datasetId, and the ETag of the file where it was kept."""
    out = {}
    for item in inputs:
        dataset = datasets.get(UUID(item["datasetId"]))
        out[item["name"]] = {"datasetId": item["datasetId"], "etag": None if dataset is None else dataset.etag}
    return out


def make_receipt(
    report: Mapping[str, Any],
    *,
    spec: Mapping[str, Any],
    inputs: Mapping[str, Any],
    sources: Mapping[str, Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
    attempt: int,
    seconds: float,
) -> dict[str, Any]:
    """Return what is stored of the attempt that is published; `outputs` are the result's files with their ETags."""
    unknown = {"datasetId": None, "etag": None}
    return {
        "attempt": attempt,
        "serviceVersion": service_version(),
        "engineVersion": report.get("engineVersion"),
        "specVersion": spec.get("version"),
        "specSha256": spec_digest(spec),
        "finishedAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "seconds": round(seconds, 3),
        "engineSeconds": report.get("seconds"),
        "peakMemoryBytes": report.get("peakMemoryBytes"),
        "bytesRead": report.get("bytesRead"),
        "bytesWritten": report.get("bytesWritten"),
        "rowsIn": report["rowsIn"],
        "rowsOut": report["rowsOut"],
        "rowsFiltered": report["rowsFiltered"],
        "rowsRejected": report["rowsRejected"],
        "steps": report.get("steps", []),
        "inputs": [
            {"name": name, "fileName": item["fileName"], "sizeBytes": item["sizeBytes"], **sources.get(name, unknown)}
            for name, item in inputs.items()
        ],
        "outputs": [
            {name: item.get(name) for name in ("name", "format", "sizeBytes", "rows", "etag")} for item in outputs
        ],
    }


def with_attempts(stored: Mapping[str, Any], attempts: Sequence[JobAttempt]) -> dict[str, Any]:
    """Return a stored receipt with all attempts of the job, and the worker of the one that was published."""
    published = next((each for each in reversed(attempts) if each.outcome == "SUCCEEDED"), None)
    return {
        **stored,
        "worker": None if published is None else published.worker_id,
        "attempts": [
            {
                "attempt": each.attempt,
                "worker": each.worker_id,
                "startedAt": each.started_at.isoformat(timespec="milliseconds"),
                "finishedAt": None if each.finished_at is None else each.finished_at.isoformat(timespec="milliseconds"),
                "seconds": None
                if each.finished_at is None
                else round((each.finished_at - each.started_at).total_seconds(), 3),
                "outcome": each.outcome,
                "error": each.error and {"code": each.error.get("code"), "message": each.error.get("message")},
            }
            for each in attempts
        ],
    }
