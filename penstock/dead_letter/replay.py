"""Replays dead letters through the group's own replay topic, so that no other group of the source runs again.

No entry is offered twice: the replay topic is read again right before each window of records is written. Between
that look and the broker's acknowledgement (a round trip or two) lies the one race that is left here, and the faces of
penstock close it: whoever replays or discards has the turn for that processor (`control/turns.py`). Who calls this
module without it may write an entry twice with another operator, and so does one who kills a command and gives it
again while the last window is still on its way. Both copies carry the same run id, and each command that comes to its
end says how many of its entries another one wrote as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from penstock import headers as wire
from penstock.broker.contract import Broker
from penstock.clock import Clock, SystemClock
from penstock.dead_letter.entries import EVERYTHING, NOTHING_DECLARED, DeadLetter, Declared, Filters
from penstock.dead_letter.selection import Objection, Selection, select
from penstock.dead_letter.sending import Pace
from penstock.dead_letter.settling import Result, Target, note, origin_lines, settle
from penstock.errors import Undecodable, UnknownSchema
from penstock.record import Outgoing
from penstock.schema.envelope import Opener
from penstock.topology.derived import replay_topic

MAX_REPLAYS: Final = 3


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay will do: the entries, and who will take them. `workers` is 0 where nobody runs now."""

    selection: Selection
    topic: str
    workers: int

    @property
    def count(self) -> int:
        """How many entries will be replayed."""
        return self.selection.count


async def plan_replay(
    broker: Broker,
    group_id: str,
    *,
    filters: Filters = EVERYTHING,
    declared: Declared = NOTHING_DECLARED,
    max_replays: int = MAX_REPLAYS,
    objection: Objection = lambda _letter: "",
) -> ReplayPlan:
    """What `replay` would do with these filters. Writes nothing.

    Refused are entries replayed `max_replays` times already (they come back each time), entries that no worker wrote
    and what `objection` names a reason against. Raises TopicMissing where the dead letter or replay topic is missing.
    """

    def refusal(letter: DeadLetter) -> str:
        if letter.origin is None:
            return "no worker wrote it: it does not say where it first stood"
        if letter.replay_count >= max_replays:
            return f"replayed {max_replays} times already"
        return objection(letter)

    selection = await select(broker, group_id, filters=filters, declared=declared, objection=refusal)
    described = await broker.admin().group(group_id)
    return ReplayPlan(selection, replay_topic(group_id), len(described.members))


async def replay(
    broker: Broker,
    plan: ReplayPlan,
    *,
    replay_id: str,
    rate: float | None = None,
    progress: Callable[[int], None] = lambda _count: None,
    clock: Clock | None = None,
) -> Result:
    """Write the plan's entries to the replay topic, at most `rate` a second, each acknowledged.

    Key, value and foreign headers stay as they are; the run id too; attempts begin at 0 again. What came to be
    replayed or discarded since the plan is passed over. Interrupted, by a failure or a signal, it may be planned and
    called again: what was written is not written twice.
    """
    pace = Pace(clock or SystemClock(), rate)
    return await settle(broker, plan.selection, replay_id, replayed, pace=pace, progress=progress)


def replayed(letter: DeadLetter, target: Target) -> Outgoing:
    """The record that replays an entry. Of our headers only identity and origin go on: attempts and errors do not."""
    assert letter.origin is not None  # the plan refuses such entries
    ours = [
        *note(letter, target.replay_id),
        wire.line(wire.REPLAY_COUNT, letter.replay_count + 1),
        *origin_lines(letter.origin),
    ]
    headers = [*wire.foreign(letter.record.headers), *ours]
    return Outgoing(target.topic, letter.record.key, letter.record.value, headers, target.partition(letter.origin))


def unknown_schema(opener: Opener) -> Objection:
    """An objection to entries whose schema is not known here: they would only be deferred.

    What cannot be decoded for good is let through: it is replayed when the handler or the schemas were mended.
    """

    def objection(letter: DeadLetter) -> str:
        try:
            opener.open(letter.record)
        except UnknownSchema:
            return "its schema is not known here"
        except Undecodable:
            return ""
        return ""

    return objection
