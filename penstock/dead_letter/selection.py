"""Which waiting entries a command means, fixed before anything is done: what is said is what is done then."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from penstock.broker.contract import Broker
from penstock.dead_letter.entries import EVERYTHING, NOTHING_DECLARED, DeadLetter, Declared, Filters, list_entries, read
from penstock.dead_letter.ranges import spanning, widened
from penstock.record import Position

Objection = Callable[[DeadLetter], str]


@dataclass(frozen=True, slots=True)
class Selection:
    """Entries chosen, and how they look together. `by_*` count them; `oldest` and `newest` are epoch milliseconds.

    `refused` counts, by the reason, what the filters mean but the command will not touch. Entries that come in later
    are not part of it: a replay that fails again is not replayed by the same command.
    """

    group_id: str
    positions: frozenset[Position] = field(repr=False)
    by_reason: Mapping[str, int]
    by_type: Mapping[str, int]
    by_error: Mapping[str, int]
    oldest: int | None
    newest: int | None
    refused: Mapping[str, int]

    @property
    def count(self) -> int:
        """How many entries are chosen."""
        return len(self.positions)


async def select(
    broker: Broker,
    group_id: str,
    *,
    filters: Filters = EVERYTHING,
    declared: Declared = NOTHING_DECLARED,
    objection: Objection = lambda _letter: "",
) -> Selection:
    """The waiting entries that `filters` mean and `objection` has nothing against. Raises TopicMissing."""
    positions: list[Position] = []
    refused: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    types: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    span: tuple[int, int] | None = None
    async for letter in list_entries(broker, group_id, filters=filters, declared=declared):
        if refusal := objection(letter):
            refused[refusal] += 1
            continue
        positions.append(letter.position)
        reasons[letter.reason] += 1
        types[letter.event_type] += 1
        errors[letter.error_type] += 1
        span = widened(span, letter.time)
    oldest, newest = span or (None, None)
    return Selection(
        group_id=group_id,
        positions=frozenset(positions),
        by_reason=dict(reasons.most_common()),
        by_type=dict(types.most_common()),
        by_error=dict(errors.most_common()),
        oldest=oldest,
        newest=newest,
        refused=dict(refused.most_common()),
    )


async def chosen(
    broker: Broker, selection: Selection, declared: Declared = NOTHING_DECLARED
) -> AsyncIterator[DeadLetter]:
    """The entries of a selection, read from the log again, in their order."""
    async for letter in read(broker, spanning(selection.positions), declared):
        if letter.position in selection.positions:
            yield letter
