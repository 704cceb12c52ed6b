"""The thread that owns a member's client: it polls, whatever the handlers do, and hands batches to the loop.

The client lets in one thread at a time, and a poll keeps the others out; so everything asked of it (pauses, commits,
subscriptions, the end) is done here, between two polls. Without demand nothing is polled for a moment; when that
lasts, all partitions are paused and polling goes on for the group's sake.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition

from penstock.broker.contract import GroupSettings
from penstock.broker.kafka.codes import JUMPS
from penstock.broker.kafka.commits import Commits
from penstock.broker.kafka.intake import Intake
from penstock.broker.kafka.listener_calls import ListenerCalls
from penstock.broker.kafka.questions import Questions
from penstock.broker.kafka.rebalance import Rebalance
from penstock.broker.kafka.slots import Slot, Slots, convert
from penstock.broker.kafka.start_query import StartQuery, log_ends
from penstock.broker.kafka.troubles import Troubles
from penstock.record import TopicPartition

MAX_BATCH: Final = 1000
_POLL: Final = 0.025  # how long what is asked of the thread may wait for the end of a poll
_GLANCE: Final = 0.005  # between two polls that only serve an answer
_STARVED_AFTER: Final = 0.5  # a pause throws the prefetch away: only when the lack of demand lasts
_LOOK_EVERY: Final = 0.5


class PollThread:
    """One member's thread. Made and started on the loop; `ask_*` and `stop` are called there."""

    def __init__(
        self,
        make: Callable[..., Consumer],
        group: GroupSettings,
        questions: Questions,
        intake: Intake,
        listener_calls: Callable[[Callable[[], None]], ListenerCalls],
        signal: threading.Event,
    ) -> None:
        self._intake = intake
        self._signal = signal
        self._slots: Slots = {}
        self._calls = listener_calls(self._while_listening)
        self.commits = Commits(self._slots, signal.set)
        self._troubles = Troubles(self._calls, group.group_id, questions)
        self._rebalance = Rebalance(
            self._slots,
            self._calls,
            self.commits,
            StartQuery(questions, group),
            self._troubles,
            max_poll_interval=group.max_poll_interval,
            reapply=self._assignment_changed,
            stopping=self._glance,
        )
        self._starved_after = min(_STARVED_AFTER, group.max_poll_interval / 8)
        self._wanted: tuple[str, ...] = ()
        self._subscribed: tuple[str, ...] = ()
        self._paused: set[tuple[str, int]] = set()  # in the client
        self._pauses_of: object = None  # the engine's set that was applied last
        self._idle_since: float | None = None
        self._starved = False
        self._stop = False
        self._looked = 0.0
        self.stale = 0
        self.ends: Mapping[TopicPartition, int] = {}
        self.last_polled = time.monotonic()
        self._consumer = make(error_cb=self._troubles.of_client, on_commit=self._answered)
        self._thread = threading.Thread(target=self._run, name=f"poll-{group.client_id}", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread runs and its member can go on."""
        return self._thread.is_alive() and self._calls.failure is None

    @property
    def ended(self) -> bool:
        """Whether the thread has run to its end."""
        return not self._thread.is_alive()

    def start(self, topics: Collection[str]) -> None:
        """Subscribe and begin to poll."""
        self._wanted = tuple(sorted(topics))
        self._thread.start()

    def ask_subscription(self, topics: Collection[str]) -> None:
        """Replace the subscription, soon."""
        self._wanted = tuple(sorted(topics))
        self._signal.set()

    def stop(self) -> None:
        """Hand everything over and leave the group, soon."""
        self._stop = True
        self._signal.set()

    def join(self) -> None:
        """Wait for the end. Blocks."""
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop and self._calls.failure is None:
                self._turn()
        except Exception as error:  # noqa: BLE001  # a thread that dies unseen is the worst failure: it is told
            self._calls.failed(error)
        while not self._stop:  # failed: the engine is told, and ends the worker through stop()
            self._signal.wait(1.0)
            self._signal.clear()
        self._close()

    def _close(self) -> None:
        try:
            self._consumer.close()
        except (KafkaException, RuntimeError) as error:
            self._calls.failed(error)
        self.commits.close("the member has left the group")

    def _turn(self) -> None:
        if self._wanted != self._subscribed:
            self._subscribe()
        if self._intake.paused_now is not self._pauses_of:
            self._apply_pauses()
        if self.commits.waiting:
            self.commits.send(self._consumer)
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            self._look()
        budget = self._intake.ceiling - self._calls.handed
        if budget > 0:
            self._feed()
            self._receive(min(budget, MAX_BATCH), _POLL)
        else:
            self._wait_for_demand(now)

    def _feed(self) -> None:
        self._idle_since = None
        if self._starved:
            self._starved = False
            self._apply_pauses()

    def _wait_for_demand(self, now: float) -> None:
        if self._idle_since is None:
            self._idle_since = now
        self._signal.wait(_GLANCE if self.commits.in_flight else _POLL)
        self._signal.clear()
        if not self._starved and now - self._idle_since >= self._starved_after:
            self._starved = True
            self._apply_pauses()
        if self._starved or self.commits.in_flight:
            self._receive(1, 0)

    def _receive(self, most: int, timeout: float) -> None:
        self._rebalance.changed = False
        self._rebalance.fresh.clear()
        # Never with a timeout: consume() waits all of it when there are fewer. And before poll(): each of these calls
        # gives the interpreter lock away, and beside a busy loop it comes back 5 ms later; so one of them, not two.
        messages = self._consumer.consume(most, 0)
        if not messages and timeout and not self._rebalance.changed:
            first = self._consumer.poll(timeout)
            messages = [] if first is None else [first]
        self.last_polled = time.monotonic()
        if not messages:
            return
        if self._rebalance.changed:
            messages = self._without_fresh(messages)
        errors: list[Message[Any, Any]] = []
        records, partitions, stale = convert(messages, self._slots, errors)
        self.stale += stale
        if records and self._calls.failure is None:
            self._troubles.flowing()
            self._calls.received(records, partitions)
        for message in errors:
            self._error(message)

    def _without_fresh(self, messages: list[Message[Any, Any]]) -> list[Message[Any, Any]]:
        """Leave out what came of partitions taken during this very poll: it may be from before; read it again."""
        kept, again = [], set()
        for message in messages:
            source = (message.topic() or "", message.partition() or 0)
            if message.error() is None and source in self._rebalance.fresh:
                again.add(source)
                self.stale += 1
            else:
                kept.append(message)
        for source in again:
            if (slot := self._slots.get(source)) is not None:
                self._read_from(slot, slot.next)
        return kept

    def _read_from(self, slot: Slot, offset: int) -> None:
        """Go on reading at `offset`; until that is sure, nothing of the partition is taken."""
        slot.restart(offset)
        slot.broken = True
        position = KafkaPartition(*slot.source, offset)
        try:
            self._consumer.seek(position)
        except KafkaException:
            # After a failed fetch the partition is not being read at all, and cannot be sought in.
            self._consumer.incremental_unassign([position])
            self._consumer.incremental_assign([position])
            self._rebalance.fresh.add(slot.source)  # for its pause
            self._assignment_changed()
        slot.broken = False

    def _error(self, message: Message[Any, Any]) -> None:
        error = message.error()
        slot = self._slots.get((message.topic() or "", message.partition() or 0))
        if error is not None and error.code() in JUMPS and slot is not None:
            slot.broken = True
            self._jump(slot, message.offset())
        else:
            self._troubles.of_message(message)

    def _jump(self, slot: Slot, refused: int | None) -> None:
        """What was to be read next is not there any more: say how much is lost and go on behind it."""
        try:
            ends = log_ends(self._consumer, slot.source)
        except KafkaException as error:
            if error.args[0].fatal():
                raise
            return  # still broken: asked again at the next look
        at = slot.next if refused is None or refused < 0 else refused
        # In range: the log was cut there (a leader without the newest records), and goes on from there.
        target = at if ends.low <= at <= ends.high else ends.low
        lost = max(0, ends.low - slot.next)
        self._calls.truncated(slot.source, target, lost)
        self._read_from(slot, target)

    def _look(self) -> None:
        self._troubles.look(self._consumer)
        for slot in list(self._slots.values()):
            if slot.broken:
                self._jump(slot, None)
            found = self._consumer.get_watermark_offsets(KafkaPartition(*slot.source), cached=True)
            slot.end = max(slot.end, slot.next, found[1] if found else 0)
        self.ends = {slot.source: slot.end for slot in self._slots.values()}

    def _subscribe(self) -> None:
        self._subscribed = self._wanted
        if not self._subscribed:
            self._consumer.unsubscribe()
            return
        steps = self._rebalance
        self._consumer.subscribe(
            list(self._subscribed), on_assign=steps.on_assign, on_revoke=steps.on_revoke, on_lost=steps.on_lost
        )

    def _assignment_changed(self) -> None:
        self.ends = {slot.source: slot.end for slot in self._slots.values()}
        self._paused.intersection_update(self._slots)
        # Measured: the client remembers a pause over unassigning and assigning again. So it is undone by name.
        self._paused.update(self._rebalance.fresh)
        self._apply_pauses()

    def _apply_pauses(self) -> None:
        """Make the client's pauses what they must be: the engine's, and everything while there is no demand."""
        self._pauses_of = engine = self._intake.paused_now
        wanted = {one for one in self._slots if self._starved or one in engine}
        fresh = self._rebalance.fresh
        if more := {one for one in wanted if one in fresh or one not in self._paused}:
            self._consumer.pause([KafkaPartition(*one) for one in more])
        if fewer := self._paused - wanted:
            self._consumer.resume([KafkaPartition(*one) for one in fewer])
        self._paused = wanted

    def _while_listening(self) -> None:
        self.last_polled = time.monotonic()  # in a rebalance the thread waits for the engine, alive
        self.commits.send_now(self._consumer)

    def _glance(self) -> bool:
        self.last_polled = time.monotonic()
        return self._stop

    def _answered(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        self.commits.answered(error, partitions)
