"""Dead letters of one cause, together: clusters by fingerprint, each with its size, its span and one sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from penstock.broker.contract import Broker
from penstock.dead_letter.entries import EVERYTHING, NOTHING_DECLARED, DeadLetter, Declared, Filters, list_entries
from penstock.errors import PenstockError
from penstock.record import Position

UNNAMED: Final = "none"  # the cluster of entries that carry no fingerprint
_SHORTEST: Final = 4  # digits of an id that may stand for all of it


@dataclass(frozen=True, slots=True)
class Cluster:
    """Waiting entries with one fingerprint. Times are epoch milliseconds; `sample` is the newest of them."""

    id: str
    count: int
    first: int
    last: int
    error_type: str
    error_message: str
    sample: Position
    by_reason: Mapping[str, int] = field(default_factory=dict)
    by_type: Mapping[str, int] = field(default_factory=dict)
    replayed: int = 0  # of them were replayed before and came back


async def clusters(
    broker: Broker,
    group_id: str,
    *,
    filters: Filters = EVERYTHING,
    declared: Declared = NOTHING_DECLARED,
    replayable: bool = True,
) -> tuple[Cluster, ...]:
    """The clusters of what waits now, the largest first. Memory grows with causes, not with entries.

    Raises TopicMissing where the dead letter or replay topic is missing.
    """
    growing = Clustering()
    async for letter in list_entries(broker, group_id, filters=filters, declared=declared, replayable=replayable):
        growing.add(letter)
    return growing.clusters()


def cluster_of(found: tuple[Cluster, ...], said: str) -> Cluster:
    """The cluster of this id, or of an id that begins so. Raises PenstockError where there is none, or several."""
    exact = [one for one in found if one.id == said]
    near = exact or [one for one in found if len(said) >= _SHORTEST and one.id.startswith(said)]
    if len(near) == 1:
        return near[0]
    known = ", ".join(one.id for one in (near or found)[:10]) or "none waits"
    problem = "several clusters begin with" if near else "there is no cluster"
    raise PenstockError(f"{problem} {said!r}", f"`penstock dlt ls --clusters` lists them: {known}")


class Clustering:
    """Entries put into their clusters, one after the other."""

    def __init__(self) -> None:
        self._found: dict[str, _Growing] = {}

    def add(self, letter: DeadLetter) -> None:
        """One more entry."""
        key = letter.fingerprint or UNNAMED
        if key not in self._found:
            self._found[key] = _Growing(letter)
        self._found[key].add(letter)

    def clusters(self) -> tuple[Cluster, ...]:
        """As they are now, the largest first."""
        ready = [growing.cluster(key) for key, growing in self._found.items()]
        return tuple(sorted(ready, key=lambda one: (-one.count, one.id)))


class _Growing:
    """A cluster while entries come in."""

    def __init__(self, first: DeadLetter) -> None:
        self.count = self.replayed = 0
        self.span = (first.time, first.time)
        self.newest = first
        self.reasons: Counter[str] = Counter()
        self.types: Counter[str] = Counter()

    def add(self, letter: DeadLetter) -> None:
        self.count += 1
        self.replayed += letter.replay_count > 0
        self.span = (min(self.span[0], letter.time), max(self.span[1], letter.time))
        self.reasons[letter.reason] += 1
        self.types[letter.event_type] += 1
        if letter.time >= self.newest.time:
            self.newest = letter

    def cluster(self, key: str) -> Cluster:
        return Cluster(
            key,
            self.count,
            *self.span,
            self.newest.error_type,
            self.newest.error_message,
            self.newest.position,
            dict(self.reasons.most_common()),
            dict(self.types.most_common()),
            self.replayed,
        )
