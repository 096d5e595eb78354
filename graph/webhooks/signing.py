"""What goes out, as the Standard Webhooks specification has it (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from graph.core.ids import to_global

SECRET_BYTES: Final = 32
PING: Final = "webhook.ping"
_PREFIX: Final = "whsec_"


def new_secret() -> bytes:
    """Return a new secret."""
    return secrets.token_bytes(SECRET_BYTES)


def holder(webhook_id: UUID) -> str:
    """Return the name that a webhook's secrets are sealed for."""
    return f"webhook:{webhook_id}"


def shown(secret: bytes) -> str:
    """Return the text of a secret, as receivers configure it."""
    return _PREFIX + base64.b64encode(secret).decode()


def message_id(delivery_id: UUID) -> str:
    """Return the `webhook-id`: the same at each attempt, so that receivers know what they have had."""
    return f"msg_{delivery_id.hex}"


def headers(secrets_: Sequence[bytes], message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a request, with one signature for each secret; the timestamp is in Unix seconds."""
    signed = b".".join([message.encode(), str(timestamp).encode(), body])
    signatures = (base64.b64encode(hmac.new(each, signed, hashlib.sha256).digest()).decode() for each in secrets_)
    return {
        "content-type": "application/json",
        "user-agent": "Karyaksham-Webhooks",
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        # while a secret is replaced there are two: receivers look for one that fits
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def payload(event: str, snapshot: dict[str, Any]) -> dict[str, Any]:
    """Return the message: type, time, and the job as it ended, with the ids of the API; of a ping, the webhook."""
    if event == PING:
        data = {"webhookId": _global("Webhook", snapshot["webhookId"])}
        return {"type": event, "timestamp": snapshot["at"], "data": data}
    failed = snapshot["errorCode"] is not None
    succeeded = snapshot["status"] == "SUCCEEDED"
    return {
        "type": event,
        "timestamp": snapshot["finishedAt"],
        "data": {
            "id": _global("Job", snapshot["id"]),
            **{name: snapshot[name] for name in ("name", "status", "attempt", "createdAt", "startedAt", "finishedAt")},
            "pipelineId": _global("Pipeline", snapshot["pipelineId"]),
            "scheduleId": _global("Schedule", snapshot["scheduleId"]),
            "error": {"code": snapshot["errorCode"], "message": snapshot["errorMessage"]} if failed else None,
            "result": {"rows": snapshot["rows"], "sizeBytes": snapshot["sizeBytes"]} if succeeded else None,
        },
    }


def body(event: str, snapshot: dict[str, Any]) -> bytes:
    """Return the message's bytes, the same each time."""
    return orjson.dumps(payload(event, snapshot))


def _global(type_name: str, key: str | None) -> str | None:
    return None if key is None else to_global(type_name, UUID(key))
