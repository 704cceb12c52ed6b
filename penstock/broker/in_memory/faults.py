"""What may go wrong at the in-memory broker: a hook asked at every produce, commit, fetch and heartbeat."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from penstock.broker.contract import Commit
from penstock.record import Outgoing, TopicPartition


class Outcome(Enum):
    """How one request ends; each hook says which of them it knows."""

    DONE = "done"
    FAILED = "failed"  # not made, reported as a passing failure
    UNANSWERED = "unanswered"  # made, and reported as a passing failure
    REFUSED = "refused"  # produce only: will never be accepted (not authorised, say)
    FATAL = "fatal"  # produce only: this producer is finished


@dataclass(frozen=True, slots=True)
class Fate:
    """The end of one request, reached `delay` seconds from now. Requests of one sender never overtake each other."""

    outcome: Outcome = Outcome.DONE
    delay: float = 0.0


FINE: Final = Fate()


class Faults(Protocol):
    """Asked once per request, in the order of the requests; must not block or raise."""

    def produce(self, client_id: str, record: Outgoing) -> Fate:
        """One record is sent: every outcome."""
        ...

    def commit(self, client_id: str, commits: Sequence[Commit]) -> Fate:
        """One commit is asked for: DONE, FAILED or UNANSWERED."""
        ...

    def fetch(self, client_id: str, partitions: Collection[TopicPartition]) -> Fate:
        """Records are about to be delivered: DONE (after the delay), or FAILED: tried again after the delay."""
        ...

    def heartbeat(self, client_id: str) -> bool:
        """Whether this heartbeat reaches the coordinator. A member not heard for its `failover` is expelled."""
        ...


class NoFaults:
    """A broker that always answers at once: a base for hooks that break one thing only."""

    def produce(self, client_id: str, record: Outgoing) -> Fate:
        """Appended."""
        return FINE

    def commit(self, client_id: str, commits: Sequence[Commit]) -> Fate:
        """Committed."""
        return FINE

    def fetch(self, client_id: str, partitions: Collection[TopicPartition]) -> Fate:
        """Delivered."""
        return FINE

    def heartbeat(self, client_id: str) -> bool:
        """Heard."""
        return True
