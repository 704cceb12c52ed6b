"""Where the desk's workers run: the seam between the play and its two stages, processes on Kafka or all in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from demo.board import Look
from penstock.broker.contract import Broker
from penstock.topology.model import Topology


@dataclass(frozen=True, slots=True)
class Victim:
    """A worker that was killed: how, when (epoch ms), and the source partitions that were its own."""

    worker: str
    how: str
    at: int
    partitions: frozenset[int]


class Stage(Protocol):
    """A topology that runs."""

    @property
    def topology(self) -> Topology:
        """What runs here."""
        ...

    @property
    def broker(self) -> Broker:
        """Where it runs."""
        ...

    async def start(self) -> None:
        """Start every worker, and return once all partitions are shared out. Raises PenstockError."""
        ...

    async def looks(self, processor: str) -> Mapping[str, Look]:
        """The workers of a processor now."""
        ...

    async def kill(self, worker: str) -> Victim:
        """End a worker as a power cut would."""
        ...

    async def replay(self, processor: str, since: int) -> Sequence[str]:
        """Replay what the processor gave up since a time (epoch ms); what there is to say about it."""
        ...

    async def stop(self) -> None:
        """Drain everything. Idempotent; also after a start that failed."""
        ...
