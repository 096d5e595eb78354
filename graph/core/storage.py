"""Object storage (S3 and compatible) of the API and the workers; aioboto3 stays behind this file.

Every object is written with the Content-Type `application/x-karyaksham`: SeaweedFS gzips what it takes for text, which
costs five sixths of the read speed. The type that a browser sees is set in the presigned URL. Browsers and clients
get URLs of the public endpoint, whose host is part of the signature; this process itself uses the inner endpoint.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self
from urllib.parse import quote

import structlog

from graph.core.errors import ServiceUnavailable
from graph.core.settings import Settings
from graph.core.telemetry import S3_SECONDS

CONTENT_TYPE: Final = "application/x-karyaksham"
PART_MIN_BYTES: Final = 5 * 1024 * 1024
PARTS_MAX: Final = 10_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object that exists; `size_bytes` as stored."""

    key: str
    size_bytes: int
    etag: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart upload that the storage holds."""

    number: int
    size_bytes: int
    etag: str
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenMultipart:
    """A multipart upload that was neither completed nor aborted."""

    key: str
    upload_id: str
    started_at: datetime


class NoSuchUpload(Exception):
    """The multipart upload does not exist (any more): completed, aborted or never begun."""


class MultipartRefused(Exception):
    """The storage refused to complete: a part is missing, too small or has another ETag."""


def content_disposition(filename: str) -> str:
    """`attachment` with the file name, in ASCII and in UTF-8 (RFC 6266), safe against header injection."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\/' else "_" for c in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


class Storage:
    """One bucket. Open once per process: `async with await Storage.open(settings) as storage`, or `close()` at the end.

    All methods raise `ServiceUnavailable("S3")` when the storage cannot be reached or refuses the credentials.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.bucket = settings.s3_bucket
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._signer: Any = None
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, settings: Settings) -> Storage:
        """Return a storage; the clients are made at first use, so that a start does not wait for S3."""
        return cls(settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the clients."""
        await self._stack.aclose()
        self._client = self._signer = None

    async def _clients(self) -> tuple[Any, Any]:
        if self._client is None:
            async with self._lock:
                if self._client is None:
                    await self._connect()
        return self._client, self._signer

    async def _connect(self) -> None:
        # botocore takes 20 MB and 0.3 s to import: only processes that touch storage pay
        from aioboto3.session import Session
        from aiobotocore.config import AioConfig

        settings = self._settings
        config = AioConfig(  # type: ignore[no-untyped-call]  # botocore publishes no types
            signature_version="s3v4",
            s3={"addressing_style": settings.s3_addressing_style},
            connect_timeout=3,
            read_timeout=60,
            retries={"max_attempts": 3, "mode": "standard"},
            max_pool_connections=32,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        secret = settings.s3_secret_access_key
        options: dict[str, Any] = {
            "region_name": settings.s3_region,
            "aws_access_key_id": settings.s3_access_key_id,
            "aws_secret_access_key": secret.get_secret_value() if secret else None,
            "config": config,
        }
        session = Session()  # type: ignore[no-untyped-call]
        client = await self._stack.enter_async_context(
            session.client("s3", endpoint_url=settings.s3_endpoint_url, **options)
        )
        if settings.s3_public_endpoint == settings.s3_endpoint_url:
            self._signer = client
        else:
            self._signer = await self._stack.enter_async_context(
                session.client("s3", endpoint_url=settings.s3_public_endpoint, **options)
            )
        self._client = client

    async def _call(self, method: str, **arguments: Any) -> Any:
        """Call S3; connection failures and refused credentials become `ServiceUnavailable`."""
        from botocore.exceptions import BotoCoreError, ClientError

        client, _ = await self._clients()
        began, outcome = time.perf_counter(), "unavailable"
        try:
            answer = await getattr(client, method)(Bucket=self.bucket, **arguments)
            outcome = "ok"
            return answer
        except ClientError as error:
            outcome = "refused"
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            code = error.response.get("Error", {}).get("Code", "")
            if status >= 500 or code in {"InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket"}:
                outcome = "unavailable"
                log.error("storage_unavailable", method=method, code=code, status=status)
                raise ServiceUnavailable("S3", f"Object storage answered {code or status}. Try again later.") from error
            raise
        except (BotoCoreError, OSError, TimeoutError) as error:
            log.error("storage_unreachable", method=method, error=str(error))
            raise ServiceUnavailable("S3") from error
        finally:
            S3_SECONDS.labels(method, outcome).observe(time.perf_counter() - began)

    # uploads ---------------------------------------------------------------------------------------------------

    async def create_multipart(self, key: str) -> str:
        """Begin a multipart upload; returns its id."""
        answer = await self._call("create_multipart_upload", Key=key, ContentType=CONTENT_TYPE)
        return str(answer["UploadId"])

    async def sign_part(self, key: str, upload_id: str, number: int, expires: int | None = None) -> str:
        """Return a URL for PUT of one part (1 to 10,000); it must carry the Content-Type `CONTENT_TYPE`."""
        _, signer = await self._clients()
        url: str = await signer.generate_presigned_url(
            "upload_part",
            Params={"Bucket": self.bucket, "Key": key, "UploadId": upload_id, "PartNumber": number},
            ExpiresIn=expires or self._settings.url_expiry_seconds,
        )
        return url

    async def list_parts(self, key: str, upload_id: str) -> list[Part]:
        """Return all parts that the storage holds, by number; `NoSuchUpload` when the upload is gone.

        A part that was sent twice may be listed twice: SeaweedFS keeps both [measured, 4.48], S3 the last one.
        """
        parts: dict[tuple[int, str], Part] = {}
        marker: dict[str, Any] = {}
        while True:
            answer = await self._upload_call("list_parts", Key=key, UploadId=upload_id, **marker)
            page = [
                Part(int(part["PartNumber"]), int(part["Size"]), str(part["ETag"]), part.get("LastModified"))
                for part in answer.get("Parts", ())
            ]
            parts |= {(part.number, part.etag): part for part in page}
            if not answer.get("IsTruncated"):
                return list(parts.values())
            after = int(answer["NextPartNumberMarker"])
            # a second entry of the page's last number stands on the next page: ask for that number again
            marker = {"PartNumberMarker": after - 1 if page and page[0].number < after else after}

    async def complete_multipart(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Make the object of these parts.

        `NoSuchUpload` when the upload is gone (perhaps completed by another: look at `head`), `MultipartRefused` when
        parts are missing, changed or too small.
        """
        await self._upload_call(
            "complete_multipart_upload",
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]},
        )

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop a multipart upload and its parts; nothing happens when it is gone already."""
        try:
            await self._upload_call("abort_multipart_upload", Key=key, UploadId=upload_id)
        except NoSuchUpload:
            return

    async def _upload_call(self, method: str, **arguments: Any) -> Any:
        from botocore.exceptions import ClientError

        try:
            return await self._call(method, **arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in {"NoSuchUpload", "404", "NoSuchKey"}:
                raise NoSuchUpload(str(arguments["UploadId"])) from error
            if code in {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "InvalidRequest", "MalformedXML"}:
                raise MultipartRefused(code) from error
            raise

    async def list_multiparts(self, prefix: str = "") -> list[OpenMultipart]:
        """Return all multipart uploads that are open under a prefix."""
        found: list[OpenMultipart] = []
        marker: dict[str, Any] = {}
        while True:
            answer = await self._call("list_multipart_uploads", Prefix=prefix, **marker)
            found += [
                OpenMultipart(str(item["Key"]), str(item["UploadId"]), item["Initiated"])
                for item in answer.get("Uploads", ())
            ]
            if not answer.get("IsTruncated"):
                return found
            marker = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    # objects ---------------------------------------------------------------------------------------------------

    async def head(self, key: str) -> ObjectInfo | None:
        """Return what is known of an object, or None when there is none."""
        from botocore.exceptions import ClientError

        try:
            answer = await self._call("head_object", Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey", "NotFound"}:
                return None
            raise
        return ObjectInfo(key, int(answer["ContentLength"]), str(answer["ETag"]), answer["LastModified"])

    async def sign_get(self, key: str, filename: str, content_type: str, expires: int | None = None) -> str:
        """Return a URL for GET that downloads under this file name and type; `expires` in seconds."""
        _, signer = await self._clients()
        url: str = await signer.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": key,
                "ResponseContentDisposition": content_disposition(filename),
                "ResponseContentType": content_type,
            },
            ExpiresIn=expires or self._settings.url_expiry_seconds,
        )
        return url

    async def get_range(self, key: str, start: int, end: int) -> bytes:
        """Return the bytes from `start` to before `end`; fewer where the object ends."""
        if end <= start:
            return b""
        answer = await self._call("get_object", Key=key, Range=f"bytes={start}-{end - 1}")
        async with answer["Body"] as body:
            data: bytes = await body.read()
        return data

    async def get(self, key: str) -> bytes | None:
        """Return a small object, None when there is none."""
        from botocore.exceptions import ClientError

        try:
            answer = await self._call("get_object", Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey", "NotFound"}:
                return None
            raise
        async with answer["Body"] as body:
            data: bytes = await body.read()
        return data

    async def put(self, key: str, data: bytes) -> None:
        """Write a small object."""
        await self._call("put_object", Key=key, Body=data, ContentType=CONTENT_TYPE)

    async def list_keys(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Yield all objects under a prefix."""
        marker: dict[str, Any] = {}
        while True:
            answer = await self._call("list_objects_v2", Prefix=prefix, **marker)
            for item in answer.get("Contents", ()):
                yield ObjectInfo(str(item["Key"]), int(item["Size"]), str(item["ETag"]), item["LastModified"])
            if not answer.get("IsTruncated"):
                return
            marker = {"ContinuationToken": answer["NextContinuationToken"]}

    async def list_page(self, prefix: str, after: str | None) -> tuple[list[ObjectInfo], bool]:
        """Return up to 1000 objects under a prefix, by key, behind the key `after`, and whether more follow."""
        start = {} if after is None else {"StartAfter": after}
        answer = await self._call("list_objects_v2", Prefix=prefix, **start)
        found = [
            ObjectInfo(str(item["Key"]), int(item["Size"]), str(item["ETag"]), item["LastModified"])
            for item in answer.get("Contents", ())
        ]
        return found, bool(answer.get("IsTruncated"))

    async def delete_keys(self, keys: Sequence[str]) -> None:
        """Delete these objects; those that are gone already are no error."""
        for start in range(0, len(keys), 1000):
            batch = [{"Key": key} for key in keys[start : start + 1000]]
            await self._call("delete_objects", Delete={"Objects": batch, "Quiet": True})

    async def delete_prefix(self, prefix: str, keep: Collection[str] = ()) -> int:
        """Delete all objects under a prefix (it must name a workspace) but those of `keep`; returns how many."""
        if not prefix.startswith("w/") or prefix.count("/") < 2:
            raise ValueError(f"refusing to delete the prefix {prefix!r}: it names no workspace")
        keys = [item.key async for item in self.list_keys(prefix) if item.key not in keep]
        await self.delete_keys(keys)
        return len(keys)

    # set-up ----------------------------------------------------------------------------------------------------

    async def ensure_bucket_and_cors(self, origins: Sequence[str]) -> None:
        """Make the bucket where it is missing, and let these browser origins PUT parts and GET ranges."""
        from botocore.exceptions import ClientError

        client, _ = await self._clients()
        try:
            await client.head_bucket(Bucket=self.bucket)
        except ClientError:
            region = self._settings.s3_region
            extra = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            try:
                await self._call("create_bucket", **extra)
            except ClientError as error:
                if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                    raise
        except OSError as error:
            raise ServiceUnavailable("S3") from error
        rule = {
            "AllowedOrigins": list(origins),
            "AllowedMethods": ["GET", "HEAD", "PUT"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag", "Content-Range", "Accept-Ranges", "Content-Length"],
            "MaxAgeSeconds": 3600,
        }
        await self._call("put_bucket_cors", CORSConfiguration={"CORSRules": [rule]})

    async def ping(self) -> None:
        """Ask for the bucket; raises `ServiceUnavailable` when it does not answer or does not exist."""
        from botocore.exceptions import ClientError

        try:
            await self._call("head_bucket")
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            raise ServiceUnavailable("S3", f"The bucket {self.bucket} answers {code}.") from error

    def url(self, key: str) -> str:
        """`s3://bucket/key`, as the engine takes it."""
        return f"s3://{self.bucket}/{quote(key, safe='/=')}"

    def engine_storage(self) -> dict[str, Any]:
        """Return the `storage` part of an engine request; it holds the secret, so never log it."""
        settings = self._settings
        secret = settings.s3_secret_access_key
        return {
            "endpoint": settings.s3_endpoint_url,
            "region": settings.s3_region,
            "accessKeyId": settings.s3_access_key_id,
            "secretAccessKey": secret.get_secret_value() if secret else None,
            "pathStyle": settings.s3_addressing_style == "path",
        }
