"""Parts with a checksum: the storage itself compares it with what came, before it keeps anything."""

from __future__ import annotations

import base64
import hashlib

import httpx

from graph.core.ids import from_global
from graph.uploads.service import UploadService
from tests.graph.client import COMPLETE, SIGN, User, begin
from tests.processes import PATIENCE

DATA = b"a,b\n1,2\n"


def md5(data: bytes) -> str:
    """As the header Content-MD5 wants it."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


async def test_a_part_that_was_changed_on_its_way_is_refused(user: User) -> None:
    upload = await begin(user, DATA)
    (part,) = (await user.ask(SIGN, input={"uploadId": upload["id"], "partNumbers": [1]}))["parts"]
    headers = {"Content-Type": part["contentType"], "Content-MD5": md5(DATA)}
    services = user.services
    uploads = UploadService(services.db, services.storage, services.queue, services.settings)
    row = await uploads.get(user.workspace_id, from_global(upload["id"], "Upload"))
    assert row is not None
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        changed = await client.put(part["url"], content=DATA.replace(b"2", b"3"), headers=headers)
        assert changed.status_code == 400, changed.text
        assert await uploads.present_parts(row) == []
        whole = await client.put(part["url"], content=DATA, headers=headers)
        assert whole.status_code == 200, whole.text
    assert [each.number for each in await uploads.present_parts(row)] == [1]
    answer = await user.ask(COMPLETE, input={"uploadId": upload["id"]})
    assert answer["__typename"] == "CompleteUploadSuccess"
