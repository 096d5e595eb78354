"""Whose turn it is: claims share the workers between workspaces, and no workspace passes its limit, on real rows.

The jobs are rows put in directly: the order of claims does not depend on what a job does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from graph.context import Services
from graph.core.ids import uuid7
from graph.jobs.claim_repository import Room
from graph.jobs.leases import Assignment, Leases
from graph.models import Job
from tests.graph.client import User
from tests.workers.conftest import forget_jobs

MIB = 1024 * 1024
ERROR = {"code": "BAD_ROW", "message": "of no matter", "retryable": False}


@pytest.fixture(autouse=True)
async def _alone(services: Services) -> None:
    """No job of another test waits."""
    await forget_jobs(services)


def leases_of(services: Services, **changes: Any) -> Leases:
    """The workers' side of the table."""
    settings = services.settings.model_copy(update=changes)
    return Leases(services.db, services.storage, services.events, settings)


async def put(user: User, number: int, *, waited: float = 0, **values: Any) -> list[UUID]:
    """Queue jobs that have waited so many seconds, each a little less than the one before; return their ids."""
    ids = [uuid7() for _ in range(number)]
    rows = [
        {"id": job, "workspace_id": user.workspace_id, "name": "j", "spec": {}, "inputs": [], **values} for job in ids
    ]
    async with user.services.db.tenant(user.workspace_id) as session:
        await session.execute(insert(Job), rows)
        await session.execute(
            text(
                "UPDATE jobs SET next_attempt_at = now() - make_interval(secs => :waited) "
                "+ make_interval(secs => array_position(:ids, id) / 1e6) WHERE id = ANY(:ids)"
            ),
            {"waited": waited, "ids": ids},
        )
    return ids


async def limit(user: User, most: int | None) -> None:
    """Let the workspace run so many jobs at once."""
    async with user.services.db.system() as session:
        await session.execute(
            text("UPDATE workspaces SET max_running_jobs = :most WHERE id = :id"),
            {"most": most, "id": user.workspace_id},
        )


async def move(services: Services, column: str, job: UUID) -> None:
    """Let a moment of the job's be a minute ago."""
    async with services.db.system() as session:
        await session.execute(text(f"UPDATE jobs SET {column} = now() - interval '1 min' WHERE id = :id"), {"id": job})


async def claim_all(leases: Leases, number: int) -> list[Assignment]:
    """Claim so many in turn, fewer when there are no more."""
    taken = [await leases.claim("w") for _ in range(number)]
    return [work for work in taken if work is not None]


def owners(works: Sequence[Assignment], **names: User) -> str:
    """Whose the claimed jobs are, one letter each."""
    letters = {person.workspace_id: name for name, person in names.items()}
    return "".join(letters[work.workspace_id] for work in works)


async def test_workspaces_take_turns_however_much_one_has_queued(
    services: Services, user: User, stranger: User
) -> None:
    leases = leases_of(services)
    many = await put(user, 500, waited=60)
    (one,) = await put(stranger, 1)
    works = await claim_all(leases, 4)
    assert owners(works, a=user, b=stranger) == "abaa"
    assert [work.job_id for work in works] == [many[0], one, many[1], many[2]]


async def test_with_one_slot_too_nobody_waits_for_the_others_whole_queue(
    services: Services, user: User, stranger: User
) -> None:
    leases = leases_of(services)
    await put(user, 20, waited=60)
    await put(stranger, 3)
    works = []
    for _ in range(8):  # each job ends before the next one is taken: nobody ever runs one
        (work,) = await claim_all(leases, 1)
        await leases.fail(work, ERROR)
        works.append(work)
    assert owners(works, a=user, b=stranger) == "abababaa"


async def test_priority_goes_before_fairness_and_age(services: Services, user: User, stranger: User) -> None:
    leases = leases_of(services)
    await put(user, 2, waited=90, priority=-1)
    normal = await put(user, 2, waited=60)
    (late,) = await put(user, 1, priority=5)
    (other,) = await put(stranger, 1, waited=30)
    works = await claim_all(leases, 6)
    assert [work.job_id for work in works[:4]] == [late, other, *normal]
    assert owners(works, a=user, b=stranger) == "abaaaa"


async def test_a_job_that_is_tried_again_keeps_its_place(services: Services, user: User) -> None:
    """Its worker died: it does not wait behind all that was queued since, but for the pause before its next attempt."""
    leases = leases_of(services)
    first, second, *_ = await put(user, 50, waited=60)
    (lost,) = await claim_all(leases, 1)
    assert lost.job_id == first
    await move(services, "lease_until", first)
    assert [job for job, *_ in await leases.expire()] == [first]
    (work,) = await claim_all(leases, 1)
    assert work.job_id == second, "nobody waits for its pause to end"
    await move(services, "next_attempt_at", first)
    (work,) = await claim_all(leases, 1)
    assert (work.job_id, work.attempt) == (first, 2)


async def test_a_workspace_never_passes_its_limit_also_when_many_claim_at_once(
    services: Services, user: User, stranger: User
) -> None:
    leases = leases_of(services, workspace_max_running_jobs=3)
    await put(user, 20, waited=60)
    await put(stranger, 20)
    await limit(stranger, 2)
    taken = await asyncio.gather(*(leases.claim(f"w{number}") for number in range(20)))
    works = [work for work in taken if work is not None]
    assert sorted(owners(works, a=user, b=stranger)) == list("aaabb")
    assert len({work.job_id for work in works}) == 5
    assert await leases.claim("w") is None
    # the one that ends makes room for exactly one more, of the same workspace
    await leases.fail(next(work for work in works if work.workspace_id == stranger.workspace_id), ERROR)
    assert owners(await claim_all(leases, 2), a=user, b=stranger) == "b"
    # nothing is counted by hand: a lease that ends frees the slot too
    async with services.db.system() as session:
        await session.execute(
            text(
                "UPDATE jobs SET lease_until = now() - interval '1 s' WHERE status = 'RUNNING' AND workspace_id = :id"
            ),
            {"id": user.workspace_id},
        )
    assert len(await leases.expire()) == 3
    assert owners(await claim_all(leases, 5), a=user, b=stranger) == "aaa"


async def test_a_claim_by_name_obeys_the_limit(services: Services, user: User) -> None:
    leases = leases_of(services)
    first, second = await put(user, 2)
    await limit(user, 1)
    taken = await asyncio.gather(leases.claim("w1", first), leases.claim("w2", second))
    (work,) = [work for work in taken if work is not None]
    rest = second if work.job_id == first else first
    assert await leases.claim("w", rest) is None
    await leases.fail(work, ERROR)
    assert await leases.claim("w", rest) is not None
    assert await leases.claim("w", uuid7()) is None


async def test_a_limit_of_none_at_all_holds_a_workspace_back(services: Services, user: User) -> None:
    leases = leases_of(services)
    await put(user, 3)
    await limit(user, 0)
    assert await leases.claim("w") is None
    await limit(user, None)
    assert len(await claim_all(leases, 5)) == 3


async def test_lowering_a_limit_below_what_runs_takes_nothing_more(services: Services, user: User) -> None:
    leases = leases_of(services)
    await put(user, 10)
    works = await claim_all(leases, 4)
    await limit(user, 2)
    for work in works[:2]:
        assert await leases.claim("w") is None
        await leases.fail(work, ERROR)
    assert await leases.claim("w") is None
    await leases.fail(works[2], ERROR)
    assert await leases.claim("w") is not None


async def test_of_many_claims_at_once_each_finds_a_job_of_its_own(services: Services, user: User) -> None:
    leases = leases_of(services)
    await put(user, 16)
    taken = await asyncio.gather(*(leases.claim(f"w{number}") for number in range(16)))
    assert len({work.job_id for work in taken if work is not None}) == 16


async def test_what_does_not_fit_into_the_memory_is_passed_over_but_not_for_ever(
    services: Services, user: User, stranger: User
) -> None:
    leases = leases_of(services)
    (large,) = await put(user, 1, waited=5, memory_limit_bytes=900 * MIB)
    small = await put(stranger, 3, memory_limit_bytes=100 * MIB)
    (huge,) = await put(user, 1, waited=600, memory_limit_bytes=5000 * MIB)
    tight = Room(total=1000 * MIB, free=600 * MIB, default=500 * MIB)
    work = await leases.claim("w", room=tight)
    assert work is not None
    assert (work.job_id, work.memory_limit) == (small[0], 100 * MIB)
    async with services.db.system() as session:
        await session.execute(
            text("UPDATE jobs SET next_attempt_at = next_attempt_at - interval '40 s' WHERE id = :id"), {"id": large}
        )
    # now it has waited long enough: smaller jobs behind it let the memory become free
    assert await leases.claim("w", room=tight) is None
    work = await leases.claim("w", room=Room(total=1000 * MIB, free=1000 * MIB, default=500 * MIB))
    assert work is not None
    assert work.job_id == large
    assert await leases.claim("w", room=tight) is not None
    assert await leases.claim("w", huge, room=tight) is None


async def test_a_job_that_asks_for_no_memory_gets_the_usual(services: Services, user: User) -> None:
    leases = leases_of(services)
    await put(user, 1)
    assert await leases.claim("w", room=Room(total=1000, free=400, default=500)) is None
    work = await leases.claim("w", room=Room(total=1000, free=500, default=500))
    assert work is not None
    assert work.memory_limit == 500
