"""Every field, mutation and subscription of the schema, asked with one tenant's ids by another tenant and by nobody.

Proves: none answers with the tenant's data, none tells their ids from ids that do not exist, and none changes a row of
theirs; by HTTP, WebSocket and event stream, with a session and with an API token. The owner asks the same documents and
is answered, so that a walk of wrong documents fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.graph.tenants.documents import SPEC, Document, all_fields, documents, fields_of
from tests.graph.tenants.world import Tenant, rows_of, settle, strings, unknown_ids
from tests.processes import PATIENCE
from tests.stack import Account, Stack

WALK: Final = list(documents())
# fields that anybody may ask: they answer about the caller alone
OPEN: Final = {
    *{"me", "signInMethods", "register", "logIn", "refreshSession", "logOut"},
    *{"confirmLogIn", "requestPasswordReset", "resetPassword", "verifyEmail"},
}
# these end the session that asks
ENDING: Final = {"logOut", "logOutEverywhere"}
# what the system's administrators alone may ask
ADMINISTRATORS: Final = {
    *{"systemStatus", "throughputHistory", "adminUsers", "adminJobs", "auditLog", "orphanSweep"},
    *{
        "setWorkspaceLimits",
        "setRetentionPolicy",
        "adminCancelJob",
        "adminRequeueJob",
        "drainWorker",
        "resumeWorker",
        "setUserDisabled",
        "resetUserSecondFactor",
    },
    *{"systemStatusChanged", "setRetentionPolicy"},
}
CLOSED: Final = {"NOT_FOUND", "FORBIDDEN", "UNAUTHENTICATED", "SESSION_REQUIRED", "WORKSPACE_UNKNOWN"}


@pytest.fixture(scope="module")
def a(stack: Stack) -> Tenant:
    """The tenant whose things nobody else may see."""
    return settle(stack)


@pytest.fixture(scope="module")
def b(stack: Stack) -> Tenant:
    """Another one, with the same things of their own."""
    return settle(stack)


@contextmanager
def untouched(stack: Stack, tenant: Tenant) -> Iterator[None]:
    """Fail if a row of the tenant's differs afterwards."""
    before = rows_of(stack, tenant)
    assert sum(bool(rows) for rows in before.values()) > 12, "the tenant has hardly anything to lose"
    yield
    after = rows_of(stack, tenant)
    assert {name for name in before if before[name] != after[name]} == set()


def value_of(document: Document, body: Mapping[str, Any]) -> Any:
    return (body.get("data") or {}).get(document.root)


def codes(document: Document, body: Mapping[str, Any]) -> set[str]:
    """Codes of the errors of an answer, in the result or beside it."""
    value = value_of(document, body)
    beside = {(error.get("extensions") or {}).get("code", "?") for error in body.get("errors") or ()}
    return beside | ({value["code"]} if isinstance(value, dict) and "code" in value else set())


def refused(document: Document, body: Mapping[str, Any]) -> bool:
    """Whether nothing was given or done."""
    value = value_of(document, body)
    if document.root == "validatePipeline" and value is not None:
        return value["valid"] is False
    return value is None or ("code" in value and not str(value.get("__typename")).endswith("Success"))


def told(body: Any, tenant: Tenant) -> set[str]:
    """What an answer gives away of a tenant."""
    texts = "\n".join(strings(body))
    return {secret for secret in tenant.secrets if secret in texts}


def shape(body: Any) -> str:
    """An answer without what differs from one asking to the next: ids and times."""
    errors = [(each["message"], (each.get("extensions") or {}).get("code")) for each in body.get("errors") or ()]
    plain = json.dumps([body.get("data"), errors], sort_keys=True)
    return re.sub(r"[A-Za-z0-9_+/=-]{40,}|[0-9a-f-]{32,36}|\d{4}-\d\d-\d\dT[0-9:.+]+", "*", plain)


def stream(caller: Account, document: Document) -> dict[str, Any]:
    """The first answer of a subscription by server-sent events; {} when it ends without one."""
    headers = caller.headers | {"Accept": "text/event-stream"}
    payload = {"query": document.text, "variables": document.arguments}
    with caller.http.stream("POST", caller.graphql_url, json=payload, headers=headers) as answer:
        if not answer.headers["content-type"].startswith("text/event-stream"):
            body: dict[str, Any] = json.loads(answer.read())
            return body
        event = ""
        for line in answer.iter_lines():
            if line.startswith("event:"):
                event = line[6:].strip()
                if event == "complete":
                    return {}
            elif line.startswith("data:") and event == "next":
                return dict(json.loads(line[5:]))
    return {}


def socket(url: str, payload: Any) -> ClientConnection:
    """A socket that has sent connection_init."""
    opened = connect(url.replace("http", "ws", 1), subprotocols=[Subprotocol("graphql-transport-ws")])
    opened.send(json.dumps({"type": "connection_init", "payload": payload}))
    return opened


def over_socket(opened: ClientConnection, document: Document, key: str) -> dict[str, Any]:
    """The first answer of an operation over a socket; {} when it ends without one."""
    payload = {"query": document.text, "variables": document.arguments}
    opened.send(json.dumps({"type": "subscribe", "id": key, "payload": payload}))
    while True:
        message = json.loads(opened.recv(PATIENCE))
        if message["type"] == "ping":
            opened.send('{"type":"pong"}')
        elif message.get("id") != key:
            continue
        elif message["type"] == "complete":
            return {}
        else:
            opened.send(json.dumps({"type": "complete", "id": key}))
            payload = message["payload"]
            return {"errors": payload} if isinstance(payload, list) else payload


def ask(caller: Account, document: Document) -> dict[str, Any]:
    """The answer by HTTP, of subscriptions by event stream; those without an id wait for ever and are asked apart."""
    return (
        stream(caller, document) if document.kind == "subscription" else caller.post(document.text, document.arguments)
    )


def asked(stack: Stack) -> Iterator[Document]:
    """The walk without what only waits."""
    return (each for each in WALK if each.kind != "subscription" or each.ids or each.root in ADMINISTRATORS)


def check_stranger(document: Document, body: dict[str, Any], absent: dict[str, Any], a: Tenant) -> list[str]:
    """What is wrong about an answer to a stranger who used ids of A; `absent` is the answer for ids of nothing."""
    wrong = []
    if leaked := told(body, a):
        wrong.append(f"{document.root} tells {leaked}: {body}")
    if document.ids and not refused(document, body):
        wrong.append(f"{document.root} answers: {body}")
    if document.root in ADMINISTRATORS and codes(document, body) != {"FORBIDDEN"}:
        wrong.append(f"{document.root} is not for administrators alone: {body}")
    if "INTERNAL_ERROR" in codes(document, body):
        wrong.append(f"{document.root} broke: {body}")
    if document.ids and shape(body) != shape(absent):
        wrong.append(f"{document.root} tells that it exists: {body} against {absent}")
    return wrong


def test_the_walk_asks_for_every_field() -> None:
    assert set.union(*(fields_of(each.text) for each in WALK)) == all_fields()
    assert len({each.root for each in WALK}) >= 62


@pytest.mark.parametrize("by", ["session", "token"])
def test_another_tenant_by_http(stack: Stack, a: Tenant, b: Tenant, by: str) -> None:
    caller = b.caller(token=b.token if by == "token" else None)
    wrong: list[str] = []
    with untouched(stack, a):
        for document in asked(stack):
            who = stack.register() if document.root in ENDING and by == "session" else caller
            absent = ask(who, document.with_ids(unknown_ids())) if document.ids else {}
            body = ask(who, document.with_ids(a.ids))
            wrong += check_stranger(document, body, absent, a)
            # one id of A's among the caller's own
            for place in range(len(document.ids) if len(document.ids) > 1 else 0):
                body = ask(who, document.with_ids(a.ids, b.ids, place))
                absent = ask(who, document.with_ids(unknown_ids(), b.ids, place))
                wrong += check_stranger(document, body, absent, a)
    assert wrong == []


def test_another_tenant_by_socket(stack: Stack, a: Tenant, b: Tenant) -> None:
    wrong: list[str] = []
    with untouched(stack, a), socket(stack.graphql_url, {"authorization": f"Bearer {b.account.token}"}) as opened:
        assert json.loads(opened.recv(PATIENCE))["type"] == "connection_ack"
        for number, document in enumerate(asked(stack)):
            if document.root in ENDING:
                continue  # they would end the socket
            absent = over_socket(opened, document.with_ids(unknown_ids()), f"{number}-") if document.ids else {}
            wrong += check_stranger(document, over_socket(opened, document.with_ids(a.ids), str(number)), absent, a)
    assert wrong == []


@pytest.mark.parametrize("workspace", ["personal", "shared"])
def test_a_workspace_of_others_cannot_be_entered(stack: Stack, a: Tenant, b: Tenant, workspace: str) -> None:
    wrong: list[str] = []
    with untouched(stack, a):
        for token in (b.account.token, b.token):
            caller = b.caller(token=token, workspace=a.workspaces[workspace])
            for document in asked(stack):
                body = ask(caller, document.with_ids(a.ids))
                if told(body, a) or (document.root not in OPEN and codes(document, body) != {"WORKSPACE_UNKNOWN"}):
                    wrong.append(f"{document.root}: {body}")
            payload = {"authorization": f"Bearer {token}", "workspace": a.workspaces[workspace]}
            with socket(stack.graphql_url, payload) as opened, pytest.raises(ConnectionClosed) as closed:
                opened.recv(PATIENCE)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4403
    assert wrong == []


@pytest.mark.parametrize("credentials", [None, "forged", "of-another-key"])
def test_nobody_is_answered(stack: Stack, a: Tenant, credentials: str | None) -> None:
    token = a.account.token or ""
    header, claims, signature = token.split(".")
    forged = {"forged": f"{header}.{claims}.{signature[::-1]}", "of-another-key": f"{header}.{claims}."}
    nobody = Account(stack.graphql_url, credentials and forged[credentials])
    wrong: list[str] = []
    with untouched(stack, a):
        for document in WALK:
            body = ask(nobody, document.with_ids(a.ids))
            if told(body, a) or "INTERNAL_ERROR" in codes(document, body):
                wrong.append(f"{document.root} answers nobody: {body}")
            elif document.root not in OPEN and (value_of(document, body) is not None or not codes(document, body)):
                wrong.append(f"{document.root} does something for nobody: {body}")
            elif document.root not in OPEN and not codes(document, body) <= {"UNAUTHENTICATED"}:
                wrong.append(f"{document.root} says something else: {body}")
    assert wrong == []


def test_nobody_gets_a_socket(stack: Stack, a: Tenant) -> None:
    for payload in (None, {}, {"authorization": "Bearer x"}, {"workspace": a.workspaces["personal"]}):
        with socket(stack.graphql_url, payload) as opened, pytest.raises(ConnectionClosed):
            opened.recv(PATIENCE)
    # not even by speaking first
    for document in WALK:
        address = stack.graphql_url.replace("http", "ws", 1)
        with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as opened:
            payload = {"query": document.text, "variables": document.with_ids(a.ids).arguments}
            opened.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
            with pytest.raises(ConnectionClosed) as closed:
                opened.recv(PATIENCE)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4401


def test_a_tenant_hears_of_their_own_jobs_alone(stack: Stack, a: Tenant, b: Tenant) -> None:
    def run(tenant: Tenant) -> str:
        return str(tenant.account.run_job(SPEC, input=tenant.ids["Dataset"])["id"])

    (document,) = [each for each in WALK if each.root == "jobsChanged"]
    with listening(stack, b) as heard:
        heard.subscribe(document)
        first = run(b)
        heard.until(first)  # the subscription is at work
        theirs = run(a)
        last = run(b)
        messages = heard.until(last)
    assert last in str(messages)
    assert theirs not in str(messages)
    assert told(messages, a) == set()


class Heard:
    """What came over a socket."""

    def __init__(self, opened: ClientConnection) -> None:
        self._opened = opened

    def subscribe(self, document: Document) -> None:
        payload = {"query": document.text, "variables": document.arguments}
        self._opened.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))

    def until(self, job: str) -> list[Any]:
        """All messages to the one of the end of a job."""
        messages: list[Any] = []
        while True:
            message = json.loads(self._opened.recv(PATIENCE))
            if message["type"] == "ping":
                self._opened.send('{"type":"pong"}')
                continue
            assert message["type"] == "next", message
            messages.append(message)
            state = message["payload"]["data"]["jobsChanged"]
            if (state["id"], state["status"]) == (job, "SUCCEEDED"):
                return messages


@contextmanager
def listening(stack: Stack, tenant: Tenant) -> Iterator[Heard]:
    """A socket of a tenant's."""
    with socket(stack.graphql_url, {"authorization": f"Bearer {tenant.account.token}"}) as opened:
        assert json.loads(opened.recv(PATIENCE))["type"] == "connection_ack"
        yield Heard(opened)


def test_the_owner_is_answered(stack: Stack) -> None:
    """The same documents, asked by whose ids they hold: none is refused at the door, and queries tell."""
    owner = settle(stack)
    mine = owner.caller()
    wrong: list[str] = []
    order = sorted(
        (each for each in asked(stack) if each.root not in ADMINISTRATORS | OPEN),
        # deletions at the end; versions and deliveries go with what they belong to
        key=lambda each: (
            each.root in ENDING,
            each.root.startswith(("delete", "revoke")),
            each.root == "deletePipeline",
        ),
    )
    for document in order:
        body = ask(mine, document.with_ids(owner.ids))
        value, found = value_of(document, body), codes(document, body)
        if value is None or found & CLOSED or body.get("errors"):
            wrong.append(f"{document.root} {document.arguments} is refused to its owner: {body}")
        elif document.kind == "mutation" or not document.ids or document.root in {"validatePipeline", "jobLog"}:
            continue  # the first line of a log names nothing
        elif not told(body, owner):
            wrong.append(f"{document.root} tells its owner nothing: {body}")
    assert wrong == []


def test_administrators_are_answered(stack: Stack) -> None:
    """What is closed to tenants is open to administrators, so that FORBIDDEN says something about who asks."""
    admin, somebody = stack.admin(), settle(stack)  # who is disabled by it
    # workers are the stack's own: they are not paused
    for document in (each for each in WALK if each.root in ADMINISTRATORS and "Worker" not in each.root):
        body = ask(admin, document.with_ids(somebody.ids))
        assert not codes(document, body) & CLOSED, (document.root, body)


def test_a_key_of_idempotency_is_the_tenants_own(a: Tenant, b: Tenant) -> None:
    document = """mutation($i: RunJobInput!) { runJob(input: $i) { __typename
      ... on RunJobSuccess { job { id name } } ... on Error { code } } }"""
    made = []
    for tenant in (a, b):
        inputs = [{"name": "input", "datasetId": tenant.ids["Dataset"]}]
        values = {"spec": SPEC, "inputs": inputs, "idempotencyKey": a.word}
        made.append(tenant.account.gql(document, {"i": values})["runJob"]["job"]["id"])
        tenant.account.wait_job(made[-1])
    assert made[0] != made[1]


def test_presigned_urls_are_of_ones_own_things(a: Tenant) -> None:
    """Storage itself refuses who has no signature, whatever the key."""
    job = a.account.wait_job(a.ids["Job"])
    url = httpx.URL(job["result"]["files"][0]["url"])
    assert a.word.encode() in httpx.get(url, timeout=PATIENCE).content
    for changed in (url.copy_with(query=None), url.copy_set_param("X-Amz-Signature", "0" * 64)):
        assert httpx.get(changed, timeout=PATIENCE).status_code == 403
