"""Live notices over real Redis pub/sub."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvloop

from graph.context import Services
from graph.core.events import RESYNC, Events, Subscription, job_channel, workspace_channel
from graph.core.ids import uuid7
from graph.core.settings import Settings
from tests.faults.proxy import Hurt, Proxy
from tests.processes import PATIENCE
from tests.stack import Backends


@pytest.fixture
async def events(services: Services) -> AsyncIterator[Events]:
    """Events of a process of its own."""
    made = Events(services.settings)
    yield made
    await made.close()


async def following(subscription: Subscription) -> Any:
    return await asyncio.wait_for(subscription.get(), PATIENCE)


async def test_a_notice_reaches_watchers_of_the_job_and_of_its_workspace(events: Events) -> None:
    job, workspace = uuid7(), uuid7()
    async with events.subscribe(job_channel(job)) as one, events.subscribe(workspace_channel(workspace)) as all_jobs:
        assert await events.publish_job(job, workspace, 7)
        assert await following(one) == {"job": str(job), "sequence": 7}
        assert await following(all_jobs) == {"job": str(job), "sequence": 7}


async def test_nothing_is_missed_after_entering(events: Events) -> None:
    for _ in range(20):
        channel = job_channel(uuid7())
        async with events.subscribe(channel) as subscription:
            await events.publish(channel, {"n": 1})
            assert await following(subscription) == {"n": 1}


async def test_other_channels_are_silent(events: Events) -> None:
    async with events.subscribe(job_channel(uuid7())) as subscription:
        await events.publish_job(uuid7(), uuid7(), 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(subscription.get(), 0.2)


async def test_many_watchers_share_one_connection(events: Events, services: Services) -> None:
    channel = job_channel(uuid7())
    before = int((await services.queue.redis.info("clients"))["connected_clients"])
    async with events.subscribe(channel) as first:
        others = [events.subscribe(channel) for _ in range(50)]
        subscriptions = [await other.__aenter__() for other in others]
        after = int((await services.queue.redis.info("clients"))["connected_clients"])
        await events.publish(channel, {"n": 1})
        for subscription in [first, *subscriptions]:
            assert await following(subscription) == {"n": 1}
        for other in others:
            await other.__aexit__(None, None, None)
    assert after - before <= 2


async def test_leaving_and_coming_back(events: Events) -> None:
    channel = job_channel(uuid7())
    for number in range(5):
        async with events.subscribe(channel) as subscription:
            await events.publish(channel, {"n": number})
            assert await following(subscription) == {"n": number}
    assert events._subscribers == {}


async def test_after_a_cut_connection_watchers_look_again_and_go_on(events: Events, services: Services) -> None:
    channel = job_channel(uuid7())
    async with events.subscribe(channel) as subscription:
        await events.publish(channel, {"n": 1})
        assert await following(subscription) == {"n": 1}
        await services.queue.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        assert await following(subscription) == RESYNC
        await events.publish(channel, {"n": 2})
        assert await following(subscription) == {"n": 2}


async def test_a_slow_reader_is_told_to_look_again() -> None:
    subscription = Subscription()
    for number in range(1001):
        subscription.put({"n": number})
    assert await subscription.get() == RESYNC


async def test_without_redis_publishing_says_so_and_subscribing_does_not_hang() -> None:
    settings = Settings.model_validate({"redis_url": "redis://127.0.0.1:1/0"})
    events = Events(settings)
    try:
        assert not await events.publish_job(uuid7(), uuid7(), 1)
        async with asyncio.timeout(PATIENCE), events.subscribe("x"):
            pass
    finally:
        await events.close()


async def test_a_listening_connection_cut_without_a_word_is_noticed(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No RST ever comes, and what was published meanwhile is lost: subscribers are told to look again."""
    monkeypatch.setattr("graph.core.events._PING_SECONDS", 0.3)
    url = urlsplit(services.settings.redis_url)
    with Proxy("valkey", (str(url.hostname), int(url.port or 0)), random.Random(1)) as proxy:
        through = url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}").geturl()
        events = Events(services.settings.model_copy(update={"redis_url": through}))
        try:
            channel = job_channel(uuid7())
            async with events.subscribe(channel) as subscription:
                assert proxy.hurt(Hurt("half-open", "both")) == 1
                proxy.heal()
                assert await following(subscription) == RESYNC
                await events.publish(channel, {"n": 1})
                assert await following(subscription) == {"n": 1}
        finally:
            await events.close()


def test_a_connection_that_ends_under_a_write_costs_no_more_than_the_notice(backends: Backends) -> None:
    """uvloop, on which workers run, says RuntimeError then: it must not look as if the committed change had failed."""

    async def publish() -> list[bool]:
        events = Events(backends.settings)
        try:
            told = [await events.publish_job(uuid7(), uuid7(), 1)]
            (connection,) = events._redis.connection_pool._available_connections
            connection._writer.transport.abort()
            return [*told, await events.publish_job(uuid7(), uuid7(), 2), await events.publish_job(uuid7(), uuid7(), 3)]
        finally:
            await events.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(publish())
    assert (told[0], told[2]) == (True, True)
