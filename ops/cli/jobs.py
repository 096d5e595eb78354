"""`karyaksham run-job`, `logs` and `get`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from ops.cli.client import PROBLEMS, REFUSED, Server
from ops.cli.errors import CommandError
from ops.cli.progress import ProgressBar, human
from ops.cli.run import read_inputs, read_spec

_RUN = f"""mutation($i: RunJobInput!) {{ runJob(input: $i) {{ __typename
  ... on RunJobSuccess {{ job {{ id }} }} {REFUSED} {PROBLEMS} }} }}"""
_STATE = """id status attempt progress { bytesRead bytesTotal rowsIn rowsOut rowsFiltered rowsRejected stage }
  error { code message step column row hint }"""
_UPDATED = f"subscription($id: ID!) {{ jobUpdated(id: $id) {{ {_STATE} }} }}"
_LOG_LINES = "subscription($id: ID!, $after: String) { jobLog(id: $id, after: $after) { cursor at level message } }"
_LOGS = """query($id: ID!, $after: String) { job(id: $id) { status logs(first: 100, after: $after) {
  nodes { cursor at level message } pageInfo { hasNextPage endCursor } } } }"""
_RESULT = """query($id: ID!) { job(id: $id) { status error { code message step column row hint }
  result { rows sizeBytes expired files { name sizeBytes url } rejects { rows url } } } }"""
_TRIES = 6


def run_job(options: argparse.Namespace) -> int:
    """Start a job, and watch it if asked to."""
    server = Server.stored()
    wanted: dict[str, Any] = {
        "spec": read_spec(options.spec),
        "inputs": [{"name": name, "datasetId": value} for name, value in read_inputs(options.input).items()],
    }
    if options.idempotency_key:
        wanted["idempotencyKey"] = options.idempotency_key
    job = server.ask(_RUN, {"i": wanted})["job"]["id"]
    if not options.wait and not options.follow:
        print(json.dumps({"job": job}) if options.json else job)
        return 0
    if options.follow:
        follower = threading.Thread(target=_print_log, args=(Server(server.login), job, sys.stderr), daemon=True)
        follower.start()
    try:
        state = _watch(server, job, show=not options.json)
    except KeyboardInterrupt:
        print(f"The job goes on. Watch it with: karyaksham logs -f {job}", file=sys.stderr)
        raise
    if options.follow:
        follower.join(timeout=5)
    if options.json:
        print(
            json.dumps({"job": job, "status": state["status"], "progress": state["progress"], "error": state["error"]})
        )
    else:
        print(job)
    return _outcome(job, state)


def _watch(server: Server, job: str, *, show: bool) -> dict[str, Any]:
    """Return the job's last state; shows a bar meanwhile."""
    bar = ProgressBar("Job", enabled=show)
    state: dict[str, Any] | None = None
    try:
        for state in server.follow(_UPDATED, {"id": job}):
            counters = state["progress"] or {}
            if counters:
                done, total = int(counters["bytesRead"]), int(counters["bytesTotal"] or 0)
                bar.update(done, total, f"{int(counters['rowsOut']):,} rows out")
            if state["status"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
                break
    finally:
        bar.clear()
    if state is None:
        raise CommandError("JOB_UNKNOWN", f"There is no job {job}.")
    return state


def _outcome(job: str, state: dict[str, Any]) -> int:
    if state["status"] == "SUCCEEDED":
        counters = state["progress"] or {}
        if counters:
            print(
                f"SUCCEEDED: {int(counters['rowsOut']):,} rows ({int(counters['rowsIn']):,} in, "
                f"{int(counters['rowsFiltered']):,} filtered, {int(counters['rowsRejected']):,} rejected)",
                file=sys.stderr,
            )
        return 0
    raise _failure(job, state)


def _failure(job: str, state: dict[str, Any]) -> CommandError:
    error = state.get("error") or {}
    places = [f"{name} {error[name]}" for name in ("step", "column", "row") if error.get(name) is not None]
    return CommandError(
        error.get("code") or f"JOB_{state['status']}",
        error.get("message") or f"The job {job} is {state['status']}.",
        place=", ".join([f"job {job}", *places]),
        hint=error.get("hint") or "",
    )


def logs(options: argparse.Namespace) -> int:
    """Print a job's log."""
    server = Server.stored()
    if options.follow:
        _print_log(server, options.job, sys.stdout, as_json=options.json)
        return 0
    after: str | None = None
    while True:
        job = _job(server.ask(_LOGS, {"id": options.job, "after": after}), options.job)
        page = job["logs"]
        for line in page["nodes"]:
            _print_line(line, sys.stdout, as_json=options.json)
        if not page["pageInfo"]["hasNextPage"]:
            return 0
        after = page["pageInfo"]["endCursor"]


def _job(value: Any, job: str) -> dict[str, Any]:
    if value is None:
        raise CommandError("JOB_UNKNOWN", f"There is no job {job} in your workspace.", hint="Check the id.")
    found: dict[str, Any] = value
    return found


def _print_log(server: Server, job: str, out: Any, *, as_json: bool = False) -> None:
    """Print the log to its end, reconnecting behind the last line seen."""
    after: str | None = None
    failures = 0
    while True:
        try:
            for line in server.subscribe(_LOG_LINES, {"id": job, "after": after}):
                failures, after = 0, line["cursor"]
                _print_line(line, out, as_json=as_json)
        except httpx.HTTPError:
            failures += 1
            if failures > _TRIES:
                raise
            time.sleep(min(0.2 * 2**failures, 5))
        else:
            return


def _print_line(line: dict[str, Any], out: Any, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({name: line[name] for name in ("at", "level", "message")}), file=out, flush=True)
    else:
        print(f"{line['at']} {line['level']:7} {line['message']}", file=out, flush=True)


# results -------------------------------------------------------------------------------------------------------


def get(options: argparse.Namespace) -> int:
    """Download a result, complete or not at all."""
    server = Server.stored()
    job = _job(server.ask(_RESULT, {"id": options.job}), options.job)
    if job["status"] in {"FAILED", "CANCELLED"}:
        raise _failure(options.job, job)
    if job["result"] is None:
        raise CommandError(
            "JOB_NOT_FINISHED", f"The job is {job['status']}.", hint=f"Wait: karyaksham logs -f {options.job}"
        )
    if job["result"]["expired"]:
        raise CommandError("RESULT_EXPIRED", "The result is gone by the retention policy.", hint="Run the job again.")
    files = job["result"]["files"]
    written: list[tuple[Path, int]] = []
    for file, target in zip(files, _targets(files, options.output, overwrite=options.overwrite), strict=True):
        _download(server, options.job, file, target, overwrite=options.overwrite, quiet=options.json)
        written.append((target, int(file["sizeBytes"])))
    rejects = job["result"]["rejects"]
    if options.json:
        done = [{"file": str(target), "sizeBytes": size} for target, size in written]
        print(json.dumps({"files": done, "rows": job["result"]["rows"]}))
    else:
        for target, size in written:
            print(f"{target}: {human(size)}", file=sys.stderr)
        if rejects:
            print(f"{rejects['rows']} rejected rows: {rejects['url']}", file=sys.stderr)
    return 0


def _targets(files: list[dict[str, Any]], output: Path | None, *, overwrite: bool) -> list[Path]:
    if output is None or output.is_dir():
        folder = output or Path()
        # the server's names may hold folders of partitions; nothing may point out of ours
        targets = [
            folder / Path(*(part for part in Path(file["name"]).parts if part not in {"..", "/"})) for file in files
        ]
    elif len(files) == 1:
        targets = [output]
    else:
        raise CommandError(
            "OUTPUT_IS_FILE",
            f"The result has {len(files)} files.",
            hint=f"Make the folder {output} first.",
            exit_code=2,
        )
    for target in targets:
        if target.exists() and not overwrite:
            raise CommandError("OUTPUT_EXISTS", f"{target} exists.", hint="Choose another name, or add --overwrite.")
    return targets


def _download(server: Server, job: str, file: dict[str, Any], target: Path, *, overwrite: bool, quiet: bool) -> None:
    """Download to a file beside the target, go on where a connection broke, check the size, rename."""
    size = int(file["sizeBytes"])
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    bar = ProgressBar(f"Downloading {target.name}", enabled=not quiet)
    reason = ""
    url = file["url"]
    try:
        with partial.open("wb") as out, httpx.Client(timeout=httpx.Timeout(60, connect=10)) as http:
            for attempt in range(_TRIES):
                if attempt:
                    time.sleep(min(0.3 * 2**attempt, 10))
                try:
                    reason = _fetch(http, url, out, size, bar)
                except httpx.HTTPError as error:
                    reason = str(error) or type(error).__name__
                if out.tell() == size:
                    break
                if "403" in reason:  # the URL has expired
                    fresh = _job(server.ask(_RESULT, {"id": job}), job)["result"]["files"]
                    url = next(entry["url"] for entry in fresh if entry["name"] == file["name"])
            if out.tell() != size:
                raise CommandError(
                    "DOWNLOAD_INCOMPLETE",
                    f"{target}: {out.tell()} of {size} bytes came ({reason or 'the connection ended'}).",
                    hint="Run the command again.",
                )
            out.flush()
            os.fsync(out.fileno())
        if overwrite:
            partial.replace(target)
        else:
            try:
                os.link(partial, target)  # fails if somebody made the file meanwhile
            except FileExistsError as error:
                raise CommandError("OUTPUT_EXISTS", f"{target} exists.", hint="Add --overwrite.") from error
            except OSError:  # a file system without links
                partial.replace(target)
    finally:
        bar.clear()
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _fetch(http: httpx.Client, url: str, out: Any, size: int, bar: ProgressBar) -> str:
    """Append what is missing; returns what went wrong, if something did."""
    start = out.tell()
    headers = {"Range": f"bytes={start}-"} if start else {}
    with http.stream("GET", url, headers=headers) as answer:
        if answer.status_code not in {200, 206}:
            return f"storage answers {answer.status_code}"
        if start and answer.status_code == 200:  # it sent all again
            out.seek(0)
            out.truncate()
        for chunk in answer.iter_bytes(1 << 20):
            out.write(chunk)
            bar.update(out.tell(), size)
            if out.tell() > size:
                return "storage sent more than the result's size"
    return ""
