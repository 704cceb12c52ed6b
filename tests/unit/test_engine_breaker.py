"""Breakers and buckets by themselves: when they open, how long, what counts."""

from __future__ import annotations

from penstock.durations import rate
from penstock.engine.breaker import Breaker, CallWindow, FirstAttempts, State
from penstock.engine.rate_limit import Allowance


def test_too_many_failures_of_the_last_calls():
    window = CallWindow(0.5, 60)

    assert not any(window.add(n, failed=True) for n in range(4)), "four calls say nothing"
    assert window.add(4, failed=True)
    window.clear()
    assert not any(window.add(n / 10, failed=False) for n in range(1000))
    failures = [window.add(100 + n / 10, failed=n % 4 > 0) for n in range(40)]
    assert failures.index(True) == 33, "half of the last 50, however many went before"
    window.clear()
    assert not any(window.add(n, failed=False) for n in range(40))
    assert [window.add(50, failed=True) for _ in range(10)] == [False] * 9 + [True], "ten in a row"


def test_old_calls_count_no_more():
    window = CallWindow(0.5, 60)
    for n in range(10):
        window.add(n, failed=True)

    assert not any(window.add(100 + n, failed=n == 9) for n in range(10))


def test_half_of_the_last_hundred_first_attempts():
    first = FirstAttempts()

    assert not any(first.failed(done) for done in range(0, 400, 2)), "one in three fails"
    first.clear()
    assert [first.failed(done) for done in range(50)] == [False] * 49 + [True], "every other one"


def test_a_breaker_opens_probes_and_closes():
    breaker = Breaker("m", 30)

    assert breaker.trip("500", 0)
    assert not breaker.trip("500", 10), "open already"
    assert breaker.until == 30
    assert not breaker.answered(), "what was called before it opened proves nothing"
    assert not breaker.turn_half_open(29)
    assert breaker.turn_half_open(30)
    assert breaker.trip("still", 31, after=120), "the probe failed, and the provider named a time"
    assert breaker.until == 151
    assert breaker.turn_half_open(151)
    assert breaker.answered()
    assert (breaker.state, breaker.opened) == (State.CLOSED, 1)


def test_a_share_of_a_limit_fills_more_slowly():
    whole, half = (Allowance(rate("60/m"), None, 0) for _ in range(2))
    half.set_share(0.5)
    for one in (whole, half):
        one.wait(0)

    assert 1.0 < whole.wait(0) < 1.1
    assert 2.0 < half.wait(0) < 2.2
