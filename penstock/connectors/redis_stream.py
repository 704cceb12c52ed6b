"""The source `redis_stream`: a Redis stream, drained by a consumer group; acknowledged there once Kafka has it."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from penstock.connectors.delivery import Found, Unusable, deliver_or_refuse, value_at
from penstock.contracts import Incoming, Outlet
from penstock.topology.redis_options import RedisStreamOptions

_BLOCK_MS: Final = 500  # so often a stop is heard
_Message: TypeAlias = tuple[bytes, Mapping[bytes, bytes] | None]


class RedisStream:
    """Every replica is a consumer of one group: Redis shares the messages out, each replica keeps their order.

    What a dead process had taken and not acknowledged is taken over after `claim_after`.
    """

    Options = RedisStreamOptions

    def __init__(self, options: RedisStreamOptions) -> None:
        """Raises ModuleNotFoundError without the extra."""
        import redis.asyncio  # noqa: F401 - looked for now, so that its absence is said at the start

        self._options = options
        self._group = options.group or options.group_id
        self._consumer = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"

    async def run(self, outlet: Outlet) -> None:
        """See contracts.Source."""
        import redis.asyncio

        client = redis.asyncio.Redis.from_url(self._options.url.reveal(), client_name=f"penstock-{self._group}")
        async with client:
            await self._make_group(client)
            look = 0.0
            while not outlet.stopping.is_set():
                if time.monotonic() >= look:
                    look = time.monotonic() + self._options.claim_after / 2
                    await self._take_over(client, outlet)
                await self._hand_on(client, outlet, await self._read(client))

    async def _make_group(self, client: Any) -> None:
        from redis.exceptions import ResponseError

        try:  # from the stream's beginning: what stands there now is not skipped
            await client.xgroup_create(self._options.stream, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _read(self, client: Any) -> Sequence[_Message]:
        options = self._options
        asked = {options.stream: ">"}
        found = await client.xreadgroup(self._group, self._consumer, asked, count=options.batch_size, block=_BLOCK_MS)
        streams = found.values() if isinstance(found, Mapping) else [messages for _, messages in found or ()]
        return [message for messages in streams for message in _flat(messages)]

    async def _take_over(self, client: Any, outlet: Outlet) -> None:
        """Messages that were delivered to a consumer long ago and never acknowledged."""
        options, start = self._options, b"0-0"
        while not outlet.stopping.is_set():
            answer = await client.xautoclaim(
                options.stream,
                self._group,
                self._consumer,
                min_idle_time=round(options.claim_after * 1000),
                start_id=start,
                count=options.batch_size,
            )
            start = answer[0]
            await self._hand_on(client, outlet, answer[1])
            if start in (b"0-0", "0-0"):
                return

    async def _hand_on(self, client: Any, outlet: Outlet, messages: Sequence[_Message]) -> None:
        if not messages:
            return
        found = [self._found(name, fields) for name, fields in messages if fields is not None]  # None: trimmed away
        await deliver_or_refuse(outlet, found)
        await client.xack(self._options.stream, self._group, *(name for name, _ in messages))

    def _found(self, name: bytes, fields: Mapping[bytes, bytes]) -> Found:
        id_ = f"{self._options.stream}/{name.decode()}"
        raw = json.dumps({_text(key): _text(value) for key, value in fields.items()}).encode()
        try:
            event = self._event(id_, name, fields)
        except Unusable as error:
            return Found(raw, id_, None, str(error))
        return Found(raw, event.id, event)

    def _event(self, id_: str, name: bytes, fields: Mapping[bytes, bytes]) -> Incoming:
        written = datetime.fromtimestamp(int(name.split(b"-")[0]) / 1000, UTC)
        if self._options.envelope == "plain":
            data: Any = {_text(key): _text(value) for key, value in fields.items()}
        else:
            data = _json(fields.get(b"data"))
        if self._options.envelope == "omnidaemon":
            return _of_omnidaemon(data, id_, self._options.key, written)
        key = value_at(data, self._options.key) if self._options.key else None
        return Incoming(data=data, id=id_, key=key, time=written)


def _of_omnidaemon(said: Any, id_: str, key: str | None, written: datetime) -> Incoming:
    """Its envelope: `content` is the data, `task_id` the id; where it is to answer to is kept as headers."""
    if not isinstance(said, Mapping) or "content" not in said:
        raise Unusable("it is no envelope of OmniDaemon: it has no content")
    content = said["content"]
    headers = {f"omnidaemon-{name}": str(said[name]) for name in ("webhook", "reply_to") if said.get(name)}
    created = said.get("created_at")
    named = said.get("task_id")
    return Incoming(
        data=content,
        id=str(named) if named else id_,
        key=value_at(content, key) if key else None,
        source=_said(said, "source"),
        time=datetime.fromtimestamp(created, UTC) if isinstance(created, int | float) else written,
        correlation_id=_said(said, "correlation_id"),
        causation_id=_said(said, "causation_id"),
        tenant=_said(said, "tenant_id"),
        headers=headers or None,
    )


def _said(fields: Mapping[str, Any], name: str) -> str | None:
    return str(fields[name]) if fields.get(name) else None


def _json(raw: bytes | None) -> Any:
    if raw is None:
        raise Unusable("it has no field data")
    try:
        return json.loads(raw)
    except ValueError as error:
        raise Unusable(f"its field data is no JSON: {error}") from None


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _flat(messages: Any) -> Sequence[_Message]:
    """redis-py wraps them once more under its newer protocol."""
    return messages[0] if messages and isinstance(messages[0], list) else messages
