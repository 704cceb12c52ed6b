"""Bugs of hand-offs: what leaves, and when."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from penstock.engine import wire_records
from penstock.engine.attempt import Attempt
from penstock.engine.hand_off import HandOff, StaleEpoch
from penstock.engine.outcome import ABANDONED, Deferred
from penstock.engine.worker import Worker
from penstock.errors import SendFailed, SendRefused
from penstock.record import Outgoing, Position
from tests.mutations.mutation import mutation


async def _give_up(self: HandOff, run: Any, record: Outgoing, smaller: Outgoing | None = None) -> Any:
    try:
        return await self._send(run, record)
    except (SendFailed, SendRefused):
        return Position(record.topic, 0, 0)


mutation(
    "drop-on-dead-letter-failure",
    "a retry or dead letter record that cannot be written is dropped",
    8,
    (HandOff, "certainly", _give_up),
)


async def _send_and_forget(self: HandOff, run: Any, records: Any) -> list[Position]:
    for record in records:
        self._send(run, record).add_done_callback(lambda future: future.cancelled() or future.exception())
    return []


mutation(
    "outputs-not-awaited",
    "a run is finished before its outputs are acknowledged",
    0,
    (HandOff, "outputs", _send_and_forget),
)


async def _finish_first(self: Worker, run: Any, outcome: Any) -> None:
    held = isinstance(outcome, Deferred) or self.parts.processor.retry.preserve_order
    if outcome is ABANDONED or held or run.abandoned or not run.partition.active:
        await _settle(self, run, outcome)
        return
    self._ended(run, outcome, finished=True)
    with suppress(StaleEpoch):
        await self.parts.settle.settle(run, outcome)


_settle = Worker._settle
mutation(
    "finish-before-hand-off",
    "the frontier moves before the hand-off is acknowledged",
    0,
    (Worker, "_settle", _finish_first),
)


def _emit_at_once(self: Attempt, topic: str, data: Any, **said: Any) -> None:
    _emit(self, topic, data, **said)
    self._shared.send(self.emitted[-1]).add_done_callback(lambda future: future.cancelled() or future.exception())


_emit = Attempt.emit
mutation("emit-at-once", "an emit leaves before its handler has succeeded", 1, (Attempt, "emit", _emit_at_once))
mutation(
    "foreign-headers-lost",
    "a hop copies only the headers it knows",
    0,
    (wire_records.wire, "foreign", lambda headers: [pair for pair in headers if pair[0].startswith("ce_")]),
)
