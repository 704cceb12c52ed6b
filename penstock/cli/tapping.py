"""Watch a topic: records as they arrive, opened, filtered, shown."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from penstock.broker.contract import Admin, Broker
from penstock.cli import tap_text
from penstock.errors import TopicMissing
from penstock.topology.model import Topology


@dataclass(frozen=True, slots=True)
class Filters:
    """What is shown: all of it where a filter is None."""

    key: str | None = None
    type: str | None = None
    grep: re.Pattern[str] | None = None

    def pass_(self, found: dict[str, Any]) -> bool:
        """Whether an opened record is shown."""
        if self.key is not None and found["key"] != self.key:
            return False
        if self.type is not None and found.get("type") != self.type:
            return False
        said = found.get("data", found.get("value"))
        return self.grep is None or bool(self.grep.search(json.dumps(said, ensure_ascii=False)))


async def tap(
    topology: Topology,
    broker: Broker,
    topic: str,
    filters: Filters,
    from_time_ms: int | None,
    count: int | None,
    show: Callable[[dict[str, Any]], None],
) -> None:
    """Show what passes, for ever or until `count` were shown. Raises TopicMissing."""
    from penstock.schema.codec import Codec
    from penstock.schema.envelope import Opener

    await _must_exist(broker.admin(), topic)
    opener = Opener(topology, _group_of(topology, topic), Codec(topology))
    shown = 0
    records = cast("Any", broker.reader().tail([topic], from_time_ms=from_time_ms))
    async with aclosing(records):
        async for record in records:
            found = tap_text.values(record, opener)
            if not filters.pass_(found):
                continue
            show(found)
            shown += 1
            if shown == count:
                return


async def _must_exist(admin: Admin, topic: str) -> None:
    there = await admin.topics()
    if topic not in there:
        close = difflib.get_close_matches(topic, there, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "`penstock topics` lists those of the topology"
        raise TopicMissing(f"there is no topic {topic}", hint)


def _group_of(topology: Topology, topic: str) -> str:
    """The group whose own topic this is: there the headers say where an event first stood."""
    groups = [processor.group_id for processor in topology.processors.values()]
    return max((group for group in groups if topic.startswith(f"{group}.")), key=len, default="")
