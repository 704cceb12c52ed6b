"""Just enough of HTTP/1.1 on asyncio streams for the scripted model server: one request in, one response out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

BODY_LIMIT: Final = 64 << 20  # bytes


class BadRequest(Exception):
    """Bytes that are no request we can read; the connection is closed after the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request: method, path without its query, header names in lower case, the whole body."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool

    def json(self) -> Any:
        """The body opened. Raises ValueError."""
        return json.loads(self.body)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request, or None where the client has left. Raises BadRequest."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except asyncio.LimitOverrunError as error:
        raise BadRequest(431, "the headers are too long") from error
    first, *lines = head.split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3:
        raise BadRequest(400, f"not a request line: {first[:80]}")
    method, target, version = parts
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    connection = headers.get("connection", "").lower()
    keep_alive = connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
    body = await _read_body(reader, headers)
    return None if body is None else Request(method, target.partition("?")[0], headers, body, keep_alive)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes | None:
    """The body, or None where the client left in the middle of it."""
    if "transfer-encoding" in headers:
        raise BadRequest(411, "send the body with a Content-Length")
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise BadRequest(400, f"not a length: {length[:20]}")
    if int(length) > BODY_LIMIT:
        raise BadRequest(413, f"the body is longer than {BODY_LIMIT} bytes")
    try:
        return await reader.readexactly(int(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def response(status: int, body: bytes, *, keep_alive: bool, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a response, JSON where the headers say nothing else."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        f"content-length: {len(body)}",
        f"connection: {'keep-alive' if keep_alive else 'close'}",
        *(f"{name}: {value}" for name, value in {"content-type": "application/json", **(headers or {})}.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
