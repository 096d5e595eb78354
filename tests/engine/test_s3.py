"""Jobs on real object storage."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import engine
from engine.exceptions import EngineError, StorageError
from graph.core.storage import Storage
from graph.jobs.requests import key_of
from tests.processes import PATIENCE
from tests.stack import Backends


def wait(body: dict[str, Any]) -> dict[str, Any]:
    return json.loads(engine.submit(json.dumps(body)).wait(PATIENCE))


def job(storage: Storage, name: str, prefix: str, **spec: Any) -> dict[str, Any]:
    return {
        "spec": {"version": 1, **spec},
        "inputs": {"input": {"url": storage.url(name), "fileName": "orders.csv"}},
        "output": {"url": storage.url(prefix)},
        "storage": storage.engine_storage(),
    }


async def test_a_job_reads_from_and_streams_to_storage(backends: Backends, tmp_path: Any) -> None:
    rows = 600_000
    text = b"id,text\n" + b"".join(b"%d,some text that is not short at all %d\n" % (n, n * n) for n in range(rows))
    text += b"broken\n"
    async with await Storage.open(backends.settings) as storage:
        await storage.put("w/engine/source", text)
        body = job(storage, "w/engine/source", "w/engine/out-1/", output={"format": "csv"})
        report = await asyncio.to_thread(wait, body)
        assert (report["rowsIn"], report["rowsOut"], report["rowsRejected"]) == (rows + 1, rows, 1)
        assert report["bytesRead"] == len(text)
        assert report["files"][0]["url"] == storage.url("w/engine/out-1/part-00000.csv")
        assert report["rejects"]["url"] == storage.url("w/engine/out-1/rejects.csv")
        size = report["files"][0]["sizeBytes"]
        assert size == len(text) - len(b"broken\n") > 16 << 20  # so it was sent in parts
        written = await storage.get_range("w/engine/out-1/part-00000.csv", 0, size)
        assert written == text[:size]

        again = job(storage, "w/engine/out-1/part-00000.csv", "w/engine/out-1/", output={"format": "csv"})
        with pytest.raises(StorageError) as raised:
            await asyncio.to_thread(wait, again)
        assert raised.value.code == "OUTPUT_EXISTS"

        steps = [{"filter": {"where": "id < 1000"}}]
        parquet = job(storage, "w/engine/source", "w/engine/out-2/", steps=steps)
        report = await asyncio.to_thread(wait, parquet)
        size = report["files"][0]["sizeBytes"]
        (tmp_path / "part.parquet").write_bytes(await storage.get_range("w/engine/out-2/part-00000.parquet", 0, size))
        assert pq.read_table(tmp_path / "part.parquet")["id"].to_pylist() == list(range(1000))

        back = job(storage, "w/engine/out-2/part-00000.parquet", "w/engine/out-3/", output={"format": "csv"})
        back["inputs"]["input"]["fileName"] = "part-00000.parquet"
        report = await asyncio.to_thread(wait, back)
        assert report["rowsOut"] == 1000


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
async def test_an_object_that_changes_under_the_job_is_an_error(backends: Backends, form: str, tmp_path: Path) -> None:
    """Never a mix: the result is of one version, or there is none."""
    versions = []
    for number in (1, 2):
        # incompressible, so that there is much to read
        table = pa.table({"v": pa.repeat(number, 300_000), "t": [os.urandom(40).hex() for _ in range(300_000)]})
        path = tmp_path / f"{number}.{form}"
        match form:
            case "csv":
                pacsv.write_csv(table, path)
            case "parquet":
                pq.write_table(table, path, row_group_size=20_000)
            case _:
                feather.write_feather(table, path, chunksize=20_000)
        versions.append(path.read_bytes())
    async with await Storage.open(backends.settings) as storage:
        codes = []
        for number in range(10):
            await storage.put(f"w/engine/changing.{form}", versions[0])
            prefix = f"w/engine/changed-{form}-{number}/"
            # sorted, so that reading takes a while
            steps = [{"sort": {"by": [{"column": "t"}]}}]
            body = job(storage, f"w/engine/changing.{form}", prefix, steps=steps, output={"format": "csv"})
            body["inputs"]["input"]["fileName"] = f"a.{form}"
            handle = engine.submit(json.dumps({**body, "threads": 1}))
            while handle.progress()["bytesRead"] < number * 4 << 20 and not handle.is_done():
                await asyncio.sleep(0.001)
            await storage.put(f"w/engine/changing.{form}", versions[1])
            try:
                report = json.loads(await asyncio.to_thread(handle.wait, PATIENCE))
            except EngineError as error:
                codes.append((error.code, error.retryable))
                assert [item.key async for item in storage.list_keys(prefix)] == []
            else:
                data = await storage.get_range(f"{prefix}part-00000.csv", 0, report["files"][0]["sizeBytes"])
                assert {line[0] for line in data.decode().splitlines()[1:]} in ({"1"}, {"2"})
        assert set(codes) == {("INPUT_CHANGED", True)}


async def test_partitions_appear_on_storage_all_together_or_not_at_all(backends: Backends) -> None:
    cities = [b"Oslo", b"New York", b"a/b", "Z\u00fcrich".encode(), b""]
    rows = 400_000
    # one partition is bigger than a part of an upload, the others are smaller
    text = b"id,city,text\n" + b"".join(
        b"%d,%b,a text that is not short at all, so that parts are needed %d\n"
        % (n, cities[0 if n % 4 else n % 5], n * n)
        for n in range(rows)
    )
    form = {"format": "csv", "partitionBy": ["city"]}
    prefix = "w/engine/parts/"
    async with await Storage.open(backends.settings) as storage:
        await storage.put("w/engine/cities", text.replace(b"all, so", b"all so"))
        failing = [{"derive": {"columns": [{"name": "x", "expr": f"1 / ({rows - 1} - id)"}]}}]
        with pytest.raises(EngineError) as failed:
            await asyncio.to_thread(wait, job(storage, "w/engine/cities", prefix, output=form, steps=failing))
        assert failed.value.code == "VALUE_ERROR"
        assert [item.key async for item in storage.list_keys(prefix)] == []

        report = await asyncio.to_thread(wait, job(storage, "w/engine/cities", prefix, output=form))
        keys = [key_of(file["url"]) for file in report["files"]]
        assert keys == [f"{prefix}{file['name']}" for file in report["files"]]
        assert sorted(keys) == sorted([item.key async for item in storage.list_keys(prefix)])
        assert {file["partition"][0]["value"] for file in report["files"]} == {
            "Oslo",
            "New York",
            "a/b",
            "Z\u00fcrich",
            None,
        }
        assert max(file["sizeBytes"] for file in report["files"]) > 16 << 20
        assert sum(file["rows"] for file in report["files"]) == rows
        for file, key in zip(report["files"], keys, strict=True):
            assert len(await storage.get_range(key, 0, file["sizeBytes"])) == file["sizeBytes"]
            # each can be read again under the address that the service makes of its key
            again = job(storage, key, f"w/engine/again/{file['name'].encode().hex()}/", output={"format": "parquet"})
            assert (await asyncio.to_thread(wait, again))["rowsOut"] == file["rows"]

        with pytest.raises(StorageError) as raised:
            await asyncio.to_thread(wait, job(storage, "w/engine/cities", prefix, output=form))
        assert raised.value.code == "OUTPUT_EXISTS"
        replaced = job(storage, "w/engine/cities", prefix, output={"format": "csv", "maxFileBytes": 10 << 20})
        replaced["output"]["overwrite"] = True
        report = await asyncio.to_thread(wait, replaced)
        assert len(report["files"]) > 2
        found = [item.key async for item in storage.list_keys(prefix)]
        assert sorted(found) == [f"{prefix}part-{n:05}.csv" for n in range(len(report["files"]))]


async def test_a_cancelled_job_leaves_no_object_and_no_upload(backends: Backends) -> None:
    text = b"id,text\n" + b"".join(b"%d,some text that is not short at all %d\n" % (n, n * n) for n in range(200_000))
    # milliards of pairs: no engine is done before it is cancelled
    pairs = {"sql": {"query": "SELECT a.* FROM input a JOIN input b ON a.id % 5 = b.id % 5"}}
    async with await Storage.open(backends.settings) as storage:
        await storage.put("w/engine/cancel", text)
        body = job(storage, "w/engine/cancel", "w/engine/out-4/", steps=[pairs], output={"format": "csv"})
        handle = engine.submit(json.dumps(body))
        deadline = time.monotonic() + PATIENCE
        while handle.progress()["bytesWritten"] < 20 << 20 and not handle.is_done() and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        handle.cancel()
        with pytest.raises(EngineError) as raised:
            await asyncio.to_thread(handle.wait, PATIENCE)
        assert raised.value.code == "CANCELLED"
        assert await storage.head("w/engine/out-4/part-00000.csv") is None
        assert [upload for upload in await storage.list_multiparts() if "out-4" in str(upload)] == []


async def test_missing_objects_wrong_keys_and_storage_that_is_gone(backends: Backends) -> None:
    async with await Storage.open(backends.settings) as storage:
        body = job(storage, "w/engine/nothing", "w/engine/out-5/")
        with pytest.raises(EngineError) as missing:
            await asyncio.to_thread(wait, body)
        assert missing.value.code == "INPUT_NOT_FOUND"

        body["storage"]["secretAccessKey"] = "wrong"
        with pytest.raises(EngineError) as denied:
            await asyncio.to_thread(wait, body)
        assert denied.value.code == "STORAGE_DENIED"

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            body["storage"]["endpoint"] = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(EngineError) as gone:
            await asyncio.to_thread(wait, body)
        assert (gone.value.code, gone.value.retryable) == ("STORAGE_UNAVAILABLE", True)
