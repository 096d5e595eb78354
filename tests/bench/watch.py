"""A job as a client sees it: sent by HTTP, its end seen by subscription over WebSocket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
import websockets

from tests.stack import RUN_JOB, Account

UPDATED = "subscription($id: ID!) { jobUpdated(id: $id) { status startedAt finishedAt error { code message } } }"
PROTOCOL = websockets.Subprotocol("graphql-transport-ws")


async def run_job(account: Account, spec: Mapping[str, Any], dataset: str) -> float:
    """Run a job; return seconds from sending runJob to SUCCEEDED seen by subscription."""
    async with (
        websockets.connect(account.graphql_url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as socket,
        httpx.AsyncClient(timeout=60, headers=account.headers) as http,
    ):
        init = {"type": "connection_init", "payload": {"authorization": account.headers["Authorization"]}}
        await socket.send(json.dumps(init))
        await socket.recv()
        # The connection to the API is open beforehand, as a browser's is.
        await http.post(account.graphql_url, json={"query": "{ me { id } }"})
        started = time.perf_counter()
        variables = {"i": {"spec": spec, "inputs": [{"name": "input", "datasetId": dataset}]}}
        answer = await http.post(account.graphql_url, json={"query": RUN_JOB, "variables": variables})
        job = answer.json()["data"]["runJob"]["job"]["id"]
        subscribe = {"type": "subscribe", "id": "1", "payload": {"query": UPDATED, "variables": {"id": job}}}
        await socket.send(json.dumps(subscribe))
        async for message in socket:
            event = json.loads(message)
            if event["type"] == "ping":
                await socket.send('{"type":"pong"}')
            if event["type"] != "next":
                continue
            update = event["payload"]["data"]["jobUpdated"]
            if update["status"] == "SUCCEEDED":
                return time.perf_counter() - started
            if update["status"] in {"FAILED", "CANCELLED"}:
                raise RuntimeError(json.dumps(update))
    raise RuntimeError("the subscription ended before the job did")


def run_jobs(account: Account, spec: Mapping[str, Any], dataset: str, times: int) -> list[float]:
    """Run the same job `times` times, one after the other; return the seconds of each."""

    async def loop() -> list[float]:
        return [await run_job(account, spec, dataset) for _ in range(times)]

    return asyncio.run(loop())
