"""The invariants, asked at every step: each has a name, a sentence, and one place where it is checked.

Nothing here believes the engine: what is finished follows from the log and from the handlers' own ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from penstock import headers as wire
from penstock.broker.contract import Assigned, Commit, Committed
from penstock.broker.in_memory.faults import Outcome
from penstock.broker.progress import decode
from penstock.record import Header, Outgoing, Position, Record, TopicPartition
from tests.simulation.calls import CallChecks
from tests.simulation.invariants import GROUP, INVARIANTS, MOST_DEATHS, SOURCE, Violation
from tests.simulation.ledger import Call, Epoch, Ledger, Life, Occurrence, Story
from tests.simulation.world import Plan

__all__ = ["GROUP", "INVARIANTS", "SOURCE", "Checker", "Violation", "story_id"]


class Checker(CallChecks):
    """Hears of every step. The first violation is kept: what follows it may be its consequence."""

    def __init__(self, plan: Plan, ledger: Ledger, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self.plan = plan
        self.ledger = ledger
        self.violation: Violation | None = None
        self._now = now
        self._wall = wall
        self.committed: Mapping[TopicPartition, Committed] = {}
        self.first_starts: dict[TopicPartition, int] = {}  # where the group began to read each partition

    def fail(self, invariant: str, what: str) -> None:
        """Keep the first violation."""
        assert invariant in INVARIANTS
        if self.violation is None:
            self.violation = Violation(invariant, f"{what} (at {self._now():.3f} s)")
            self.ledger.note(self._now(), "VIOLATION", invariant, what)

    # The log ---------------------------------------------------------------------------------------------------

    def sent(self, story: Story, record: Record) -> None:
        """The world wrote an event to a source topic."""
        self.ledger.stand(story, record)
        key = b"" if self.plan.ordering == "partition" else record.key
        self.ledger.lanes.setdefault((record.source, key), []).append(story)
        self.ledger.note(self._now(), "sent", story.number, record.position)

    def appended(self, record: Record) -> None:
        """A worker's record reached the log."""
        self.ledger.note(self._now(), "appended", record.position, record.header(wire.CE_ID))
        if record.topic in {"out", "side"}:
            self._output(record)
            return
        story = self.ledger.stories[(record.header(wire.CE_ID) or b"").decode()]
        if record.key != story.record.key or record.value != story.record.value:
            self.fail("hop-bytes", f"event {story.number}: key or value changed at {record.position}")
        if _foreign(record) != _foreign(story.record):
            self.fail("hop-bytes", f"event {story.number}: foreign headers changed at {record.position}")
        cause = self._cause(story)
        if cause is None:
            self._touch_by_expelled(story)
        if record.topic.endswith(".dlt"):
            self._buried(story, record)
        else:
            self._due(story, record)
            self.ledger.stand(story, record)
        if cause is not None:
            self._done(cause)

    def _output(self, record: Record) -> None:
        data = json.loads(record.value or b"")
        story = self.ledger.stories[f"e{data['n']}"]
        call = story.calls[data["call"]]
        call.got.add(data["i"])
        if call.result != "ok":
            self.fail("emit-without-success", f"event {story.number}: call {call.number} ended {call.result!r}")
        if call.is_final:
            self._done(call)

    def _cause(self, story: Story) -> Call | None:
        """The call after which a retry or dead letter record was written: the last that has ended, else the last."""
        for call in reversed(story.calls):
            if call.ended is not None and call.occurrence.done_at is None and not call.abandoned:
                return call
        return next((call for call in reversed(story.calls) if call.occurrence.done_at is None), None)

    def _touch_by_expelled(self, story: Story) -> None:
        """It was handed off without a call (undecodable, crashed), perhaps by a worker that was expelled by then."""
        alive = [life for life in self.ledger.lives if not life.crashed and not life.ended]
        cut = {source for life in alive for source, epoch in life.owned.items() if epoch.cut_at is not None}
        if cut and not story.touched and any(one.source in cut for one in story.occurrences):
            story.touched = "handed off by an expelled worker"

    def _done(self, call: Call) -> None:
        occurrence, epoch = call.occurrence, call.epoch
        if occurrence.done_at is not None:
            return
        if epoch.over or epoch.cut_at is not None:
            occurrence.event.touched = occurrence.event.touched or f"handed off as {epoch.source} went"
            occurrence.event.exposed = True
            return
        occurrence.done_at = self._now()
        occurrence.done_by = epoch
        epoch.done.append(occurrence)

    def _due(self, story: Story, record: Record) -> None:
        not_before = (wire.number(record.headers, wire.NOT_BEFORE) or 0) / 1000
        made = wire.number(record.headers, wire.ATTEMPT) or 0
        dues = [self._due_after(call) for call in story.calls if call.attempt - (call.result == "defer") == made]
        if dues and not_before < min(dues) - 0.002:
            self.fail("due-time", f"event {story.number} is due {min(dues) - not_before:.3f} s before the policy says")

    def _due_after(self, call: Call) -> float:
        """When the next attempt may start, in epoch seconds; 0 where there is none to follow."""
        if call.result in {"fail", "timeout"}:
            return call.wall_ended + min(self.plan.backoff * 4 ** (call.attempt - 1), 1800.0)
        return call.wall_ended + call.step.after if call.result in {"retry", "defer"} else 0.0

    def _buried(self, story: Story, record: Record) -> None:
        reason = wire.text(record.headers, wire.REASON) or ""
        given = {
            "exhausted": story.failures >= self.plan.max_attempts,
            "rejected": any(call.result == "reject" for call in story.calls),
            "undecodable": story.sending.kind == "undecodable",
            "unsendable": story.refused,
            "crashed": story.exposed,
        }
        if not given.get(reason, False):
            self.fail("dead-letter-reason", f"event {story.number} was dead-lettered as {reason!r}")
        story.dead.append(reason)

    # Commits ---------------------------------------------------------------------------------------------------

    def commit_asked(self, life: Life, commits: Sequence[Commit]) -> None:
        """A worker asks for a commit."""
        for commit in commits:
            if commit.partition not in life.owned and not life.crashed:
                self.fail("commit-not-owner", f"{life.name} commits {commit.partition}, which it does not have")

    def commit_made(self, commit: Commit, before: Committed | None, records: Sequence[Record], high: int) -> None:
        """The coordinator took a commit; `records` are those in the log from the lower offset on."""
        if before is None:
            self._begun(commit.partition, commit.offset)
        old = before.offset if before else 0
        progress = decode(commit.metadata)
        above = progress.finished(commit.offset, high) if progress else set()
        self.ledger.note(self._now(), "commit", commit.partition, commit.offset, tuple(sorted(above)))
        if before and commit.offset < before.offset and commit.partition not in self.ledger.disturbed:
            self.fail("commit-backwards", f"{commit.partition} went from {before.offset} to {commit.offset}")
        for record in records:
            passed = old <= record.offset < commit.offset or record.offset in above
            if passed and not self._may_pass(record.position):
                where = "in the map" if record.offset in above else f"by a commit of {commit.offset}"
                self.fail("commit-past-unfinished", f"{record.position} was passed {where}, unfinished")

    def _may_pass(self, position: Position) -> bool:
        found = self.ledger.occurrences[position]
        return found.is_finished or bool(found.event.excused)

    def covered(self, occurrence: Occurrence) -> bool:
        """Whether what is committed says that this record is finished."""
        found = self.committed.get(occurrence.source)
        if found is None:
            return False
        progress = decode(found.metadata)
        return occurrence.position.offset < found.offset or (
            progress is not None and occurrence.position.offset in progress.finished(found.offset, 1 << 60)
        )

    # Partitions ------------------------------------------------------------------------------------------------

    def assigned(self, life: Life, one: Assigned) -> None:
        """A worker is told of a partition."""
        progress = decode(one.metadata)
        covered = frozenset(progress.finished(one.start, one.end)) if progress else frozenset()
        life.owned[one.partition] = Epoch(life, one.partition, one.start, covered, self._now())
        self.ledger.note(self._now(), "assigned", life.name, one.partition, one.start)

    def _begun(self, partition: TopicPartition, start: int) -> None:
        """The group's first commit for a partition: with `latest`, what stands unread before it is not its own."""
        self.first_starts[partition] = start
        newborn = partition.topic == SOURCE and partition.partition < self.plan.partitions
        if self.plan.start_from != "latest" or not newborn:
            return
        for position, occurrence in self.ledger.occurrences.items():
            if occurrence.source == partition and position.offset < start and not occurrence.calls:
                occurrence.event.excused = occurrence.event.excused or "before the group began"

    def handed_over(self, life: Life, partition: TopicPartition, asked_at: float) -> None:
        """`revoked` has returned for a partition."""
        epoch = life.owned.pop(partition)
        life.leaving.discard(partition)
        epoch.over = "revoked"
        self.ledger.note(self._now(), "revoked", life.name, partition)
        for story in self.ledger.stories.values():
            for call in story.calls:
                if call.epoch is epoch and call.ended is None and not call.cancelled:
                    self.fail(
                        "grace", f"{call.occurrence.position} still runs in {life.name}, which gave {partition} away"
                    )
        if life.trouble_at >= asked_at or epoch.cut_at is not None or partition in self.ledger.disturbed:
            self._touch_uncovered(partition, "no commit could be made")
            return
        for one in epoch.done:
            if not self.covered(one) and not one.event.ill_sent:
                self.fail("commit-promptly", f"{one.position} finished at {one.done_at}; {partition} left without it")

    def killed(self, call: Call) -> None:
        """A handler is about to kill its process."""
        kills = sum(one.step.kind == "kill" for one in call.occurrence.event.calls)
        if kills > MOST_DEATHS:
            self.fail("killer-found", f"{call.occurrence.position} kills its process for the {kills}th time")

    def cut_off(self, life: Life, how: str) -> None:
        """A worker crashed or was expelled: what is not committed there may be done again."""
        for epoch in life.owned.values():
            epoch.cut_at = self._now()
        self.ledger.note(self._now(), how, life.name)
        for source in life.owned:
            self._touch_uncovered(source, f"{life.name} {how}", exposed=True)

    def _touch_uncovered(self, partition: TopicPartition, how: str, *, exposed: bool = False) -> None:
        for occurrence in self.ledger.occurrences.values():
            if occurrence.source == partition and not self.covered(occurrence):
                occurrence.event.exposed = occurrence.event.exposed or exposed
                occurrence.event.touched = occurrence.event.touched or how

    def lost(self, life: Life, partition: TopicPartition) -> None:
        """A worker is told that a partition is gone."""
        life.leaving.discard(partition)
        life.owned.pop(partition).over = "lost"
        self.ledger.note(self._now(), "lost", life.name, partition)

    # Trouble ---------------------------------------------------------------------------------------------------

    def produce_trouble(self, record: Outgoing, outcome: Outcome) -> None:
        """A produce request of a worker met weather."""
        story = self.ledger.stories[story_id(record)]
        story.touched = story.touched or f"produce {outcome.value}"
        story.ill_sent = True
        story.refused = story.refused or outcome is Outcome.REFUSED

    def send_asked(self, life: Life, record: Outgoing) -> None:
        """A worker produces a record."""
        if life.crashed:
            return
        story = self.ledger.stories[story_id(record)]
        mine = [call.epoch for call in story.calls if call.epoch.life is life]
        stands = any(not epoch.over for epoch in mine) or any(one.source in life.owned for one in story.occurrences)
        if not stands:
            self.fail("send-not-owner", f"{life.name} sends event {story.number} to {record.topic}")


def _foreign(record: Record) -> list[Header]:
    return [pair for pair in record.headers if not pair[0].startswith("penstock-")]


def story_id(record: Outgoing | Record) -> str:
    """The event that a worker's record belongs to."""
    if record.topic in {"out", "side"}:
        return f"e{json.loads(record.value or b'')['n']}"
    return (dict(record.headers)[wire.CE_ID] or b"").decode()
