"""What became of events, by correlation id: the newest in memory, within a bound; the log knows the rest."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from penstock.record import Record

State = Literal["pending", "answered", "dead"]
MOST_CASES: Final = 50_000
MOST_BYTES: Final = 64 << 20
_PROGRESS: Final = 100  # of one case; older ones are forgotten first
_OVERHEAD: Final = 500  # bytes of a case without records, near enough


@dataclass(slots=True, eq=False)
class Case:
    """One event's story so far. `news` is set and replaced at every change; `watchers` keep it from being forgotten."""

    state: State = "pending"
    outcome: Record | None = None  # the reply, or the dead letter
    progress: deque[Record] = field(default_factory=lambda: deque(maxlen=_PROGRESS))
    told: int = 0  # progress records in all, forgotten ones too
    news: asyncio.Event = field(default_factory=asyncio.Event)
    watchers: int = 0
    size: int = _OVERHEAD


class Board:
    """Cases by correlation id, the one touched longest ago forgotten first.

    A reply wins over a dead letter, also a later one: the letter may have been replayed. Of several replies the first
    stays. The same record told twice changes nothing.
    """

    def __init__(self, most_cases: int = MOST_CASES, most_bytes: int = MOST_BYTES) -> None:
        self._most_cases = most_cases
        self._most_bytes = most_bytes
        self._cases: OrderedDict[str, Case] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._cases)

    @property
    def size(self) -> int:
        """Bytes held, near enough."""
        return self._size

    def find(self, id_: str) -> Case | None:
        """The case, if it is in memory."""
        case = self._cases.get(id_)
        if case is not None:
            self._cases.move_to_end(id_)
        return case

    def accepted(self, id_: str) -> None:
        """The event is in the log; nothing more is known of it."""
        self._case(id_)
        self._forget()

    def answered(self, id_: str, reply: Record) -> None:
        """A reply has come."""
        case = self._case(id_)
        if case.state != "answered":
            self._conclude(case, "answered", reply)

    def died(self, id_: str, letter: Record) -> None:
        """The event, or one that followed from it, is a dead letter."""
        case = self._case(id_)
        if case.state == "pending":
            self._conclude(case, "dead", letter)

    def progressed(self, id_: str, progress: Record) -> None:
        """A handler has told how far it is."""
        case = self._case(id_)
        if any(known.position == progress.position for known in case.progress):
            return
        if len(case.progress) == _PROGRESS:
            self._grow(case, -case.progress[0].size)
        case.progress.append(progress)
        case.told += 1
        self._grow(case, progress.size)
        _tell(case)
        self._forget()

    @contextmanager
    def watched(self, case: Case) -> Iterator[None]:
        """Keep the case in memory while somebody waits for its news."""
        case.watchers += 1
        try:
            yield
        finally:
            case.watchers -= 1

    def _case(self, id_: str) -> Case:
        case = self._cases.get(id_)
        if case is None:
            case = self._cases[id_] = Case()
            self._size += case.size
        else:
            self._cases.move_to_end(id_)
        return case

    def _conclude(self, case: Case, state: State, outcome: Record) -> None:
        self._grow(case, outcome.size - (case.outcome.size if case.outcome else 0))
        case.state, case.outcome = state, outcome
        _tell(case)
        self._forget()

    def _grow(self, case: Case, size: int) -> None:
        case.size += size
        self._size += size

    def _forget(self) -> None:
        """Down to the bounds; watched cases stay, and their number is bounded by who may wait."""
        spared = []
        while self._cases and (len(self._cases) > self._most_cases or self._size > self._most_bytes):
            id_, case = self._cases.popitem(last=False)
            self._size -= case.size
            if case.watchers:
                spared.append((id_, case))
        for id_, case in reversed(spared):
            self._cases[id_] = case
            self._cases.move_to_end(id_, last=False)
            self._size += case.size


def _tell(case: Case) -> None:
    news, case.news = case.news, asyncio.Event()
    news.set()
