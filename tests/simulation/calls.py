"""The checker's part on handler calls: who may start, when, in which order, how often, and for how long."""

from __future__ import annotations

from collections.abc import Callable

from penstock import headers as wire
from penstock.record import Position
from penstock.topology.derived import retry_delay
from tests.simulation.invariants import GROUP, SOURCE, Violation
from tests.simulation.ledger import Call, Epoch, Ledger, Life, Occurrence
from tests.simulation.world import Plan, Step


class CallChecks:
    """Asked at the start and at the end of every call."""

    plan: Plan
    ledger: Ledger
    violation: Violation | None
    _now: Callable[[], float]
    _wall: Callable[[], float]
    fail: Callable[[str, str], None]
    _done: Callable[[Call], None]

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
