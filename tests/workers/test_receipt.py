"""A receipt says from what, to what, with which versions and in which attempts a job was done."""

from __future__ import annotations

import hashlib
import signal

import orjson

from tests.graph.client import User
from tests.workers.conftest import StartWorker
from tests.workers.helpers import CSV, make_dataset, rows_of, run_job, send, spec, wait_for


async def test_a_receipt_is_complete(user: User, start_worker: StartWorker) -> None:
    running = await start_worker()
    dataset = await make_dataset(user)
    send(running.worker.children.pids, signal.SIGSTOP)
    job = await run_job(user, dataset)
    await wait_for(user, job, "RUNNING")
    send(running.worker.children.pids, signal.SIGKILL)  # the first attempt crashes
    done = await wait_for(user, job)
    receipt = done["result"]["receipt"]
    row, attempts, _, _ = await rows_of(user, job)
    assert [(each["attempt"], each["outcome"]) for each in receipt["attempts"]] == [(1, "CRASHED"), (2, "SUCCEEDED")]
    assert receipt["attempts"][0]["error"]["code"] == "ENGINE_CRASHED"
    assert all(each["seconds"] >= 0 and each["startedAt"] <= each["finishedAt"] for each in receipt["attempts"])
    assert receipt["worker"] == running.worker.id == attempts[1].worker_id
    assert receipt["attempt"] == 2
    assert receipt["serviceVersion"]
    assert receipt["engineVersion"]
    assert receipt["specVersion"] == 1
    digest = hashlib.sha256(orjson.dumps(spec(), option=orjson.OPT_SORT_KEYS)).hexdigest()
    assert receipt["specSha256"] == digest
    (read,) = receipt["inputs"]
    assert (read["datasetId"], read["sizeBytes"]) == (row.inputs[0]["datasetId"], len(CSV))
    assert read["etag"]
    (written,) = receipt["outputs"]
    assert row.result is not None
    stored = await user.services.storage.head(row.result["files"][0]["key"])
    assert stored is not None
    assert (written["etag"], written["sizeBytes"], written["rows"]) == (stored.etag, stored.size_bytes, 2)
    assert [step["step"] for step in receipt["steps"]] == ["filter"]
