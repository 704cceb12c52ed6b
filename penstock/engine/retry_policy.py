"""What follows a failed or put-off attempt: another one after a delay, or the dead letter topic. Pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from penstock.engine.failure import failure_of, plain_failure
from penstock.engine.outcome import DeadLettered, Deferred, Failure, Outcome, Retried, Skipped
from penstock.engine.run import Run
from penstock.errors import SendRefused, Undecodable, Unencodable, UnknownSchema
from penstock.provider import ProviderFailed, Trouble
from penstock.signals import Defer, Reject, Retry, Signal, Skip
from penstock.topology.derived import backoff_delay
from penstock.topology.model import Processor

SCHEMA_WAIT = 30.0  # seconds until a record of an unknown schema is looked at again


class Health(Protocol):
    """What is known of the providers a processor calls (flow.py)."""

    def trouble(self, error: BaseException) -> ProviderFailed | None:
        """What an error says of a provider, None where it is the handler's own."""
        ...

    def is_open(self) -> bool:
        """Whether a breaker is not closed: what fails now spends no attempt."""
        ...

    def wait(self) -> float:
        """Seconds until it is worth trying again, where a breaker is open."""
        ...

    def answers(self, since: int) -> bool:
        """Whether anybody was answered after `since` (epoch ms)."""
        ...


@dataclass(frozen=True)
class RetryPolicy:
    """Decides by the topology's `retry` section. `never` holds the imported classes, `app` the app's folder."""

    processor: Processor
    never: tuple[type[BaseException], ...]
    app: Path
    health: Health

    def after_error(self, error: BaseException, run: Run, now: float) -> Outcome:
        """The outcome of an attempt that ended in `error`; `now` in epoch seconds."""
        failure = failure_of(error, self.processor.name, self.app)
        if isinstance(error, Undecodable):
            return DeadLettered("undecodable", failure, attempted=False)
        if isinstance(error, UnknownSchema):
            return self._deferred(SCHEMA_WAIT, failure, run, now)
        if isinstance(error, Unencodable | SendRefused):
            return DeadLettered("unsendable", failure)
        if isinstance(error, self.never):
            return DeadLettered("rejected", failure)
        if (failed := self.health.trouble(error)) is not None:
            return self._after_provider(failed, failure, run, now)
        return self._retried(None, failure, run, now)

    def _after_provider(self, failed: ProviderFailed, failure: Failure, run: Run, now: float) -> Outcome:
        """A provider did not do its part: an attempt is spent only where others were answered meanwhile.

        Until then it is the provider that fails and not the event: neither its attempts nor its age run out. The
        first failure of a run is free, since nobody can know yet.
        """
        if failed.trouble is Trouble.REFUSED:
            return DeadLettered("rejected", failure)
        answers = self.health.answers(run.first_failure)
        known = bool(run.first_failure) and answers
        if failed.trouble is Trouble.DOWN and known:
            return self._retried(None, failure, run, now)
        if known and self._too_old(run, now):
            return DeadLettered("expired", failure, attempted=False)
        delay = failed.after
        if delay is None:
            delay = backoff_delay(self.processor.retry, run.attempts + min(run.deferrals, 20) + 1)
        return Deferred(max(delay, self.health.wait()), failure)

    def after_signal(self, signal: Signal, run: Run, now: float) -> Outcome:
        """The outcome a handler asked for, by returning or raising a signal."""
        match signal:
            case Skip():
                return Skipped(signal.reason or "skipped by the handler")
            case Reject():
                return DeadLettered("rejected", self._said("Reject", signal.reason))
            case Defer():
                return self._deferred(signal.after, self._said("Defer", signal.reason), run, now)
            case Retry():
                return self._retried(signal.after, self._said("Retry", signal.reason), run, now)
        return self.after_error(signal, run, now)

    def crashed(self) -> Outcome:
        """For the record that ran alone when its process died."""
        message = "the process died while only this record of its partition was running"
        return DeadLettered("crashed", self._said("ProcessDied", message), attempted=False)

    def cancelled(self, by: str, *, running: bool) -> Outcome:
        """For a run that an operator gave up; `running` where its handler was stopped."""
        return DeadLettered("rejected", self._said("Cancelled", f"cancelled by {by}"), attempted=running)

    def expired(self, age: float) -> Outcome:
        """For an event older than `expires_after`; `age` in seconds."""
        failure = self._said("Expired", f"the event was {age:.0f} s old when its turn came")
        return DeadLettered("expired", failure, attempted=False)

    def _retried(self, after: float | None, failure: Failure, run: Run, now: float) -> Outcome:
        if self.health.is_open():
            return Deferred(max(self.health.wait(), after or 0.0), failure)
        retry = self.processor.retry
        attempt = run.attempts + 1
        if attempt >= retry.max_attempts:
            return DeadLettered("exhausted", failure)
        if self._too_old(run, now):
            return DeadLettered("expired", failure)
        return Retried(backoff_delay(retry, attempt) if after is None else after, failure)

    def _deferred(self, after: float, failure: Failure, run: Run, now: float) -> Outcome:
        if self._too_old(run, now):
            return DeadLettered("expired", failure, attempted=False)
        return Deferred(after, failure)

    def _too_old(self, run: Run, now: float) -> bool:
        return bool(run.first_failure) and now - run.first_failure / 1000 >= self.processor.retry.max_age

    def _said(self, type_name: str, message: str) -> Failure:
        return plain_failure(type_name, message or type_name, self.processor.name)
