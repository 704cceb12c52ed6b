"""The way back: what became of an event, at once, within a while, or as a stream."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response, StreamingResponse

from penstock import headers as wire
from penstock.connectors.http_source.board import Board, Case
from penstock.connectors.http_source.lookup import Lookup
from penstock.connectors.http_source.refusal import MEDIA, Refused
from penstock.errors import CodecError, UnknownSchema
from penstock.event import AnyEvent
from penstock.record import Record
from penstock.schema.envelope import Opener

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAM: Final = "text/event-stream"
_WAIT: Final = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=,|;|$)", re.IGNORECASE)
_PING_EVERY: Final = 15.0  # seconds; proxies close what is silent
_TEXTS: Final = ("id", "type", "source", "subject", "correlation_id", "causation_id")


def wait_of(headers: Mapping[str, str]) -> int:
    """Seconds of `Prefer: wait=30` (RFC 7240); 0 where it is not asked for."""
    found = _WAIT.search(headers.get("prefer", ""))
    return int(found.group(1)) if found else 0


class Results:
    """Answers for one gateway. At most `most_waiting` requests wait or stream at once, each at most `longest` seconds.

    `following` says whether the board hears of new outcomes now.
    """

    def __init__(self, board: Board, lookup: Lookup, opener: Opener, following: Callable[[], bool]) -> None:
        self._board = board
        self._lookup = lookup
        self._opener = opener
        self._following = following
        self._closing = asyncio.Event()
        self.most_waiting = 1000
        self.longest = 60.0
        self.waiting = 0

    def close(self) -> None:
        """Let nobody wait any longer: whoever does is told what there is."""
        self._closing.set()

    async def case(self, id_: str) -> Case:
        """What is known of the id, looked up where it must be. Raises Refused (404, 503)."""
        case = self._board.find(id_)
        if case is None or (case.state == "pending" and not self._following()):
            case = await self._lookup.find(id_)
        if case is None:
            raise Refused(404, "no event of this id was found")
        return case

    async def _open(self, record: Record) -> AnyEvent:
        """The event of a record; a registry is asked beside the loop. Raises CodecError."""
        try:
            return self._opener.open(record)
        except UnknownSchema as unknown:
            if unknown.fetch is None:
                raise
            await asyncio.to_thread(unknown.fetch)
            return self._opener.open(record)

    async def after(self, case: Case, seconds: float) -> None:
        """Wait for the outcome, `seconds` at most. Raises Refused (503) where too many wait."""
        if seconds <= 0 or case.state != "pending":
            return
        with self._one_more(case):
            try:
                async with asyncio.timeout(min(seconds, self.longest)):
                    while case.state == "pending" and not self._closing.is_set():
                        await self._news(case.news)
            except TimeoutError:
                return

    async def respond(self, id_: str, case: Case, location: str) -> Response:
        """202 while it is pending, 200 with the reply, 422 with the dead letter."""
        if case.outcome is None:
            body: dict[str, Any] = {"id": id_, "status": "pending"}
            if case.progress:
                body["progress"] = await self._data(case.progress[-1])
            return _json(202, body, {"Location": location, "Retry-After": "1"})
        if case.state == "dead":
            return Response(orjson.dumps(self._letter(id_, case.outcome)), 422, media_type=MEDIA)
        return await self._reply(case.outcome)

    def stream(self, case: Case, after: str | None) -> StreamingResponse:
        """Server-sent events: `progress` as it comes, then `result` or `dead_letter`, then the end.

        `after`: the Last-Event-ID of a client that comes back. Raises Refused (503) where too many wait.
        """
        if self.waiting >= self.most_waiting:
            raise Refused(503, "too many wait already", retry_after=5)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._events(case, after), headers=headers, media_type=STREAM)

    async def _events(self, case: Case, after: str | None) -> AsyncIterator[bytes]:
        with self._one_more(case):
            told = _told_before(case, after)
            while True:
                news, unseen, told = case.news, case.told - told, case.told  # before a yield: there is news meanwhile
                for record in list(case.progress)[len(case.progress) - min(unseen, len(case.progress)) :]:
                    yield _event("progress", str(record.position), await self._data(record))
                if case.outcome is not None:
                    yield await self._last(case.state, case.outcome)
                    return
                if self._closing.is_set():
                    return
                try:
                    async with asyncio.timeout(_PING_EVERY):
                        await self._news(news)
                except TimeoutError:
                    yield b": still here\n\n"

    async def _last(self, state: str, outcome: Record) -> bytes:
        position = str(outcome.position)
        if state == "dead":
            return _event("dead_letter", position, self._letter(wire.text(outcome.headers, wire.CE_ID), outcome))
        return _event("result", position, await self._data(outcome))

    async def _news(self, news: asyncio.Event) -> None:
        """Until there is any, or the gateway closes."""
        either = [asyncio.ensure_future(one.wait()) for one in (news, self._closing)]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in either:
                one.cancel()

    @contextmanager
    def _one_more(self, case: Case) -> Iterator[None]:
        if self.waiting >= self.most_waiting:
            raise Refused(503, "too many wait already", retry_after=5)
        self.waiting += 1
        try:
            with self._board.watched(case):
                yield
        finally:
            self.waiting -= 1

    async def _reply(self, record: Record) -> Response:
        """The reply as CloudEvents over HTTP has it in binary mode: the data is the body."""
        try:
            event = await self._open(record)
        except CodecError:
            return Response(record.value or b"", 200, media_type="application/octet-stream")
        headers = {f"ce-{name.replace('_', '')}": _header(value) for name, value in _attributes(event) if value}
        headers |= {"ce-specversion": "1.0", "ce-time": event.time.isoformat().replace("+00:00", "Z")}
        if isinstance(event.data, bytes):
            return Response(event.data, 200, headers, media_type="application/octet-stream")
        return _json(200, event.data, headers)

    async def _data(self, record: Record) -> Any:
        try:
            return (await self._open(record)).data
        except CodecError as error:
            return {"unreadable": error.message}

    def _letter(self, id_: str | None, letter: Record) -> dict[str, Any]:
        """Why it was given up. What a handler said to people (Reject) is told, an exception's text is not."""
        reason = wire.text(letter.headers, wire.REASON) or "unknown"
        body: dict[str, Any] = {"title": "The event was given up", "status": 422, "id": id_, "reason": reason}
        if wire.text(letter.headers, wire.ERROR_TYPE) == "Reject":
            body["detail"] = wire.text(letter.headers, wire.ERROR_MESSAGE)
        return body


def _attributes(event: AnyEvent) -> list[tuple[str, str | None]]:
    return [(name, getattr(event, name)) for name in _TEXTS]


def _header(value: str) -> str:
    """Percent-encoded as the HTTP binding wants it: what is not printable ASCII, space, quotes and percent."""
    encoded = (
        chr(byte) if 0x21 <= byte <= 0x7E and byte not in b'"%' else f"%{byte:02X}"
        for byte in value.encode(errors="replace")
    )
    return "".join(encoded)


def _json(status: int, body: Any, headers: Mapping[str, str]) -> Response:
    content = orjson.dumps(body, default=str)
    return Response(content, status, headers, media_type="application/json")


def _event(name: str, id_: str, data: Any) -> bytes:
    """One server-sent event; JSON text holds no line end."""
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), id_.encode(), orjson.dumps(data, default=str))


def _told_before(case: Case, after: str | None) -> int:
    """How many progress records a client that names its last one has had."""
    positions = [str(record.position) for record in case.progress]
    first = case.told - len(positions)
    return first + positions.index(after) + 1 if after in positions else first
