"""What sources share: fields by their path, and a delivery in which what can never be an event is refused alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.contracts import Cursor, Incoming, Outlet
from penstock.errors import SendRefused, Unencodable


class Unusable(Exception):
    """What was read is no event; the message says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing as it was read: its bytes, and the event it is, or why it is none."""

    raw: bytes
    id: str
    event: Incoming | None
    why: str = ""


def value_at(data: Any, path: str) -> str:
    """The field at a path (`customer.id`, or `data.customer.id`), as text. Raises Unusable where it is absent."""
    found = data
    for step in path.removeprefix("data.").split("."):
        if not isinstance(found, Mapping) or step not in found:
            raise Unusable(f"it has no {path}")
        found = found[step]
    if found is None or isinstance(found, Mapping | list):
        raise Unusable(f"its {path} is no text or number")
    return str(found)


async def deliver_or_refuse(outlet: Outlet, found: Sequence[Found], *, cursor: Cursor = None) -> None:
    """Deliver the events and refuse the rest, in order; only then is `cursor` kept.

    Where an event of many cannot be sent, they go one by one, so that only that one is refused.
    """
    run: list[Found] = []
    for one in found:
        if one.event is not None:
            run.append(one)
            continue
        await _deliver(outlet, run)
        run = []
        await outlet.refuse(one.raw, one.why, id=one.id)
    await _deliver(outlet, run)
    if cursor is not None:
        await outlet.deliver([], cursor=cursor)


async def _deliver(outlet: Outlet, found: Sequence[Found]) -> None:
    if not found:
        return
    try:
        await outlet.deliver([one.event for one in found if one.event is not None])
    except (Unencodable, SendRefused) as error:
        if len(found) == 1:
            await outlet.refuse(found[0].raw, str(error), id=found[0].id)
            return
        for one in found:
            await _deliver(outlet, [one])
