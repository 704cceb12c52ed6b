"""RetryPolicy's decisions, and the ladder they are rounded to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Defer, Reject, Retry, Skip
from penstock.durations import seconds
from penstock.engine.outcome import DeadLettered, Deferred, Retried, Skipped
from penstock.engine.retry_policy import RetryPolicy
from penstock.engine.run import Run
from penstock.errors import SendRefused, Undecodable, Unencodable, UnknownSchema
from penstock.provider import ProviderFailed, Trouble
from penstock.record import Record
from penstock.topology import model
from penstock.topology.derived import LADDER, backoff_delay, hop_tier, retry_delay, retry_tiers, tier_for

RETRY = model.Retry(max_attempts=3, max_age=100)


class Health:
    """Providers as a test wants them."""

    def __init__(self, *, open: bool = False, answers: bool = True) -> None:
        self.opened, self.answering = open, answers

    def trouble(self, error: BaseException) -> ProviderFailed | None:
        return error if isinstance(error, ProviderFailed) else None

    def is_open(self) -> bool:
        return self.opened

    def wait(self) -> float:
        return 30.0 if self.opened else 1.0

    def answers(self, since: int) -> bool:
        return self.answering


PROCESSOR = model.Processor(name="p", group_id="g", handler="x:y", topics=("t",), retry=RETRY)
POLICY = RetryPolicy(PROCESSOR, (LookupError,), Path(), Health())
NOW = 1_700_000_000.0


def run(attempts: int = 0, first_failure: float = 0) -> Run:
    made = Run(Record("t", 0, 0, 0, b"k", b""), None)  # type: ignore[arg-type]
    made.attempts, made.first_failure = attempts, round(first_failure * 1000)
    return made


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Undecodable("x"), "undecodable"),
        (Unencodable("x"), "unsendable"),
        (SendRefused("x"), "unsendable"),
        (KeyError("x"), "rejected"),
    ],
)
def test_errors_that_end_at_once(error: Exception, reason: str) -> None:
    outcome = POLICY.after_error(error, run(), NOW)
    assert isinstance(outcome, DeadLettered)
    assert outcome.reason == reason


def test_attempts_and_age_run_out() -> None:
    assert [getattr(POLICY.after_error(ValueError(), run(made), NOW), "delay", None) for made in range(4)] == [
        5.0,
        20.0,
        None,
        None,
    ]
    assert isinstance(POLICY.after_error(ValueError(), run(1, NOW - 99), NOW), Retried)
    old = POLICY.after_error(ValueError(), run(1, NOW - 100), NOW)
    assert isinstance(old, DeadLettered)
    assert (old.reason, old.attempted) == ("expired", True)
    assert isinstance(POLICY.after_error(UnknownSchema("x"), run(99), NOW), Deferred)


def test_signals() -> None:
    assert POLICY.after_signal(Skip("why"), run(), NOW) == Skipped("why")
    assert getattr(POLICY.after_signal(Reject("why"), run(), NOW), "reason", "") == "rejected"
    assert getattr(POLICY.after_signal(Retry(after="7s"), run(), NOW), "delay", 0) == 7.0
    assert getattr(POLICY.after_signal(Retry(), run(1), NOW), "delay", 0) == 20.0
    assert getattr(POLICY.after_signal(Retry(after=1), run(2), NOW), "reason", "") == "exhausted"
    assert isinstance(POLICY.after_signal(Defer(after=1), run(2), NOW), Deferred)
    late = POLICY.after_signal(Defer(after=1), run(2, NOW - 100), NOW)
    assert isinstance(late, DeadLettered)
    assert not late.attempted


DOWN = ProviderFailed(Trouble.DOWN, "500")


def test_a_provider_that_fails_costs_an_attempt_only_where_it_answers_others() -> None:
    silent = RetryPolicy(PROCESSOR, (), Path(), Health(answers=False))

    assert isinstance(POLICY.after_error(DOWN, run(), NOW), Deferred), "nobody can know yet"
    assert isinstance(POLICY.after_error(DOWN, run(0, NOW - 5), NOW), Retried)
    assert getattr(POLICY.after_error(DOWN, run(2, NOW - 5), NOW), "reason", "") == "exhausted"
    assert isinstance(silent.after_error(DOWN, run(2, NOW - 999), NOW), Deferred), "neither attempts nor age run out"


def test_what_the_provider_says_decides() -> None:
    busy = ProviderFailed(Trouble.OVERLOADED, "429", after=77)

    assert getattr(POLICY.after_error(busy, run(2, NOW - 5), NOW), "delay", 0) == 77
    assert isinstance(POLICY.after_error(ProviderFailed(Trouble.DENIED, "401"), run(2, NOW - 5), NOW), Deferred)
    refused = POLICY.after_error(ProviderFailed(Trouble.REFUSED, "too long"), run(), NOW)
    assert getattr(refused, "reason", "") == "rejected"
    assert getattr(POLICY.after_error(busy, run(0, NOW - 100), NOW), "reason", "") == "expired"


def test_while_a_breaker_is_open_no_failure_spends_an_attempt() -> None:
    shut = RetryPolicy(PROCESSOR, (), Path(), Health(open=True))

    assert getattr(shut.after_error(ValueError(), run(2), NOW), "delay", 0) == 30
    assert getattr(shut.after_signal(Retry(after=60), run(2), NOW), "delay", 0) == 60
    assert getattr(shut.after_signal(Reject("no"), run(2), NOW), "reason", "") == "rejected"


@settings(deadline=None)
@given(st.floats(0, 86_400))
def test_a_tier_is_never_shorter_than_the_delay(delay: float) -> None:
    tier = tier_for(delay)
    assert seconds(tier) >= delay
    shorter = LADDER[: LADDER.index(tier)]
    assert all(seconds(one) < delay for one in shorter)


@settings(deadline=None)
@given(st.floats(1, 400_000))
def test_a_hop_never_overshoots(remaining: float) -> None:
    assert seconds(hop_tier(remaining)) <= remaining


def test_the_ladder_is_the_law() -> None:
    assert " ".join(LADDER) == "1s 5s 15s 30s 1m 2m 5m 10m 15m 30m 1h 2h 4h 8h 12h 24h"
    assert retry_tiers(model.Retry()) == ("5s", "30s", "2m", "10m")
    assert backoff_delay(model.Retry(), 1000) == 1800.0
    assert retry_delay("g", "g.retry.5s") == 5.0
    assert retry_delay("g", "g.retry.6s") is retry_delay("g", "gg.retry.5s") is None
