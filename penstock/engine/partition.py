"""The state of one assigned partition, from its assignment until it is revoked or lost. Touched by the loop alone."""

from __future__ import annotations

from collections import deque

from penstock.broker.contract import Assigned
from penstock.broker.progress import Progress, decode, encode
from penstock.engine.delay_gate import DelayGate
from penstock.engine.lanes import Lanes
from penstock.engine.offsets import OffsetTracker
from penstock.engine.run import Run
from penstock.record import TopicPartition


class PartitionState:
    """One partition in one epoch. Runs point at it; when `active` is False their results are stale.

    `unclean` counts the owners that died holding what is below `line` and not finished, this one included as long as it
    lives; `suspect` is the offset that runs alone now. They travel in the commit (design rule "suspects").
    """

    __slots__ = (
        "accused",
        "active",
        "alone",
        "born",
        "braked",
        "committed",
        "crashed_offset",
        "dirty",
        "dispatching",
        "end",
        "epoch",
        "gate",
        "held",
        "held_back",
        "in_flight_bytes",
        "lanes",
        "line",
        "own",
        "probing",
        "reach",
        "siblings",
        "since",
        "source",
        "start",
        "started",
        "suspect",
        "suspicious_until",
        "topic_id",
        "tracker",
        "unclean",
    )

    def __init__(
        self, assigned: Assigned, epoch: int, lanes: Lanes, delay: float | None, *, own: bool, foreign: list[str]
    ) -> None:
        """`own` says that the topic is this group's (retry, replay); `delay` is its tier's length in seconds.

        A metadata text that is not ours is appended to `foreign`.
        """
        self.source: TopicPartition = assigned.partition
        self.epoch = epoch
        self.start = assigned.start
        progress = decode(assigned.metadata)
        if progress is None:
            if assigned.metadata:
                foreign.append(assigned.metadata)
            progress = Progress()
        self.topic_id = assigned.topic_id
        self.born = progress.born or assigned.partitions
        idle = assigned.start >= assigned.end or progress.ahead == 0  # nothing ran there: nobody to blame
        self.unclean = 1 if idle else progress.unclean + 1
        self.crashed_offset = progress.suspect if progress.alone else None
        self.accused = None if progress.alone else progress.suspect
        self.suspect: int | None = None
        self.alone = False  # whether the suspect has the whole process for itself
        self.end = assigned.end
        self.reach: int | None = None if not progress.ahead else assigned.start + progress.ahead
        self.line = assigned.start
        self.since = 0.0
        self.probing = False
        self.started = assigned.start  # one above the highest offset that had started at the last look
        self.suspicious_until = -1
        self.tracker = OffsetTracker(assigned.start, progress.finished(assigned.start, assigned.end))
        self.lanes = lanes
        self.gate = DelayGate(delay) if delay is not None else None
        self.held = 0  # runs that wait in their lane for their next attempt
        self.held_back: deque[Run] = deque()
        self.own = own
        self.siblings = max(assigned.partitions, 1)  # partitions of its topic, itself included
        self.active = True
        self.dispatching = True
        self.braked = False
        self.dirty = True
        self.in_flight_bytes = 0
        self.committed: tuple[int, str] | None = None

    @property
    def in_flight(self) -> int:
        """Records taken and not finished, without those that wait for their retry time."""
        return self.tracker.unfinished - (len(self.gate) if self.gate else 0)

    @property
    def is_watched(self) -> bool:
        """Whether owners died here, and what may have killed them is not finished."""
        return self.unclean > 1

    @property
    def to_be_told(self) -> bool:
        """Whether the next commit has something to say: something finished, or `reach` is a guess."""
        return self.dirty or (self.reach is not None and self.reach > self.started)

    def note_started(self, highest: int, more: float) -> None:
        """`highest` is the highest offset that runs now, -1 for none.

        Nothing at `reach` or above will have started before the next look, in which `more` times as much may start as
        since the last one.
        """
        started = max(self.started, self.tracker.top, highest + 1)
        self.reach = started + int(1.5 * more * (started - self.started))
        self.started = started

    def progress(self, *, clean: bool = False, with_map: bool = True) -> str:
        """The metadata to commit beside the frontier.

        `clean` on a hand-over that was no crash: it takes back its own count, and leaves those of earlier deaths, else
        every worker that joins between two deaths would hide the killer.
        """
        frontier = self.tracker.frontier
        if self.is_watched and self.suspicious_until < 0 and frontier >= self.line:
            self.unclean = 1
        reach = self.line if self.is_watched else self.reach
        return encode(
            Progress(
                topic_id=self.topic_id,
                born=self.born,
                unclean=max(self.unclean - 1, 0) if clean else self.unclean,
                suspect=self.accused if clean or self.suspect is None else self.suspect,
                alone=not clean and self.suspect is not None and self.alone,
                runs=self.tracker.runs() if with_map else (),
                ahead=None if reach is None else max(reach - frontier, 0),
            )
        )

    @property
    def is_suspicious(self) -> bool:
        """Whether its records run one at a time."""
        return self.suspicious_until >= 0 and not self.probing

    def __repr__(self) -> str:
        return f"<{self.source} epoch {self.epoch} frontier {self.tracker.frontier} in flight {self.in_flight}>"
