"""Webhooks through GraphQL: the secret shown once, addresses refused, changes, lists, and whose they are."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from graph.core.ids import from_global, to_global, uuid7
from graph.models import AuditLog, Membership
from tests.graph.client import User
from tests.graph.webhooks.asking import (
    CREATE,
    DELETE,
    REDELIVER,
    UPDATE,
    WEBHOOKS,
    deliveries,
    look,
    make_webhook,
    set_delivery,
)
from tests.workers.helpers import CANCEL, make_dataset, run_job

URL = "https://example.org/hooks"


async def test_the_secret_is_shown_once(user: User) -> None:
    webhook, secret = await make_webhook(user, URL)
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert webhook["events"] == ["JOB_SUCCEEDED", "JOB_FAILED", "JOB_CANCELLED"]
    body = await user.post("query ($id: ID!) { webhook(id: $id) { secret } }", id=webhook["id"])
    assert body["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    document = "query ($id: ID!) { node(id: $id) { ... on Webhook { url } } }"
    assert (await user.ask(document, id=webhook["id"]))["url"] == URL


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.org", "URL_INVALID"),
        ("example.org", "URL_INVALID"),
        ("https://", "URL_INVALID"),
        ("https://user:password@example.org", "URL_INVALID"),
        ("https://example.org/#part", "URL_INVALID"),
        ("https://example.org/a b", "URL_INVALID"),
        ("https://example.org:99999/", "URL_INVALID"),
        ("https://example.org/" + "x" * 2000, "URL_INVALID"),
        ("http://10.0.0.1/", "URL_FORBIDDEN"),
        ("http://169.254.169.254/latest/meta-data", "URL_FORBIDDEN"),
        ("http://[::1]/", "URL_FORBIDDEN"),
        ("http://[::ffff:10.0.0.1]/", "URL_FORBIDDEN"),
    ],
)
async def test_urls_that_are_refused(user: User, url: str, code: str) -> None:
    answer = await user.ask(CREATE, input={"url": url})
    assert (answer["code"], answer["path"]) == (code, ["url"])
    assert (await user.ask(CREATE, input={"url": URL, "events": []}))["code"] == "EVENTS_MISSING"


async def test_changes_lists_and_deletion(user: User) -> None:
    made = [(await make_webhook(user, URL))[0] for _ in range(3)]
    page = await user.ask(WEBHOOKS, first=2)
    assert [each["id"] for each in page["nodes"]] == [made[2]["id"], made[1]["id"]]
    rest = await user.ask(WEBHOOKS, first=2, after=page["pageInfo"]["endCursor"])
    assert [each["id"] for each in rest["nodes"]] == [made[0]["id"]]
    changes = {"id": made[0]["id"], "url": "https://example.com/new", "events": ["JOB_FAILED"], "enabled": False}
    changed = (await user.ask(UPDATE, input=changes))["webhook"]
    assert (changed["url"], changed["events"], changed["enabled"]) == (changes["url"], ["JOB_FAILED"], False)
    assert (await user.ask(UPDATE, input={"id": made[0]["id"], "url": "http://10.1.1.1"}))["code"] == "URL_FORBIDDEN"
    assert (await user.ask(DELETE, input={"id": made[0]["id"]}))["id"] == made[0]["id"]
    assert await look(user, made[0]) is None
    key = from_global(made[0]["id"], "Webhook")
    async with user.services.db.tenant(user.workspace_id) as session:
        rows = list(await session.scalars(select(AuditLog).where(AuditLog.object_id == key).order_by(AuditLog.id)))
    assert [row.action for row in rows] == ["webhook.create", "webhook.update", "webhook.delete"]
    assert all("hooks" not in str(row.data) and "whsec" not in str(row.data) for row in rows)


async def test_a_workspace_has_a_bounded_number(user: User) -> None:
    for _ in range(20):
        await make_webhook(user, URL)
    assert (await user.ask(CREATE, input={"url": URL}))["code"] == "TOO_MANY_WEBHOOKS"


async def test_others_neither_see_nor_change_it(user: User, stranger: User) -> None:
    webhook, _ = await make_webhook(user, URL)
    job = await run_job(user, await make_dataset(user))
    await user.ask(CANCEL, input={"id": job})
    (delivery,) = await deliveries(user, webhook)
    assert await look(stranger, webhook) is None
    assert (await stranger.ask(WEBHOOKS, first=10))["nodes"] == []
    assert (await stranger.ask(UPDATE, input={"id": webhook["id"], "enabled": False}))["code"] == "NOT_FOUND"
    assert (await stranger.ask(DELETE, input={"id": webhook["id"]}))["code"] == "NOT_FOUND"
    assert (await stranger.ask(REDELIVER, input={"id": delivery["id"]}))["code"] == "NOT_FOUND"
    document = "query ($id: ID!) { node(id: $id) { id } }"
    assert await stranger.ask(document, id=delivery["id"]) is None
    assert (await user.ask(document, id=delivery["id"]))["id"] == delivery["id"]


async def test_what_cannot_be_sent_again(user: User) -> None:
    webhook, _ = await make_webhook(user, URL)
    await user.ask(CANCEL, input={"id": await run_job(user, await make_dataset(user))})
    (delivery,) = await deliveries(user, webhook)
    unknown = to_global("WebhookDelivery", uuid7())
    assert (await user.ask(REDELIVER, input={"id": unknown}))["code"] == "NOT_FOUND"
    await set_delivery(user, delivery, lease_until=datetime.now(UTC) + timedelta(hours=1))
    assert (await user.ask(REDELIVER, input={"id": delivery["id"]}))["code"] == "DELIVERY_UNDER_WAY"
    await user.ask(UPDATE, input={"id": webhook["id"], "enabled": False})
    assert (await user.ask(REDELIVER, input={"id": delivery["id"]}))["code"] == "WEBHOOK_DISABLED"


async def test_viewers_read_and_do_not_write(user: User, stranger: User) -> None:
    async with user.services.db.system() as session:
        session.add(Membership(workspace_id=stranger.workspace_id, user_id=user.id, role="VIEWER"))
    user.http.headers["X-Workspace"] = to_global("Workspace", stranger.workspace_id)
    assert (await user.ask(WEBHOOKS, first=10))["nodes"] == []
    for document in (CREATE, UPDATE, DELETE, REDELIVER):
        given = {"url": URL} if document is CREATE else {"id": "x"}
        assert (await user.ask(document, input=given))["__typename"] == "ForbiddenError"
