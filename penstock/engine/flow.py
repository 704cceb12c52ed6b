"""Flow control of one worker: its limits and breakers, asked before each start and told of each end.

A processor without `limits` has one breaker, for failures of all kinds, and is told of failures alone: while it is
closed nothing is asked, and a run that goes well costs nothing here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

from penstock.clock import Clock
from penstock.engine.breaker import Breaker, CallWindow, FirstAttempts, State
from penstock.engine.counters import Counters
from penstock.engine.dispatch import Dispatch
from penstock.engine.outcome import DeadLettered, Deferred, Done, Outcome, Retried, Skipped
from penstock.engine.partition import PartitionState
from penstock.engine.rate_limit import Allowance
from penstock.engine.run import Run
from penstock.engine.valve import Valve
from penstock.provider import ProviderFailed, Trouble, provider_failure
from penstock.record import TopicPartition
from penstock.topology.model import Limit, Processor

log = logging.getLogger("penstock.flow")
SYSTEMIC: Final = "attempts"  # the name of the breaker that every processor has
_OPEN_FOR: Final = 30.0
_LONG: Final = 5.0  # seconds
_SHORTEST: Final = 0.001  # seconds; a timer of nothing would spin


class FlowControl:
    """See the module. `wake` lets what is ready begin; `partitions` are those the worker owns now."""

    def __init__(
        self,
        processor: Processor,
        limits: Mapping[str, Limit],
        valve: Valve,
        dispatch: Dispatch,
        counters: Counters,
        partitions: Mapping[TopicPartition, PartitionState],
        clock: Clock,
    ) -> None:
        named = [limits[name] for name in processor.limits]
        self._valve = valve
        self._dispatch = dispatch
        self._counters = counters
        self._partitions = partitions
        self._clock = clock
        self._calls = {
            Breaker(one.name, one.breaker.open_for): CallWindow(one.breaker.failures, one.breaker.window)
            for one in named
            if one.breaker.enabled
        }
        self._allowances = [Allowance(one.requests, one.tokens, clock.monotonic()) for one in named]
        self._limited = bool(named)
        self._topics = len(processor.topics)
        self._systemic = Breaker(SYSTEMIC, _OPEN_FOR) if processor.breaker else None
        self._first_attempts = FirstAttempts()
        self.breakers = (*self._calls, *((self._systemic,) if self._systemic else ()))
        self._probe: Run | None = None
        self._taken: dict[Run, list[tuple[float, float]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._done = 0
        self._answered = 0  # epoch ms: when a run was last known to have gone well
        self.throttled = False
        self.wake: Callable[[], None] = _nothing
        self.heeds = self._limited
        self._restrain()

    # before a start ---------------------------------------------------------------------------------------------

    def admit(self, run: Run) -> bool:
        """Whether `run` may start now; asked only where something could stand against it."""
        now = self._clock.monotonic()
        if not self._lets_probe():
            return False
        self._share_out()
        wait = max((one.wait(now) for one in self._allowances), default=0.0)
        self.throttled = wait > 0
        if wait > 0:
            self._look_again(wait)
            return False
        if self.state is State.HALF_OPEN:
            self._probe = run
        if self._allowances:
            self._taken[run] = [one.start() for one in self._allowances]
        return True

    def _lets_probe(self) -> bool:
        state = self.state
        if state is State.CLOSED:
            return True
        if state is State.OPEN:
            return False
        return self._probe is None or self._probe not in self._dispatch.running

    def _share_out(self) -> None:
        """This worker's part of the group's limits: its part of each source topic, all topics alike."""
        if not self._allowances:
            return
        parts: defaultdict[str, float] = defaultdict(float)
        for source, state in self._partitions.items():
            if not state.own:
                parts[source.topic] += 1 / state.siblings
        for one in self._allowances:
            one.set_share(min(sum(parts.values()) / self._topics, 1.0))

    @property
    def state(self) -> State:
        """The worst of all breakers."""
        return max((one.state for one in self.breakers), key=lambda one: one.value, default=State.CLOSED)

    # after an attempt -------------------------------------------------------------------------------------------

    def ended(self, run: Run, outcome: Outcome) -> None:
        """An attempt ended so; called before its outcome is handed off."""
        if not self.heeds and isinstance(outcome, Done | Skipped):
            return
        self._settle(run)
        now = self._clock.monotonic()
        if isinstance(outcome, Done | Skipped):
            if outcome != Skipped("type"):
                self._well(run, now)
        elif isinstance(outcome, Retried | Deferred | DeadLettered):
            self._failed(run, outcome, now)
        if run is self._probe:
            self._probe = None
            self.wake()

    def _settle(self, run: Run) -> None:
        taken = self._taken.pop(run, None)
        if taken is None:
            return
        models = run.trail.usage.models if run.trail else ()
        calls, tokens = sum(one.calls for one in models), sum(one.tokens_in + one.tokens_out for one in models)
        for one, in_advance in zip(self._allowances, taken, strict=True):
            one.settle(in_advance, calls, tokens)

    def _well(self, run: Run, now: float) -> None:
        for breaker, calls in self._calls.items():
            calls.add(now, failed=False)
            self._close_if_probed(breaker, run)
        if self._systemic is not None:
            self._close_if_probed(self._systemic, run)

    def _failed(self, run: Run, outcome: Retried | Deferred | DeadLettered, now: float) -> None:
        error = outcome.failure.error
        failed = self.trouble(error) if error is not None else None
        if failed is not None and failed.trouble is not Trouble.REFUSED:
            self._provider_failed(run, failed, now)
        elif isinstance(outcome, Deferred) and error is None and self._calls:
            self._provider_failed(run, ProviderFailed(Trouble.OVERLOADED, outcome.failure.message), now)
        elif isinstance(outcome, Retried) or (isinstance(outcome, DeadLettered) and outcome.reason == "exhausted"):
            for breaker in self._calls:
                self._close_if_probed(breaker, run)
            self._attempt_failed(run, outcome.failure.message, now)
        elif isinstance(outcome, Deferred) and self._systemic is not None and self._systemic.state is not State.CLOSED:
            self._attempt_failed(run, outcome.failure.message, now)
        elif isinstance(outcome, DeadLettered) and outcome.reason == "rejected":
            self._well(run, now)

    def _provider_failed(self, run: Run, failed: ProviderFailed, now: float) -> None:
        for one in self._allowances:
            if failed.after is not None:
                one.leave_alone(failed.after, now)
        if not self._calls:
            if failed.trouble is Trouble.DENIED and self._systemic is not None:
                self._trip(self._systemic, failed.message, now)
            self._attempt_failed(run, failed.message, now)
        for breaker, calls in self._calls.items():
            too_many = calls.add(now, failed=True)
            probed = breaker.state is State.HALF_OPEN and run is self._probe
            asks = (failed.after or 0.0) >= _LONG  # to be left alone for so long that nothing should be taken either
            if too_many or probed or asks or failed.trouble is Trouble.DENIED:
                only = asks and not too_many and not probed
                self._trip(breaker, failed.message, now, failed.after, least=0.0 if only else breaker.open_for)

    def _attempt_failed(self, run: Run, message: str, now: float) -> None:
        """For the breaker of all kinds: first attempts count, and the probe."""
        breaker = self._systemic
        if breaker is None:
            return
        probed = breaker.state is State.HALF_OPEN and run is self._probe
        first = not run.attempts and not run.deferrals
        done = self._counters.done + self._counters.outcomes["done"]
        if probed or (first and breaker.state is State.CLOSED and self._first_attempts.failed(done)):
            self._trip(breaker, message, now)

    # what a failure means for the run (retry_policy asks) -------------------------------------------------------

    def trouble(self, error: BaseException) -> ProviderFailed | None:
        """What `error` says of a provider. Where no `limits` are named, only what an adapter has said counts."""
        if self._limited:
            return provider_failure(error)
        return error if isinstance(error, ProviderFailed) else None

    def is_open(self) -> bool:
        """Whether a breaker is not closed: what fails now is put off, and spends no attempt."""
        return self.state is not State.CLOSED

    def wait(self) -> float:
        """Seconds until a probe may go, at least one."""
        now = self._clock.monotonic()
        return max((one.until - now for one in self.breakers if one.state is State.OPEN), default=1.0)

    def answers(self, since: int) -> bool:
        """Whether anybody was answered after `since` (epoch ms): only then can a failure be the event's own."""
        done = self._counters.done + self._counters.outcomes["done"]
        if done != self._done:
            self._done, self._answered = done, round(self._clock.now() * 1000)
        return not self.is_open() and self._answered > since

    # turns ------------------------------------------------------------------------------------------------------

    def _trip(
        self, breaker: Breaker, why: str, now: float, after: float | None = None, *, least: float | None = None
    ) -> None:
        probed = breaker.state is State.HALF_OPEN
        if not breaker.trip(why, now, after, least=breaker.open_for if least is None else least):
            return
        reason, seconds = (why.splitlines() or [""])[0][:300], breaker.until - now
        if probed:
            log.warning(
                "breaker %s stays open: the probe failed, the next is in %.0f s: %s", breaker.name, seconds, reason
            )
        else:
            log.error(
                "breaker %s opens: for %.0f s nothing is taken and no attempt is spent: %s",
                breaker.name,
                seconds,
                reason,
            )
        self._probe = None
        self._restrain()
        self._valve.close(f"breaker {breaker.name}")
        self._wait_to_probe(breaker, breaker.until - now)

    def _wait_to_probe(self, breaker: Breaker, seconds: float) -> None:
        asyncio.get_running_loop().call_later(max(seconds, _SHORTEST), self._half_open, breaker)

    def _half_open(self, breaker: Breaker) -> None:
        now = self._clock.monotonic()
        if breaker.turn_half_open(now):
            log.warning("breaker %s is half open: one run at a time probes", breaker.name)
            self._valve.open(f"breaker {breaker.name}")
            self.wake()
        elif breaker.state is State.OPEN:  # it was told to stay open longer
            self._wait_to_probe(breaker, breaker.until - now)

    def _close_if_probed(self, breaker: Breaker, run: Run) -> None:
        if run is self._probe and breaker.answered():
            log.warning("breaker %s closes: the probe went well", breaker.name)
            if breaker in self._calls:
                self._calls[breaker].clear()
            else:
                self._first_attempts.clear()
            self._restrain()
            self.wake()

    def _restrain(self) -> None:
        """Be asked before each start, and told of each end, only where that can matter."""
        asked = self._limited or self.is_open()
        self.heeds = self._limited or self.is_open()
        self._dispatch.admit_by(self.admit if asked else None)

    def _look_again(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(seconds, _SHORTEST), self._looked)

    def _looked(self) -> None:
        self._timer = None
        self.wake()


def _nothing() -> None:
    """Before the worker is put together there is nobody to wake."""
