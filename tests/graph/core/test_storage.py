"""Object storage: the calls that uploads, downloads and the sweeper stand on, against the real server."""

from __future__ import annotations

import httpx
import pytest

from graph.context import Services
from graph.core.errors import ServiceUnavailable
from graph.core.ids import uuid7
from graph.core.settings import Settings
from graph.core.storage import CONTENT_TYPE, MultipartRefused, NoSuchUpload, Part, Storage, content_disposition


@pytest.fixture
def prefix() -> str:
    """A place of our own."""
    return f"w/{uuid7()}/test/"


async def test_put_head_range_delete(services: Services, prefix: str) -> None:
    storage = services.storage
    await storage.put(prefix + "a", b"0123456789")
    found = await storage.head(prefix + "a")
    assert found is not None
    assert found.size_bytes == 10
    assert await storage.get_range(prefix + "a", 2, 5) == b"234"
    assert await storage.get_range(prefix + "a", 8, 50) == b"89"
    assert await storage.get_range(prefix + "a", 3, 3) == b""
    assert await storage.head(prefix + "b") is None
    assert await storage.delete_prefix(prefix) == 1
    assert await storage.head(prefix + "a") is None


async def test_more_objects_than_one_listing(services: Services, prefix: str) -> None:
    import asyncio

    storage = services.storage
    for start in range(0, 1010, 101):
        await asyncio.gather(*(storage.put(f"{prefix}{start + n:05d}", b"") for n in range(101)))
    assert len([item async for item in storage.list_keys(prefix)]) == 1010
    assert await storage.delete_prefix(prefix) == 1010


@pytest.mark.parametrize("dangerous", ["", "w", "w/", "/", "other/"])
async def test_deleting_everything_is_refused(services: Services, dangerous: str) -> None:
    with pytest.raises(ValueError, match="names no workspace"):
        await services.storage.delete_prefix(dangerous)


async def test_multipart_through_presigned_urls(services: Services, prefix: str) -> None:
    storage, key = services.storage, prefix + "big"
    upload = await storage.create_multipart(key)
    bodies = [b"a" * 5 * 1024 * 1024, b"end"]
    async with httpx.AsyncClient() as http:
        for number, body in enumerate(bodies, 1):
            url = await storage.sign_part(key, upload, number)
            assert (await http.put(url, content=body, headers={"Content-Type": CONTENT_TYPE})).status_code == 200
        tampered = (await storage.sign_part(key, upload, 3)).replace("partNumber=3", "partNumber=1")
        assert (await http.put(tampered, content=b"x")).status_code == 403
    assert [item.upload_id for item in await storage.list_multiparts(prefix)] == [upload]
    parts = await storage.list_parts(key, upload)
    assert [(part.number, part.size_bytes) for part in parts] == [(1, 5 * 1024 * 1024), (2, 3)]
    await storage.complete_multipart(key, upload, parts)
    found = await storage.head(key)
    assert found is not None
    assert found.size_bytes == 5 * 1024 * 1024 + 3
    async with httpx.AsyncClient() as http:
        answer = await http.get(await storage.sign_get(key, 'a "b"\r\nü.csv', "text/csv"))
    assert answer.content == b"".join(bodies)
    assert answer.headers["content-type"] == "text/csv"
    assert "filename*=UTF-8''a%20%22b%22%0D%0A%C3%BC.csv" in answer.headers["content-disposition"]
    await storage.delete_prefix(prefix)


async def test_uploads_that_are_gone_or_wrong(services: Services, prefix: str) -> None:
    storage, key = services.storage, prefix + "x"
    upload = await storage.create_multipart(key)
    # SeaweedFS says NoSuchUpload when no part was sent at all, AWS InvalidPart
    with pytest.raises((MultipartRefused, NoSuchUpload)):
        await storage.complete_multipart(key, upload, [Part(1, 5, '"00000000000000000000000000000000"')])
    await storage.abort_multipart(key, upload)
    await storage.abort_multipart(key, upload)
    with pytest.raises(NoSuchUpload):
        await storage.list_parts(key, upload)


async def test_browsers_of_our_origin_may_put(services: Services, prefix: str) -> None:
    settings = services.settings
    await services.storage.ensure_bucket_and_cors(settings.origins)
    await services.storage.ensure_bucket_and_cors(settings.origins)
    url = await services.storage.sign_part(prefix + "y", "0", 1)
    headers = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    async with httpx.AsyncClient() as http:
        ours = await http.options(url, headers={"Origin": settings.public_url, **headers})
        other = await http.options(url, headers={"Origin": "https://evil.example", **headers})
    assert ours.headers["access-control-allow-origin"] == settings.public_url
    assert other.headers.get("access-control-allow-origin") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"s3_endpoint_url": "http://127.0.0.1:1"},
        {"s3_access_key_id": "nobody"},
        {"s3_secret_access_key": "wrong"},
        {"s3_bucket": "no-such-bucket"},
    ],
)
async def test_unusable_storage_is_service_unavailable(services: Services, changes: dict[str, str]) -> None:
    values = services.settings.model_dump() | changes
    async with await Storage.open(Settings.model_validate(values)) as storage:
        with pytest.raises(ServiceUnavailable):
            await storage.ping()


def test_file_names_cannot_break_out_of_the_header() -> None:
    header = content_disposition('x"; filename=evil\r\nSet-Cookie: a=b')
    assert "\r" not in header
    assert "\n" not in header
    assert header.count('"') == 2
