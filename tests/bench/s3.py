"""Reading from S3: the engine beside a plain client that makes the same ranged GETs, and beside the local file.

The storage is SeaweedFS as `karyaksham up` starts it, on this machine: it takes its share of the same cores.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

import engine
from graph.core.storage import Storage
from tests.bench.peers.run import PIPELINES
from tests.stack import CONTENT_TYPE, Backends, backends_in

# As the engine reads: engine/src/scan/source.rs.
RANGE_BYTES = 8 << 20
AT_ONCE = 8
KEY = "w/bench/orders.csv"


def plain_get(address: str, size: int) -> float:
    """Read an object by ranges, several at once, into memory; return the seconds."""
    url = urlsplit(address)
    path = f"{url.path}?{url.query}"

    def read(first: int) -> int:
        connection = http.client.HTTPConnection(str(url.hostname), url.port or 80)
        buffer = memoryview(bytearray(RANGE_BYTES))
        count = 0
        for start in range(first * RANGE_BYTES, size, AT_ONCE * RANGE_BYTES):
            end = min(start + RANGE_BYTES, size)
            connection.request("GET", path, headers={"Range": f"bytes={start}-{end - 1}"})
            answer = connection.getresponse()
            done = 0
            while got := answer.readinto(buffer[done:]):
                done += got
            if answer.status != 206 or done != end - start:
                raise RuntimeError(f"a range answered {answer.status} with {done} bytes")
            count += done
        return count

    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        if sum(pool.map(read, range(AT_ONCE))) != size:
            raise RuntimeError("bytes are missing")
    return time.perf_counter() - started


def run(pipeline: str, source: str, storage: dict[str, Any] | None, folder: Path) -> float:
    """Run a workload from an address to a local file; return the seconds."""
    request = {
        "spec": json.loads((PIPELINES / f"{pipeline}.json").read_text()),
        "inputs": {"input": {"url": source, "fileName": "orders.csv"}},
        "output": {"url": str(folder / "out"), "overwrite": True},
        "storage": storage,
    }
    started = time.perf_counter()
    report = json.loads(engine.submit(json.dumps(request)).wait(600))
    if not report["rowsOut"]:
        raise RuntimeError("no rows came out")
    return time.perf_counter() - started


async def described(backends: Backends) -> tuple[str, dict[str, Any]]:
    """The object's address and the storage for the engine; the bucket is made."""
    async with await Storage.open(backends.settings) as storage:
        await storage.ensure_bucket_and_cors(backends.settings.origins)
        return storage.url(KEY), storage.engine_storage()


def measure(orders: Path, runs: int) -> list[str]:
    """Figures as lines of Markdown."""
    size = orders.stat().st_size
    with tempfile.TemporaryDirectory(dir=orders.parent) as name, backends_in(Path(name) / "data") as backends:
        folder = Path(name)
        url, storage = asyncio.run(described(backends))
        client = boto3.client(
            "s3",
            endpoint_url=storage["endpoint"],
            region_name=storage["region"],
            aws_access_key_id=storage["accessKeyId"],
            aws_secret_access_key=storage["secretAccessKey"],
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )
        bucket = urlsplit(url).netloc
        # In one request: SeaweedFS stores parts that come without our type, as boto3 sends them, compressed, and serves
        # them at a fifth of the rate.
        with orders.open("rb") as body:
            client.put_object(Bucket=bucket, Key=KEY, Body=body, ContentType=CONTENT_TYPE)
        signed = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": KEY}, ExpiresIn=36_000)
        cases = {
            "plain client, the same ranged GETs": lambda: plain_get(signed, size),
            "W1 from S3": lambda: run("w1", url, storage, folder),
            "W1 from the local file": lambda: run("w1", str(orders), None, folder),
            "W3 from S3": lambda: run("w3", url, storage, folder),
            "W3 from the local file": lambda: run("w3", str(orders), None, folder),
        }
        # In turn, so that what else the machine does meets all of them.
        taken = [{case: work() for case, work in cases.items()} for _ in range(runs + 1)][1:]
    seconds = {case: statistics.median(one[case] for one in taken) for case in cases}
    plain, w1, _, w3, w3_local = seconds.values()
    return [
        "| | seconds | GB/s |",
        "| --- | --- | --- |",
        *(f"| {case} | {took:.2f} | {size / took / 1e9:.2f} |" for case, took in seconds.items()),
        "",
        f"W1 from S3 at {plain / w1:.0%} of the plain client's rate; W3 in {w3 / w3_local:.2f} × its local time. "
        f"{size / 1e9:.2f} GB, {AT_ONCE} ranges of {RANGE_BYTES >> 20} MiB at once, medians of {runs} runs in turn.",
    ]
