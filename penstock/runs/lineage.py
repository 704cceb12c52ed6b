"""Events, the runs they led to, the events those sent, and so on: attempts that belong together, put into a tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.runs.decoding import RanAttempt

WAITING = ("retried", "deferred")


@dataclass
class TracedRun:
    """One processor's run of an event: its attempts, oldest first, and the events it sent.

    `sent` are events; the last retry record or dead letter is in `attempts[-1].sent`.
    """

    run_id: str
    processor: str
    attempts: list[RanAttempt] = field(default_factory=list)
    sent: list[TracedEvent] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """Of the last attempt."""
        return self.attempts[-1].outcome

    @property
    def replays(self) -> int:
        """How often it came back from the dead letter topic."""
        return len({one.replay_id for one in self.attempts if one.replay_id})

    @property
    def started(self) -> float:
        """Of the first attempt, epoch seconds."""
        return self.attempts[0].started

    @property
    def ended(self) -> float:
        """Of the last attempt, epoch seconds."""
        return max(one.ended for one in self.attempts)


@dataclass
class TracedEvent:
    """One event of a trace: where it stands, and who handled it. `id` is '' for one that nobody handled yet.

    `source` and `written` (epoch seconds) are known where the record itself was looked at. `readers` are the
    processors that read its topic.
    """

    id: str
    type: str
    position: str
    runs: list[TracedRun] = field(default_factory=list)
    source: str = ""
    written: float | None = None
    readers: tuple[str, ...] = ()

    def events(self) -> Iterator[TracedEvent]:
        """Itself and every event below it."""
        yield self
        for run in self.runs:
            for event in run.sent:
                yield from event.events()

    def attempts(self) -> Iterator[RanAttempt]:
        """Every attempt from here down."""
        for event in self.events():
            for run in event.runs:
                yield from run.attempts

    @property
    def cost(self) -> float | None:
        """Of this event and all it led to; None where no attempt named any."""
        known = [cost for one in self.attempts() if (cost := one.cost) is not None]
        return sum(known) if known else None


def lineage(attempts: Iterable[RanAttempt]) -> list[TracedEvent]:
    """The trees these attempts form, oldest first: several where the first event is not among them."""
    events = _events(sorted(attempts, key=lambda one: (one.started, one.attempt)))
    children = _connect(events)
    return [event for event in events.values() if event.id not in children]


def _events(attempts: Sequence[RanAttempt]) -> dict[str, TracedEvent]:
    events: dict[str, TracedEvent] = {}
    for one in attempts:
        event = events.setdefault(one.event_id, TracedEvent(one.event_id, one.type, one.origin))
        run = next((run for run in event.runs if run.run_id == one.run_id), None)
        if run is None:
            run = TracedRun(one.run_id, one.processor)
            event.runs.append(run)
        run.attempts.append(one)
    return events


def _connect(events: Mapping[str, TracedEvent]) -> set[str]:
    """Hang every event below the run that sent it; returns those that hang somewhere.

    A position tells which run it was. Where the positions of a run were too many to be kept, the event's own word
    about its cause does.
    """
    stands = {one.origin: event for event in events.values() for run in event.runs for one in run.attempts}
    hung: set[str] = set()
    for event in events.values():
        for run in event.runs:
            seen: set[str] = set()
            for position in (sent for one in run.attempts if one.outcome == "done" for sent in one.sent):
                child = stands.get(position) or TracedEvent("", "", position)
                if child is event or (child.id or position) in seen:
                    continue
                seen.add(child.id or position)
                run.sent.append(child)
                hung.add(child.id)
    for event in events.values():
        cause = events.get(event.runs[0].attempts[0].causation_id)
        if event.id not in hung and cause is not None and not _below(event, cause):
            cause.runs[0].sent.append(event)
            hung.add(event.id)
    return hung


def _below(event: TracedEvent, other: TracedEvent) -> bool:
    """Whether `other` is the event or hangs below it: two that name each other as their cause make no tree."""
    return any(one is other for one in event.events())
