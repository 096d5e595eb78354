"""The invariants of a job's life (design §8), checked on the rows and objects once everything is quiet."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

from graph.core.ids import from_global
from tests.faults.cases import Case
from tests.faults.client import Promise
from tests.faults.truth import Truth

JOBS = "SELECT * FROM jobs ORDER BY id"
ATTEMPTS = "SELECT * FROM job_attempts ORDER BY job_id, lease_token"
EVENTS = "SELECT * FROM job_events ORDER BY job_id, sequence"
LOGS = "SELECT workspace_id, job_id, sequence, attempt, level, message FROM job_logs ORDER BY job_id, sequence"
DATASETS = "SELECT * FROM datasets WHERE deleted_at IS NULL"
ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}
ENDS = {"published": "SUCCEEDED", "failed": "FAILED", "cancelled": "CANCELLED"}
Row = dict[str, Any]


class History:
    """All that the database holds about jobs."""

    def __init__(self, truth: Truth, only: Collection[UUID] | None = None) -> None:
        """`only`: these jobs."""

        def grouped(sql: str) -> dict[UUID, list[Row]]:
            out: dict[UUID, list[Row]] = {}
            for row in truth.rows(sql, seconds=60):
                if only is None or row["job_id"] in only:
                    out.setdefault(row["job_id"], []).append(row)
            return out

        jobs = truth.rows(JOBS, seconds=60)
        self.jobs: dict[UUID, Row] = {row["id"]: row for row in jobs if only is None or row["id"] in only}
        self.attempts = grouped(ATTEMPTS)
        self.events = grouped(EVENTS)
        self.logs = grouped(LOGS)
        self.datasets = truth.rows(DATASETS)

    def tell(self, job_id: UUID) -> str:
        """A job's whole history, for the report of a failure."""
        job = self.jobs[job_id]
        wanted = ("status", "attempt", "max_attempts", "lease_token", "lease_until", "worker_id", "idempotency_key")
        lines = [f"job {job_id}: " + ", ".join(f"{name}={job[name]}" for name in wanted), f"  error {job['error']}"]
        for row in self.attempts.get(job_id, ()):
            error = (row["error"] or {}).get("code")
            lines.append(
                f"  attempt {row['attempt']}-{row['lease_token']} {row['outcome']} {error} "
                f"{row['started_at']:%H:%M:%S.%f}–{row['finished_at'] and row['finished_at'].strftime('%H:%M:%S.%f')} "
                f"{row['worker_id']}"
            )
        lines += [
            f"  event {row['sequence']} {row['kind']} → {row['status']} {json.dumps(row['data'])} "
            f"{row['created_at']:%H:%M:%S.%f}"
            for row in self.events.get(job_id, ())
        ]
        lines += [f"  log {row['sequence']} {row['level']} {row['message']}" for row in self.logs.get(job_id, ())]
        return "\n".join(lines)


Problems = Iterator[tuple[UUID | None, str]]


def promises_kept(promises: Sequence[Promise], history: History) -> Problems:
    """Each acknowledged job is there, under its key; a job that was acknowledged as cancelled is cancelled."""
    keys = {job["idempotency_key"]: job["id"] for job in history.jobs.values()}
    for promise in promises:
        for problem in promise.problems:
            yield keys.get(promise.key), f"{promise.key} ({promise.case.kind}): {problem}"
        if promise.job is None:
            continue
        job_id = from_global(promise.job, "Job")
        if keys.get(promise.key) != job_id:
            yield job_id, f"{promise.key} was acknowledged, and is not there"
        elif promise.cancelled and history.jobs[job_id]["status"] != "CANCELLED":
            yield job_id, f"{promise.key} was cancelled, and is {history.jobs[job_id]['status']}"


def states(history: History) -> Problems:
    """Each job has ended; one attempt is published, the newest, and only of a job that succeeded."""
    for job_id, job in history.jobs.items():
        attempts = history.attempts.get(job_id, [])
        tokens = [row["lease_token"] for row in attempts]
        published = [row for row in attempts if row["outcome"] == "SUCCEEDED"]
        if job["status"] not in ENDED:
            yield job_id, f"it is still {job['status']}"
        if tokens != list(range(1, job["lease_token"] + 1)):
            yield job_id, f"tokens {tokens}, the newest should be {job['lease_token']}"
        if [row["attempt"] for row in attempts] != list(range(1, job["attempt"] + 1)):
            yield job_id, "the attempts are not numbered one after another"
        if any(row["outcome"] is None or row["finished_at"] is None for row in attempts):
            yield job_id, "an attempt has not ended"
        if job["lease_until"] is not None or (job["worker_id"] is not None and job["status"] != "SUCCEEDED"):
            yield job_id, "an ended job has a lease"
        counted = sum(row["outcome"] != "DRAINED" for row in attempts)
        allowed = job["max_attempts"] - sum(row["outcome"] == "DRAINED" for row in attempts)
        if counted > allowed:
            yield job_id, f"{counted} attempts where {allowed} are allowed"
        if job["status"] == "SUCCEEDED":
            if [row["lease_token"] for row in published] != [job["lease_token"]]:
                yield (
                    job_id,
                    f"published by {[row['lease_token'] for row in published]}, not {job['lease_token']} alone",
                )
            if job["cancel_requested_at"] is not None:
                yield job_id, "it succeeded although cancel was asked"
        elif published or job["result"] is not None:
            yield job_id, f"{job['status']} with something published"


def gave_up(job: Row, attempts: Sequence[Row]) -> bool:
    """Whether a job failed because faults left none of its attempts alone."""
    error = job["error"] or {}
    crashes = sum(row["outcome"] == "CRASHED" for row in attempts)
    used_up = job["attempt"] >= job["max_attempts"] or crashes >= 3
    return job["status"] == "FAILED" and bool(error.get("retryable")) and used_up


def answers(history: History, case_of: Callable[[Row], Case | None], read: Callable[[str], bytes]) -> Problems:
    """Outputs are those of the oracle, byte by byte; the ledger balances; what must fail fails as it should."""
    for job_id, job in history.jobs.items():
        case = case_of(job)
        if case is None:
            yield job_id, f"nobody ordered it (key {job['idempotency_key']})"
        elif job["status"] == "FAILED":
            code = (job["error"] or {}).get("code")
            if code != case.code and not gave_up(job, history.attempts.get(job_id, [])):
                yield job_id, f"a job of kind {case.kind} failed with {code}: {job['error']}"
        elif job["status"] == "SUCCEEDED":
            if case.answer is None:
                yield job_id, "it succeeded, and should have failed"
                continue
            expected, result = case.answer(), job["result"]
            try:
                got = b"".join(read(item["key"]) for item in result["files"])
            except AssertionError as missing:
                yield job_id, f"a published object is gone: {missing}"
                continue
            if got != expected:
                yield job_id, f"wrong output: {len(got)} bytes, {len(expected)} expected"
            receipt = result["receipt"]
            counts = {name: receipt[f"rows{name}"] for name in ("In", "Out", "Filtered", "Rejected")}
            rows_out = expected.count(b"\n") - 1
            if counts["In"] != case.rows_in or counts["Out"] != rows_out or result["rows"] != rows_out:
                yield job_id, f"counts {counts}, expected {case.rows_in} in and {rows_out} out"
            if counts["Rejected"] != (case.kind == "reject"):
                yield job_id, f"rejected {counts['Rejected']}"
            if case.kind != "aggregate" and counts["In"] != counts["Out"] + counts["Filtered"] + counts["Rejected"]:
                yield job_id, f"the ledger does not balance: {counts}"


def histories(history: History) -> Problems:
    """Events are in order and complete: from created to the end, a claim for each attempt, and no end but the last."""
    for job_id, job in history.jobs.items():
        events = history.events.get(job_id, [])
        kinds = [row["kind"] for row in events]
        sequences = [row["sequence"] for row in events]
        if sequences != sorted(set(sequences)) or not sequences or sequences[0] != 1 or sequences[-1] > job["sequence"]:
            yield job_id, f"sequence numbers of events {sequences}, the job's is {job['sequence']}"
        if kinds.count("claimed") != len(history.attempts.get(job_id, [])):
            yield job_id, f"{kinds.count('claimed')} claims, {len(history.attempts.get(job_id, []))} attempts"
        if not kinds or kinds[0] != "created" or ENDS.get(kinds[-1]) != job["status"]:
            yield job_id, f"events {kinds} of a job that is {job['status']}"
        if any(before["kind"] in ENDS and not _begun_anew(after) for before, after in pairwise(events)):
            yield job_id, f"it ended more than once: {kinds}"
        lines = [row["sequence"] for row in history.logs.get(job_id, [])]
        if lines != list(range(1, job["log_sequence"] + 1)):
            yield job_id, f"log lines {lines} where {job['log_sequence']} were counted"


def _begun_anew(event: Row) -> bool:
    """Whether a person had an ended job run again; the sweep's `requeued` names nobody."""
    return event["kind"] == "retried" or (event["kind"] == "requeued" and "by" in (event["data"] or {}))


def tenants(history: History) -> Problems:
    """Every row and key of a job lies in its own workspace."""
    for job_id, job in history.jobs.items():
        workspace = job["workspace_id"]
        for rows in (history.attempts, history.events, history.logs):
            if any(row["workspace_id"] != workspace for row in rows.get(job_id, [])):
                yield job_id, "a row of its history is in another workspace"
        prefix = f"w/{workspace}/jobs/{job_id}/"
        if any(not row["output_prefix"].startswith(prefix) for row in history.attempts.get(job_id, [])):
            yield job_id, "an attempt wrote under a strange prefix"
        own = {row["id"] for row in history.datasets if row["workspace_id"] == workspace}
        if any(UUID(item["datasetId"]) not in own for item in job["inputs"]):
            yield job_id, "it reads a data set of another workspace"
        published = f"{prefix}{job['attempt']}-{job['lease_token']}/"
        if any(not key.startswith(published) for key in _result_keys(job)):
            yield job_id, f"its result lies outside {published}"


def _result_keys(job: Row) -> Iterator[str]:
    result = job["result"] or {}
    yield from (item["key"] for item in result.get("files", ()))
    if result.get("rejects"):
        yield result["rejects"]["key"]


def unlisted(history: History, keys: set[str]) -> set[str]:
    """Return the keys that live rows point to and that the storage does not list.

    SeaweedFS 4.48, once its disk was full, answers some PUTs with 200 and never lists their objects, which can be read
    all the same: it writes the entry before its folder, and the folder's database refuses (docs/operations.md).
    """
    jobs = {key for job in history.jobs.values() for key in _result_keys(job)}
    return (jobs | {row["s3_key"] for row in history.datasets}) - keys


def orphans(history: History, keys: set[str], multiparts: set[str]) -> Problems:
    """Storage holds what live rows point to, all of it, and nothing else."""
    wanted = {row["s3_key"] for row in history.datasets}
    owners = {key: job_id for job_id, job in history.jobs.items() for key in _result_keys(job)}
    wanted |= set(owners)
    for key in sorted(wanted - keys):
        yield owners.get(key), f"{key} is missing"
    for key in sorted(keys - wanted):
        yield _owner(key, history), f"nothing points to the object {key}"
    for key in sorted(multiparts):
        yield _owner(key, history), f"the upload of {key} is still open"


def _owner(key: str, history: History) -> UUID | None:
    parts = key.split("/")
    if len(parts) > 3 and parts[2] == "jobs":
        job_id = UUID(parts[3])
        return job_id if job_id in history.jobs else None
    return None
