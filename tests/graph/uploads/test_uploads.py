"""Uploads through GraphQL and presigned URLs, on the real storage."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from sqlalchemy import text

from graph.context import Services
from graph.core.errors import ServiceUnavailable
from graph.core.ids import from_global
from graph.core.queue import Queue
from graph.core.storage import CONTENT_TYPE, Storage
from graph.uploads.service import UploadService, object_key
from tests.graph.client import ABORT, BEGIN, COMPLETE, SIGN, User, begin, put, send_parts, upload

MIB = 1024**2
UPLOAD = """query ($id: ID!) { upload(id: $id) { id status presentParts dataset { id } } }"""
DATASET = "query ($id: ID!) { dataset(id: $id) { id status sizeBytes fileName url } }"
# more than one part: 64 MiB and a bit
TWO_PARTS = bytes(range(256)) * (64 * MIB // 256) + b"the end\n"


def key_of(user: User, begun: dict[str, Any]) -> str:
    return object_key(user.workspace_id, from_global(begun["id"], "Upload"))


async def test_two_parts_become_a_data_set_with_the_same_bytes(user: User, services: Services) -> None:
    begun = await begin(user, TWO_PARTS, "two.bin")
    assert begun == begun | {
        "partCount": 2,
        "partSizeBytes": 64 * MIB,
        "sizeBytes": len(TWO_PARTS),
        "status": "ACTIVE",
        "fileName": "two.bin",
        "contentType": "application/octet-stream",
    }
    await send_parts(user, begun, TWO_PARTS)
    done = await user.ask(COMPLETE, input={"uploadId": begun["id"]})
    dataset = done["dataset"]
    assert dataset["status"] == "INSPECTING"
    assert dataset["sizeBytes"] == len(TWO_PARTS)
    assert dataset["name"] == "two.bin"
    stored = await services.storage.get_range(key_of(user, begun), 64 * MIB - 4, 64 * MIB + 100)
    assert stored == TWO_PARTS[64 * MIB - 4 :]
    seen = await user.ask(UPLOAD, id=begun["id"])
    assert seen == {"id": begun["id"], "status": "COMPLETED", "presentParts": [], "dataset": {"id": dataset["id"]}}


async def test_signed_urls_expire_and_say_what_they_need(user: User, services: Services) -> None:
    begun = await begin(user, TWO_PARTS)
    before = datetime.now(UTC)
    signed = await user.ask(SIGN, input={"uploadId": begun["id"], "partNumbers": [2, 1, 2]})
    first, second = signed["parts"]
    assert (first["partNumber"], second["partNumber"]) == (1, 2)
    assert (first["sizeBytes"], second["sizeBytes"]) == (64 * MIB, 8)
    assert first["contentType"] == CONTENT_TYPE
    expiry = services.settings.url_expiry_seconds
    assert abs(datetime.fromisoformat(first["expiresAt"]) - before - timedelta(seconds=expiry)) < timedelta(seconds=5)
    assert parse_qs(urlsplit(first["url"]).query)["X-Amz-Expires"] == [str(expiry)]
    # the signature covers the part number: it cannot be used for another part
    tampered = first["url"].replace("partNumber=1", "partNumber=2")
    assert (await put(tampered, b"x")).status_code == 403


async def test_resume_sends_only_what_is_missing(user: User) -> None:
    begun = await begin(user, TWO_PARTS)
    await send_parts(user, begun, TWO_PARTS, [2])
    assert (await user.ask(UPLOAD, id=begun["id"]))["presentParts"] == [2]
    await send_parts(user, begun, TWO_PARTS, [1])
    assert (await user.ask(UPLOAD, id=begun["id"]))["presentParts"] == [1, 2]
    done = await user.ask(COMPLETE, input={"uploadId": begun["id"]})
    assert done["__typename"] == "CompleteUploadSuccess"


async def test_missing_parts_are_named_and_nothing_is_lost(user: User, services: Services) -> None:
    begun = await begin(user, TWO_PARTS)
    await send_parts(user, begun, TWO_PARTS, [2])
    refused = await user.ask(COMPLETE, input={"uploadId": begun["id"]})
    assert refused["code"] == "UPLOAD_PARTS_MISSING"
    assert refused["path"] == ["uploadId"]
    assert "1 of 2 parts are missing: 1." in refused["message"]
    assert await services.storage.head(key_of(user, begun)) is None
    await send_parts(user, begun, TWO_PARTS, [1])
    assert (await user.ask(COMPLETE, input={"uploadId": begun["id"]}))["__typename"] == "CompleteUploadSuccess"


async def test_nothing_sent_at_all(user: User) -> None:
    begun = await begin(user, TWO_PARTS)
    refused = await user.ask(COMPLETE, input={"uploadId": begun["id"]})
    assert refused["code"] == "UPLOAD_PARTS_MISSING"
    assert "1–2" in refused["message"]


@pytest.mark.parametrize("sent", [b"short", b"longer than announced"])
async def test_a_part_of_the_wrong_size_makes_no_object_and_can_be_mended(
    user: User, services: Services, sent: bytes
) -> None:
    begun = await begin(user, b"0123456789")
    signed = await user.ask(SIGN, input={"uploadId": begun["id"], "partNumbers": [1]})
    assert (await put(signed["parts"][0]["url"], sent)).status_code == 200
    assert (await user.ask(UPLOAD, id=begun["id"]))["presentParts"] == []
    refused = await user.ask(COMPLETE, input={"uploadId": begun["id"]})
    assert refused["code"] == "UPLOAD_SIZE_MISMATCH"
    assert str(len(sent)) in refused["message"]
    assert await services.storage.head(key_of(user, begun)) is None
    await send_parts(user, begun, b"0123456789")
    assert (await user.ask(COMPLETE, input={"uploadId": begun["id"]}))["__typename"] == "CompleteUploadSuccess"


async def test_an_object_of_the_wrong_size_is_removed(user: User, services: Services) -> None:
    """The last check is on the object itself: here somebody with the key of the storage replaced it."""
    begun = await begin(user, b"0123456789")
    await send_parts(user, begun, b"0123456789")
    row = await UploadService(services.db, services.storage, services.queue, services.settings).get(
        user.workspace_id, from_global(begun["id"], "Upload")
    )
    assert row is not None
    parts = await services.storage.list_parts(row.s3_key, row.s3_upload_id)
    await services.storage.complete_multipart(row.s3_key, row.s3_upload_id, parts)
    await services.storage.put(row.s3_key, b"another file")
    refused = await user.ask(COMPLETE, input={"uploadId": begun["id"]})
    assert refused["code"] == "UPLOAD_SIZE_MISMATCH"
    assert await services.storage.head(row.s3_key) is None
    assert (await user.ask(UPLOAD, id=begun["id"]))["status"] == "ABORTED"


async def test_completing_again_gives_the_same_data_set(user: User) -> None:
    begun = await begin(user, b"a,b\n1,2\n")
    await send_parts(user, begun, b"a,b\n1,2\n")
    first = await user.ask(COMPLETE, input={"uploadId": begun["id"]})
    again = await user.ask(COMPLETE, input={"uploadId": begun["id"]})
    assert first["dataset"]["id"] == again["dataset"]["id"]


async def test_racing_completions_make_one_data_set(user: User) -> None:
    begun = await begin(user, TWO_PARTS)
    await send_parts(user, begun, TWO_PARTS)
    answers = await asyncio.gather(*(user.ask(COMPLETE, input={"uploadId": begun["id"]}) for _ in range(8)))
    assert {answer["__typename"] for answer in answers} == {"CompleteUploadSuccess"}, answers
    assert len({answer["dataset"]["id"] for answer in answers}) == 1
    listed = await user.ask("{ datasets(first: 10) { nodes { id } } }")
    assert len(listed["nodes"]) == 1


async def test_a_completion_that_died_after_the_storage_joined_is_finished_by_the_next(
    user: User, services: Services
) -> None:
    begun = await begin(user, b"a\n1\n")
    await send_parts(user, begun, b"a\n1\n")
    service = UploadService(services.db, services.storage, services.queue, services.settings)
    row = await service.get(user.workspace_id, from_global(begun["id"], "Upload"))
    assert row is not None
    await service._join(row)
    done = await user.ask(COMPLETE, input={"uploadId": begun["id"]})
    assert done["dataset"]["sizeBytes"] == 4


async def test_racing_abort_and_complete_agree(user: User, services: Services) -> None:
    for _ in range(5):
        begun = await begin(user, b"a\n1\n")
        await send_parts(user, begun, b"a\n1\n")
        key = {"input": {"uploadId": begun["id"]}}
        completed, aborted = await asyncio.gather(user.ask(COMPLETE, **key), user.ask(ABORT, **key))
        status = (await user.ask(UPLOAD, id=begun["id"]))["status"]
        exists = await services.storage.head(key_of(user, begun)) is not None
        if completed["__typename"] == "CompleteUploadSuccess":
            assert (status, exists, aborted["code"]) == ("COMPLETED", True, "UPLOAD_CLOSED")
        else:
            assert (status, exists) == ("ABORTED", False)
            assert completed["code"] in {"UPLOAD_CLOSED", "UPLOAD_GONE"}


async def test_abort_removes_the_parts_and_may_be_repeated(user: User, services: Services) -> None:
    begun = await begin(user, TWO_PARTS)
    signed = await user.ask(SIGN, input={"uploadId": begun["id"], "partNumbers": [1, 2]})
    await put(signed["parts"][1]["url"], TWO_PARTS[64 * MIB :])
    for _ in range(2):
        answer = await user.ask(ABORT, input={"uploadId": begun["id"]})
        assert answer["upload"]["status"] == "ABORTED"
    key = key_of(user, begun)
    assert [found for found in await services.storage.list_multiparts(key) if found.key == key] == []
    assert (await put(signed["parts"][0]["url"], b"late")).status_code == 404
    for document in (SIGN, COMPLETE):
        extra = {"partNumbers": [1]} if document is SIGN else {}
        refused = await user.ask(document, input={"uploadId": begun["id"], **extra})
        assert refused["__typename"] == "ConflictError"
        assert refused["code"] == "UPLOAD_CLOSED"
        assert "aborted" in refused["message"]


async def test_a_completed_upload_cannot_be_aborted(user: User) -> None:
    begun = await begin(user, b"a\n1\n")
    await send_parts(user, begun, b"a\n1\n")
    await user.ask(COMPLETE, input={"uploadId": begun["id"]})
    refused = await user.ask(ABORT, input={"uploadId": begun["id"]})
    assert refused["code"] == "UPLOAD_CLOSED"
    assert "delete its data set" in refused["message"]


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"fileName": "", "sizeBytes": 1}, "FILE_NAME_INVALID", ["fileName"]),
        ({"fileName": "../../etc/passwd", "sizeBytes": 1}, "FILE_NAME_INVALID", ["fileName"]),
        ({"fileName": "a.csv", "sizeBytes": 0}, "UPLOAD_EMPTY", ["sizeBytes"]),
        ({"fileName": "a.csv", "sizeBytes": -5}, "UPLOAD_SIZE_INVALID", ["sizeBytes"]),
        ({"fileName": "a.csv", "sizeBytes": 50 * 1024**3 + 1}, "UPLOAD_TOO_LARGE", ["sizeBytes"]),
        ({"fileName": "a.csv", "sizeBytes": 1, "contentType": "csv"}, "CONTENT_TYPE_INVALID", ["contentType"]),
    ],
)
async def test_what_cannot_be_begun(user: User, fields: dict[str, Any], code: str, path: list[str]) -> None:
    refused = await user.ask(BEGIN, input=fields)
    assert refused["__typename"] == "InvalidInputError"
    assert (refused["code"], refused["path"]) == (code, path)


async def test_fifty_gigabytes_can_be_begun_and_all_parts_signed(user: User) -> None:
    answer = await user.ask(BEGIN, input={"fileName": "large.csv", "sizeBytes": 50 * 1024**3})
    assert (answer["upload"]["partCount"], answer["upload"]["partSizeBytes"]) == (800, 64 * MIB)
    numbers = list(range(1, 801))
    signed = await user.ask(SIGN, input={"uploadId": answer["upload"]["id"], "partNumbers": numbers})
    assert [part["partNumber"] for part in signed["parts"]] == numbers
    assert sum(part["sizeBytes"] for part in signed["parts"]) == 50 * 1024**3
    refused = await user.ask(SIGN, input={"uploadId": answer["upload"]["id"], "partNumbers": [801]})
    assert (refused["code"], refused["path"]) == ("UPLOAD_PARTS_INVALID", ["partNumbers", "0"])


async def test_another_workspace_sees_and_changes_nothing(user: User, stranger: User) -> None:
    begun = await begin(user, b"a\n1\n")
    assert await stranger.ask(UPLOAD, id=begun["id"]) is None
    for document, extra in ((SIGN, {"partNumbers": [1]}), (COMPLETE, {}), (ABORT, {})):
        refused = await stranger.ask(document, input={"uploadId": begun["id"], **extra})
        assert refused["__typename"] == "NotFoundError"
        assert refused["path"] == ["uploadId"]
    assert (await user.ask(UPLOAD, id=begun["id"]))["status"] == "ACTIVE"


@pytest.mark.parametrize(
    "gid", ["", "x", "VXBsb2FkOng=", "RGF0YXNldDowMTkwMDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDE="]
)
async def test_ids_that_are_none(user: User, gid: str) -> None:
    assert await user.ask(UPLOAD, id=gid) is None
    refused = await user.ask(COMPLETE, input={"uploadId": gid})
    assert refused["__typename"] == "NotFoundError"


async def test_uploads_are_listed_by_status(user: User) -> None:
    ids = [(await begin(user, b"a\n1\n"))["id"] for _ in range(3)]
    await user.ask(ABORT, input={"uploadId": ids[0]})
    document = """query ($after: String, $status: UploadStatus) { uploads(first: 1, after: $after, status: $status) {
        nodes { id } pageInfo { hasNextPage endCursor } } }"""
    first = await user.ask(document, status="ACTIVE")
    assert [node["id"] for node in first["nodes"]] == [ids[2]]
    second = await user.ask(document, status="ACTIVE", after=first["pageInfo"]["endCursor"])
    assert [node["id"] for node in second["nodes"]] == [ids[1]]
    assert second["pageInfo"]["hasNextPage"] is False


async def test_the_sweep_removes_stale_uploads_and_orphans(user: User, services: Services) -> None:
    stale, fresh = await begin(user, b"a\n1\n"), await begin(user, b"a\n1\n")
    await send_parts(user, stale, b"a\n1\n")
    stale_id = from_global(stale["id"], "Upload")
    async with services.db.system() as session:
        await session.execute(
            text("UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = :id"), {"id": stale_id}
        )
    service = UploadService(services.db, services.storage, services.queue, services.settings)
    assert await service.sweep() >= 1
    assert (await user.ask(UPLOAD, id=stale["id"]))["status"] == "EXPIRED"
    assert (await user.ask(UPLOAD, id=fresh["id"]))["status"] == "ACTIVE"
    open_keys = {found.key for found in await services.storage.list_multiparts(f"w/{user.workspace_id}/")}
    assert open_keys == {key_of(user, fresh)}
    refused = await user.ask(COMPLETE, input={"uploadId": stale["id"]})
    assert refused["code"] == "UPLOAD_CLOSED"
    assert "too long" in refused["message"]


async def test_what_an_interrupted_abort_left_is_cleared_by_the_sweep(user: User, services: Services) -> None:
    """The API died between closing the row and clearing the storage."""
    begun = await begin(user, b"a\n1\n")
    await send_parts(user, begun, b"a\n1\n")
    service = UploadService(services.db, services.storage, services.queue, services.settings)
    row = await service.get(user.workspace_id, from_global(begun["id"], "Upload"))
    assert row is not None
    await service._join(row)
    async with services.db.system() as session:
        await session.execute(text("UPDATE uploads SET status = 'ABORTED' WHERE id = :id"), {"id": row.id})
    assert await services.storage.head(row.s3_key) is not None
    assert await service.sweep() >= 1
    assert await services.storage.head(row.s3_key) is None
    assert await service.sweep() == 0


async def test_the_sweep_drops_multipart_uploads_without_a_row(
    user: User, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A begin whose row was never written, older than any begin takes."""
    key = object_key(user.workspace_id, UUID(int=1))
    await services.storage.create_multipart(key)
    service = UploadService(services.db, services.storage, services.queue, services.settings)
    await service.sweep()
    assert [found.key for found in await services.storage.list_multiparts(key)] == [key]
    monkeypatch.setattr("graph.uploads.service._ORPHAN_AGE", timedelta(0))
    await asyncio.sleep(1.1)
    known = await begin(user, b"a\n1\n")
    await service.sweep()
    left = {found.key for found in await services.storage.list_multiparts(f"w/{user.workspace_id}/")}
    assert left == {key_of(user, known)}


async def test_a_download_gives_the_bytes_under_the_file_name(user: User) -> None:
    import httpx

    data = b"a,b\n1,2\n"
    made = await upload(user, data, "Übersicht 1.csv")
    dataset = await user.ask(DATASET, id=made["id"])
    async with httpx.AsyncClient() as client:
        answer = await client.get(dataset["url"])
    assert answer.content == data
    assert "filename*=UTF-8''%C3%9Cbersicht%201.csv" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize("content_type", ["text/csv", "text/plain", "application/json"])
async def test_a_client_that_sends_another_content_type_loses_speed_but_no_byte(
    user: User, services: Services, content_type: str
) -> None:
    """SeaweedFS gzips what it takes for text: sizes and bytes must be those of the file all the same."""
    data = b"a,b,c\n" + b"1,2,3\n" * 500_000
    begun = await begin(user, data, "text.csv")
    signed = await user.ask(SIGN, input={"uploadId": begun["id"], "partNumbers": [1]})
    assert (await put(signed["parts"][0]["url"], data, content_type)).status_code == 200
    assert (await user.ask(UPLOAD, id=begun["id"]))["presentParts"] == [1]
    done = await user.ask(COMPLETE, input={"uploadId": begun["id"]})
    assert done["__typename"] == "CompleteUploadSuccess", done
    assert await services.storage.get_range(key_of(user, begun), 0, len(data)) == data


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_storage_that_is_away_is_said_so_and_nothing_is_lost(user: User, services: Services) -> None:
    begun = await begin(user, b"a\n1\n")
    await send_parts(user, begun, b"a\n1\n")
    url = f"http://127.0.0.1:{_closed_port()}"
    settings = services.settings.model_copy(update={"s3_endpoint_url": url, "s3_public_endpoint_url": url})
    async with await Storage.open(settings) as away:
        service = UploadService(services.db, away, services.queue, settings)
        with pytest.raises(ServiceUnavailable, match="S3"):
            await service.begin(user.workspace_id, user.id, file_name="a.csv", size_bytes=1, content_type=None)
        with pytest.raises(ServiceUnavailable, match="S3"):
            await service.complete(user.workspace_id, user.id, from_global(begun["id"], "Upload"))
        with pytest.raises(ServiceUnavailable, match="S3"):
            await service.abort(user.workspace_id, from_global(begun["id"], "Upload"))
    # the abort is on record, so the next sweep finishes it
    assert (await user.ask(UPLOAD, id=begun["id"]))["status"] == "ABORTED"
    service = UploadService(services.db, services.storage, services.queue, services.settings)
    assert await service.sweep() >= 1
    assert await services.storage.list_multiparts(key_of(user, begun)) == []


async def test_without_redis_an_upload_still_completes(user: User, services: Services) -> None:
    begun = await begin(user, b"a\n1\n")
    await send_parts(user, begun, b"a\n1\n")
    settings = services.settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{_closed_port()}/0"})
    deaf = Queue(settings)
    service = UploadService(services.db, services.storage, deaf, settings)
    dataset = await service.complete(user.workspace_id, user.id, from_global(begun["id"], "Upload"))
    assert dataset.status == "INSPECTING"
    await deaf.close()
