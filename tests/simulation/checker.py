"""The invariants, asked at every step: each has a name, a sentence, and one place where it is checked.

Nothing here believes the engine: what is finished follows from the log and from the handlers' own ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from penstock import headers as wire
from penstock.broker.contract import Assigned, Commit, Committed
from penstock.broker.in_memory.faults import Outcome
from penstock.broker.progress import decode
from penstock.record import Header, Outgoing, Position, Record, TopicPartition
from penstock.topology.derived import retry_delay
from tests.simulation.ledger import Call, Epoch, Ledger, Life, Occurrence, Story
from tests.simulation.world import Plan, Step

GROUP: Final = "t.work"
SOURCE: Final = "src"
MOST_DEATHS: Final = 8  # by one event: three, and what faults in between may cost
INVARIANTS: Final[Mapping[str, str]] = {
    "commit-past-unfinished": "no commit passes, and no map names, a record that is not finished",
    "commit-backwards": "a committed offset never moves back, except by an operator's hand",
    "commit-not-owner": "a worker commits only partitions it owns",
    "commit-promptly": "what finished a second before a fault is committed; what finished before a hand-over, always",
    "start-not-owner": "no handler starts for a partition that is leaving or gone",
    "send-not-owner": "nothing is produced for a run whose partition is gone",
    "repeated-committed": "what was committed as finished does not run again",
    "repeated-in-epoch": "a record runs once per assignment, except where it waits in its lane",
    "repeated-without-fault": "a finished record runs again only where a fault fell between its end and its commit",
    "key-order": "first attempts of one key start in the order of the log, and one at a time",
    "early": "no record of a retry topic starts before its time",
    "due-time": "a retry record waits as long as the policy or the handler said",
    "bounds": "never more handlers at once than `concurrency`, nor more records than the bound",
    "gate-paused": "a partition whose records wait for their time is paused, after every assignment too",
    "counts": "counters of records and bytes in flight equal what is truly in flight",
    "hop-bytes": "key, value and foreign headers are the same on every hop",
    "attempts": "attempts are counted in the headers and never exceed max_attempts",
    "dead-letter-reason": "an event is dead-lettered only for a reason that it gave",
    "emit-without-success": "only a call that succeeded emits",
    "cancelled-without-cause": "a handler is cancelled only at its timeout, at a hand-over or at a stop",
    "grace": "a hand-over lets handlers finish within the grace period, then cancels them all",
    "deadline": "a handler is cancelled soon after its timeout",
    "lost": "every event ends in a final place",
    "two-places": "an event ends in one place only, except where a fault fell on it",
    "killer-found": "an event that kills its process is found within eight deaths",
    "loss-alarm": "records removed before they were read are counted",
    "settles": "once the faults are over all work is finished in bounded time",
    "leak": "nothing is left in memory after quiet",
    "worker-ended": "a worker ends only when told to, or by a fatal producer error; then it must",
    "error": "no error escapes, nothing waits for ever",
}


class Violation(AssertionError):
    """The first invariant that did not hold."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant
        self.what = what


class Checker:
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

    # Calls -----------------------------------------------------------------------------------------------------

    def started(self, life: Life, position: Position, event_id: str, attempt: int) -> Call:
        """A handler begins."""
        occurrence = self.ledger.occurrences[position]
        story = occurrence.event
        self.ledger.note(self._now(), "started", life.name, position, event_id, attempt)
        epoch = life.owned.get(occurrence.source)
        if epoch is None or occurrence.source in life.leaving:
            self.fail("start-not-owner", f"{life.name} starts {position}")
            epoch = epoch or Epoch(life, occurrence.source, 0, frozenset(), self._now(), over="never")
        if epoch.cut_at is not None:  # it does not know yet that it is no longer the owner
            story.exposed, story.touched = True, story.touched or "started by an expelled worker"
        self._check_repeat(occurrence, epoch)
        self._check_time(occurrence)
        self._check_attempt(occurrence, epoch, attempt)
        if occurrence.position.topic == SOURCE:
            self._check_order(occurrence, epoch)
        steps = story.sending.steps
        step = steps[min(len(story.calls), len(steps) - 1)]
        if len(story.calls) >= len(steps) and step.kind == "defer":
            step = Step("ok")  # deferring has no limit but max_age: it would go on for ever
        call = Call(len(story.calls), step, epoch, occurrence, attempt, self._now())
        story.calls.append(call)
        occurrence.calls.append(call)
        life.running += 1
        if life.running > self.plan.concurrency:
            self.fail("bounds", f"{life.name} runs {life.running} handlers, {self.plan.concurrency} are allowed")
        return call

    def ended(self, life: Life, call: Call, result: str) -> None:
        """A handler has ended: as its step says, or `cancelled`."""
        life.running -= 1
        if life.crashed:
            call.result, call.abandoned = "died", True
            return
        call.ended, call.wall_ended = self._now(), self._wall()
        spent = call.ended - call.started
        source = call.occurrence.source
        going = source in life.leaving or call.epoch.over != "" or life.stopping
        if result == "cancelled":
            result = "timeout" if spent >= self.plan.timeout else result
            if result == "cancelled" and not going and spent < self.plan.timeout:
                self.fail("cancelled-without-cause", f"{call.occurrence.position} after {spent:.3f} s")
            given = self._now() - life.asked_at
            grace = min(self.plan.grace, self.plan.poll_interval / 2)
            if result == "cancelled" and source in life.leaving and not life.hurried and given < grace - 0.001:
                self.fail("grace", f"{call.occurrence.position} was cancelled after {given:.3f} s of {grace:g}")
        late = spent - self.plan.timeout - (1.2 if call.step.kind == "stubborn" else 0.0)
        if late > 0.6:
            self.fail("deadline", f"{call.occurrence.position} ran {late:.3f} s past its timeout")
        call.result = result
        call.abandoned = result == "cancelled" or (going and call.cancelled) or call.epoch.over != ""
        call.wanted = call.step.emits if result == "ok" else 0
        if call.abandoned:
            call.occurrence.event.touched = call.occurrence.event.touched or "abandoned"
        elif call.is_final:
            self._done(call)
        self.ledger.note(self._now(), "ended", life.name, call.occurrence.position, result)

    def _check_repeat(self, occurrence: Occurrence, epoch: Epoch) -> None:
        offset = occurrence.position.offset
        if offset < epoch.start or offset in epoch.covered:
            self.fail("repeated-committed", f"{occurrence.position} was committed as finished before")
        if not occurrence.calls:
            return
        last = occurrence.calls[-1]
        if last.epoch is epoch and not (last.ended is not None and self._holds(last) and occurrence.done_at is None):
            self.fail("repeated-in-epoch", f"{occurrence.position} after a call that ended {last.result!r}")
        if epoch.cut_at is None and occurrence.done_at is not None and occurrence.done_by is not epoch:
            self._check_excuse(occurrence)

    def _check_excuse(self, occurrence: Occurrence) -> None:
        """A finished record runs again."""
        done_at, by = occurrence.done_at, occurrence.done_by
        assert done_at is not None
        assert by is not None
        if (
            occurrence.event.ill_sent
            or occurrence.source in self.ledger.disturbed
            or by.life.trouble_at >= done_at - 10
        ):
            occurrence.event.touched = occurrence.event.touched or "no commit could be made"
        elif by.cut_at is None:
            self.fail("repeated-without-fault", f"{occurrence.position} finished at {done_at:.3f} s by {by.life.name}")
        elif by.cut_at - done_at > 1.0:
            self.fail(
                "commit-promptly", f"{occurrence.position} finished at {done_at:.3f} s, {by.life.name} died later"
            )
        occurrence.done_at = occurrence.done_by = None

    def _holds(self, call: Call) -> bool:
        """Whether the engine keeps the record in its lane after this call."""
        if self.plan.preserve_order:
            return call.result in {"fail", "timeout", "retry", "defer"}
        return call.result == "defer" and call.step.after <= 5.0

    def _check_time(self, occurrence: Occurrence) -> None:
        tier = retry_delay(GROUP, occurrence.position.topic)
        if tier is None:
            return
        record = occurrence.record
        due = max(record.timestamp / 1000 + tier, (wire.number(record.headers, wire.NOT_BEFORE) or 0) / 1000)
        if not occurrence.calls and self._wall() < due - 1e-6:  # a further call waited in its lane
            self.fail("early", f"{record.position} starts {due - self._wall():.3f} s before its time")

    def _check_attempt(self, occurrence: Occurrence, epoch: Epoch, attempt: int) -> None:
        made = 0
        if occurrence.position.topic != SOURCE:
            made = wire.number(occurrence.record.headers, wire.ATTEMPT) or 0
        spent = [call for call in occurrence.calls if call.epoch is epoch and call.result != "defer"]
        if attempt != made + len(spent) + 1:
            self.fail("attempts", f"{occurrence.position} says attempt {attempt}, {made} + {len(spent)} were made")
        if attempt > self.plan.max_attempts:
            self.fail("attempts", f"{occurrence.position} makes attempt {attempt} of {self.plan.max_attempts}")

    def _check_order(self, occurrence: Occurrence, epoch: Epoch) -> None:
        key = occurrence.record.key
        if self.plan.ordering == "none" or (self.plan.ordering == "key" and key is None):
            return
        lane = self.ledger.lanes[occurrence.source, b"" if self.plan.ordering == "partition" else key]
        for earlier in lane:
            if earlier is occurrence.event:
                break
            if earlier.excused or earlier.dead or earlier.sending.kind != "normal":
                continue
            if not earlier.calls:
                self.fail("key-order", f"{occurrence.position} starts before {earlier.record.position}")
                continue
            last = earlier.occurrences[0].calls[-1]
            ended = last.ended is not None
            if last.epoch is epoch and (not ended or (self._holds(last) and not earlier.is_final)):
                self.fail("key-order", f"{occurrence.position} starts while {earlier.record.position} has the lane")


def _foreign(record: Record) -> list[Header]:
    return [pair for pair in record.headers if not pair[0].startswith("penstock-")]


def story_id(record: Outgoing | Record) -> str:
    """The event that a worker's record belongs to."""
    if record.topic in {"out", "side"}:
        return f"e{json.loads(record.value or b'')['n']}"
    return (dict(record.headers)[wire.CE_ID] or b"").decode()
