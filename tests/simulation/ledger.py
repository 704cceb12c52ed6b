"""What truly happened, seen from outside the engine: events, where they stand, handler calls, lives of workers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.record import Position, Record, TopicPartition
from tests.simulation.world import Sending, Step

if TYPE_CHECKING:
    from penstock.broker.in_memory.member import InMemoryMember
    from penstock.engine.worker import Worker

NEVER = float("-inf")


@dataclass(eq=False)
class Life:
    """One worker process. `trouble_at` is when one of its commits last met weather."""

    name: str
    worker: Worker
    member: InMemoryMember
    owned: dict[TopicPartition, Epoch] = field(default_factory=dict)
    leaving: set[TopicPartition] = field(default_factory=set)
    paused: set[TopicPartition] = field(default_factory=set)
    running: int = 0
    crashed: bool = False
    stopping: bool = False
    winding_down: bool = False  # told to stop, or failed: it finishes what it runs before it leaves
    hurried: bool = False  # told a second time to stop: no grace any more
    asked_at: float = NEVER  # when it was last asked for partitions
    fenced: bool = False  # its producer met a fatal error: it must end
    trouble_at: float = NEVER
    in_assigned: bool = False
    ended: bool = False
    task: asyncio.Task[None] | None = None


@dataclass(eq=False)
class Epoch:
    """One partition in the hands of one worker. `covered`: finished offsets above `start`, as committed before it.

    `cut_at` is when the worker crashed or was expelled: it may hear of it later, or never.
    """

    life: Life
    source: TopicPartition
    start: int
    covered: frozenset[int]
    began: float
    cut_at: float | None = None
    over: str = ""  # revoked, lost or crashed
    done: list[Occurrence] = field(default_factory=list)


@dataclass(eq=False)
class Call:
    """One call of the handler. `got` are the indexes of its outputs that stand in the log."""

    number: int
    step: Step
    epoch: Epoch
    occurrence: Occurrence
    attempt: int
    started: float
    ended: float | None = None
    wall_ended: float = 0.0
    result: str = ""
    cancelled: bool = False
    abandoned: bool = False
    wanted: int = 0
    got: set[int] = field(default_factory=set)

    @property
    def is_final(self) -> bool:
        """Whether nothing more needs to happen for its event."""
        return self.result == "skip" or (self.result == "ok" and len(self.got) >= self.wanted)


@dataclass(eq=False)
class Occurrence:
    """One record of an event: in a source or a retry topic. `done_at` is when it became finished, by whom."""

    position: Position
    record: Record
    event: Story
    seq: int
    done_at: float | None = None
    done_by: Epoch | None = None
    calls: list[Call] = field(default_factory=list)

    @property
    def source(self) -> TopicPartition:
        """Its partition."""
        return TopicPartition(self.position.topic, self.position.partition)

    @property
    def is_finished(self) -> bool:
        """Whether a commit may pass it: its event is final, or stands in a later record."""
        return self.event.is_final or self.event.occurrences[-1].seq > self.seq


@dataclass(eq=False)
class Story:
    """One event. `touched`: a fault fell on it where it may have been handed off and not committed.

    `excused`: it need not end anywhere, and why (its record was truncated, or an operator skipped it).
    """

    number: int
    sending: Sending
    record: Record
    occurrences: list[Occurrence] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    touched: str = ""
    ill_sent: bool = False  # one of its records met weather on its way: the log may have it, the worker not know it
    refused: bool = False
    excused: str = ""
    exposed: bool = False  # its worker died or was expelled while it was unfinished there

    @property
    def is_final(self) -> bool:
        """Whether it stands in a final place."""
        return bool(self.dead) or self.sending.kind == "filtered" or any(call.is_final for call in self.calls)

    @property
    def finals(self) -> int:
        """In how many."""
        return len(self.dead) + sum(call.is_final and not call.abandoned for call in self.calls)

    @property
    def failures(self) -> int:
        """Calls that spent an attempt."""
        return sum(call.result in {"fail", "timeout", "retry"} for call in self.calls)


class Ledger:
    """All of it, and the trace: a line per fact, in order, equal for equal runs."""

    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}
        self.occurrences: dict[Position, Occurrence] = {}
        self.lanes: dict[tuple[TopicPartition, bytes | None], list[Story]] = {}
        self.lives: list[Life] = []
        self.disturbed: set[TopicPartition] = set()  # truncated or reset: maps are dropped, work is repeated
        self.trace: list[tuple[object, ...]] = []
        self._seq = 0

    def stand(self, story: Story, record: Record) -> Occurrence:
        """A record of the event was appended."""
        self._seq += 1
        found = Occurrence(record.position, record, story, self._seq)
        story.occurrences.append(found)
        self.occurrences[record.position] = found
        return found

    def note(self, *fact: object) -> None:
        """Add to the trace."""
        self.trace.append(fact)
