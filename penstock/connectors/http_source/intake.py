"""From a request to the events it offers: the body within its limits, then by media type, one event or many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from starlette.requests import Request

from penstock.connectors.http_source import cloudevents
from penstock.connectors.http_source.offered import JSON, Offered, is_json, media
from penstock.connectors.http_source.refusal import Refused

T = TypeVar("T")

LINES: Final = ("application/x-ndjson", "application/jsonl", "application/ndjson")
_SLOWEST: Final = 30.0  # seconds for a body to arrive


@dataclass(frozen=True, slots=True)
class Offer:
    """The events of one request, and whether it was one event, answered as such, or a batch."""

    events: tuple[Offered, ...]
    batch: bool


def headers_of(request: Request) -> dict[str, str]:
    """The headers by name, in lower case; of duplicates the last. They are looked at a dozen times."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}


async def read_body(request: Request, headers: Mapping[str, str], most: int) -> bytes:
    """The whole body. Raises Refused: 413 beyond `most` bytes, 408 where it does not arrive, 415 where it is packed."""
    if headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "send the body as it is, without Content-Encoding")
    too_large = Refused(413, f"the body is larger than {most} bytes")
    said = headers.get("content-length", "")
    if said.isdigit() and int(said) > most:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_SLOWEST):
            more = True
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "the connection ended before the body")
                part = message.get("body", b"")
                size += len(part)
                if size > most:
                    raise too_large
                parts.append(part)
                more = message.get("more_body", False)
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {_SLOWEST:g} s") from None
    return b"".join(parts)


def offer(request: Request, headers: Mapping[str, str], body: bytes, *, many: bool, most: int) -> Offer:
    """The events of a request, at most `most`. Raises Refused: 400, 413, 415; for a batch with every bad event."""
    content_type = headers.get("content-type", "")
    kind = media(content_type)
    if kind.startswith(cloudevents.BATCH):
        _only_json(kind, cloudevents.BATCH)
        return Offer(_each(_array(body), most, cloudevents.from_structured), batch=True)
    if kind.startswith(cloudevents.STRUCTURED):
        _only_json(kind, cloudevents.STRUCTURED)
        return Offer((cloudevents.from_structured(cloudevents.parsed(body, "the body")),), batch=False)
    if cloudevents.is_binary(headers):
        return Offer((cloudevents.from_binary(request.headers.items(), body, content_type),), batch=False)
    if kind in LINES:
        return Offer(_each([line for line in body.split(b"\n") if line.strip()], most, _line), batch=True)
    if kind and not is_json(kind):
        raise Refused(415, f"{kind} is not taken here: send {JSON}, {LINES[0]}, or a CloudEvent")
    if many:
        return Offer(_each(_array(body), most, lambda data: Offered(data=data)), batch=True)
    return Offer((Offered(data=cloudevents.parsed(body, "the body"), raw=body),), batch=False)


def _line(line: bytes) -> Offered:
    return Offered(data=cloudevents.parsed(line, "the line"), raw=line.strip())


def _array(body: bytes) -> list[Any]:
    found = cloudevents.parsed(body, "the body")
    if not isinstance(found, list):
        raise Refused(400, "a batch is a JSON array")
    return found


def _each(items: list[T], most: int, read: Callable[[T], Offered]) -> tuple[Offered, ...]:
    if len(items) > most:
        raise Refused(413, f"{len(items)} events in one request; at most {most} are taken")
    return tuple(all_or_none(items, read))


def all_or_none(items: Iterable[T], read: Callable[[T], Any]) -> list[Any]:
    """`read` of each; where some are refused, one Refused (422) that lists them all by their index."""
    found, errors = [], []
    for index, item in enumerate(items):
        try:
            found.append(read(item))
        except Refused as refused:
            errors.append({"index": index, "detail": refused.detail})
    if errors:
        raise Refused(422, f"{len(errors)} of the events cannot be taken; none was accepted", errors=errors)
    return found


def _only_json(kind: str, format_: str) -> None:
    if kind not in {format_, f"{format_}+json"}:
        raise Refused(415, f"{kind} is not taken here: {format_}+json is")
