"""Calls that pyarrow has no method for, over gRPC itself, and the few protobuf fields that their answers have."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import pyarrow.flight as fl

from tests.processes import PATIENCE

SERVICE = "/arrow.flight.protocol.FlightService/"


def call(location: str, method: str, message: bytes, token: str | None = None) -> bytes:
    """One unary call; raises `grpc.RpcError`."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(location.removeprefix("grpc://")) as channel:
        answer: bytes = channel.unary_unary(SERVICE + method)(message, metadata=metadata, timeout=PATIENCE)
    return answer


def health(location: str, service: str) -> int | float | bytes | None:
    """Ask `grpc.health.v1.Health` for a service; 1 is SERVING, 2 NOT_SERVING (grpc/health/v1/health.proto)."""
    with grpc.insecure_channel(location.removeprefix("grpc://")) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        return dict(fields(check(nested(1, service.encode()), timeout=PATIENCE))).get(1)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Field numbers and values of a protobuf message: varints, doubles, and bytes of what is nested."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
        elif key & 7 == 1:
            yield key >> 3, struct.unpack_from("<d", message, at)[0]
            at += 8
        else:
            size, at = _varint(message, at)
            yield key >> 3, message[at : at + size]
            at += size


def nested(number: int, body: bytes) -> bytes:
    """A protobuf message with one nested field."""
    size, out = len(body), bytearray([number << 3 | 2])
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*out, size]) + body


@dataclass(frozen=True, slots=True)
class Poll:
    """An answer of PollFlightInfo."""

    info: bytes
    descriptor: fl.FlightDescriptor | None
    progress: float | None
    expires: bool


def poll(location: str, descriptor: fl.FlightDescriptor, token: str | None) -> Poll:
    """PollFlightInfo."""
    found = dict(fields(call(location, "PollFlightInfo", descriptor.serialize(), token)))
    following, progress, info = found.get(2), found.get(3), found[1]
    assert isinstance(info, bytes)
    return Poll(
        info,
        fl.FlightDescriptor.deserialize(following) if isinstance(following, bytes) else None,
        progress if isinstance(progress, float) else None,
        4 in found,
    )
