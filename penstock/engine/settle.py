"""What is done with an outcome: outputs acknowledged, the failed record in its retry or dead letter topic."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from penstock.clock import Clock
from penstock.engine.counters import Counters
from penstock.engine.hand_off import HandOff
from penstock.engine.outcome import DeadLettered, Deferred, Done, Failure, Outcome, Retried
from penstock.engine.retry_policy import RetryPolicy
from penstock.engine.run import Run
from penstock.engine.wire_records import dead_letter_record, hop_record, retry_record
from penstock.errors import SendRefused
from penstock.topology.derived import dead_letter_topic
from penstock.topology.model import Processor

log = logging.getLogger("penstock.run")
IN_LANE = 5.0  # seconds: a shorter deferral waits in its lane, in memory


class Settle:
    """Carries out outcomes. `hold` puts a run off in its own lane, `tier` names the retry topic of a delay."""

    def __init__(
        self,
        processor: Processor,
        hand_off: HandOff,
        policy: RetryPolicy,
        clock: Clock,
        counters: Counters,
        identify: Callable[[Run], str],
        tier: Callable[[float], Awaitable[str]],
        hop: Callable[[float], Awaitable[str]],
        hold: Callable[[Run, float], None],
    ) -> None:
        self._processor = processor
        self._hand_off = hand_off
        self._policy = policy
        self._clock = clock
        self._counters = counters
        self._identify = identify
        self._tier = tier
        self._hop = hop
        self._hold = hold

    async def settle(self, run: Run, outcome: Outcome) -> tuple[Outcome, bool]:
        """Make the outcome safe. Returns it, as it turned out, and whether the record is finished."""
        if type(outcome) is Done:
            emitted = outcome.emitted
            try:
                if len(emitted) == 1:  # as nearly always, and a coroutine less
                    run.sent = (await self._hand_off.acknowledged(run, emitted[0]),)
                    self._counters.emitted += 1
                else:
                    run.sent = await self._hand_off.outputs(run, emitted)
                return outcome, True
            except SendRefused as error:
                outcome = self._policy.after_error(error, run, self._clock.now())
        if isinstance(outcome, Retried | Deferred):
            return outcome, await self._again(run, outcome)
        if isinstance(outcome, DeadLettered):
            await self._bury(run, outcome)
        return outcome, True

    async def _again(self, run: Run, outcome: Retried | Deferred) -> bool:
        now = self._clock.now()
        if not run.first_failure:
            run.first_failure = round(now * 1000)
        if isinstance(outcome, Retried):
            run.attempts += 1
            in_lane = self._processor.retry.preserve_order
        else:
            run.deferrals += 1
            in_lane = self._processor.retry.preserve_order or outcome.delay <= IN_LANE
        if in_lane:
            self._hold(run, outcome.delay)
            return False
        await self._to_retry_topic(run, now + outcome.delay, outcome.delay, outcome.failure)
        return True

    async def _to_retry_topic(self, run: Run, due: float, delay: float, failure: Failure) -> None:
        topic = await self._tier(delay)
        run.sent = (await self._hand_off.certainly(run, retry_record(run, topic, due, failure, self._identify(run))),)

    async def hop(self, run: Run) -> None:
        """Send a record whose time has not come to a further retry topic, as it is."""
        topic = await self._hop(run.due - self._clock.now())
        self._counters.hops += 1
        await self._hand_off.certainly(run, hop_record(run, topic))

    async def _bury(self, run: Run, outcome: DeadLettered) -> None:
        if outcome.attempted:
            run.attempts += 1
        if not run.first_failure:
            run.first_failure = round(self._clock.now() * 1000)
        topic, group = dead_letter_topic(self._processor.group_id), self._processor.group_id
        run_id = self._identify(run)
        full = dead_letter_record(run, topic, group, outcome.reason, outcome.failure, run_id)
        bare = dead_letter_record(run, topic, group, outcome.reason, outcome.failure, run_id, with_error=False)
        run.sent = (await self._hand_off.certainly(run, full, bare),)
        self._counters.dead_letters[outcome.reason] += 1
