"""Faults carried out: the weather at the broker's door, as its hook asks for it, one window per fault."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence

from penstock.broker.contract import Commit
from penstock.broker.in_memory.faults import FINE, Fate, NoFaults, Outcome
from penstock.record import Outgoing, TopicPartition
from tests.simulation.world import Fault


class Weather(NoFaults):
    """The windows open now. Each draws from its own seed, so that taking one fault out leaves the others as they were.

    `commit_trouble(client)` and `produce_trouble(client, record, outcome)` are told of every request that is hit.
    """

    def __init__(
        self,
        seed: int,
        commit_trouble: Callable[[str], None],
        produce_trouble: Callable[[str, Outgoing, Outcome], None],
    ) -> None:
        self._seed = seed
        self._windows: dict[Fault, random.Random] = {}
        self._silent: dict[str, int] = {}
        self._commit_trouble = commit_trouble
        self._produce_trouble = produce_trouble

    def begin(self, fault: Fault) -> None:
        """Open the window of a fault."""
        self._windows[fault] = random.Random(f"{self._seed}/{fault.kind}/{fault.at}")

    def end(self, fault: Fault) -> None:
        """Close it."""
        self._windows.pop(fault, None)

    def hush(self, client: str) -> None:
        """Let no heartbeat of this client through."""
        self._silent[client] = self._silent.get(client, 0) + 1

    def unhush(self, client: str) -> None:
        """Undo one `hush`."""
        self._silent[client] = max(self._silent.get(client, 0) - 1, 0)

    def calm(self) -> None:
        """The end of all weather."""
        self._windows.clear()
        self._silent.clear()

    def produce(self, client_id: str, record: Outgoing) -> Fate:
        """See Faults."""
        fate = self._fate("produces", record.topic)
        if fate is not FINE:
            self._produce_trouble(client_id, record, fate.outcome)
        return fate

    def commit(self, client_id: str, commits: Sequence[Commit]) -> Fate:
        """See Faults."""
        fate = self._fate("commits", "")
        if fate is not FINE:
            self._commit_trouble(client_id)
        return fate

    def fetch(self, client_id: str, partitions: Collection[TopicPartition]) -> Fate:
        """See Faults."""
        return self._fate("fetches", "")

    def heartbeat(self, client_id: str) -> bool:
        """See Faults."""
        return not self._silent.get(client_id)

    def _fate(self, kind: str, topic: str) -> Fate:
        for fault, chance in self._windows.items():
            if fault.kind == kind and fault.topic in topic and chance.random() < fault.chance:
                return Fate(Outcome(fault.outcome), fault.delay)
        return FINE
