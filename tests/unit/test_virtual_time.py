"""Virtual time: hours pass in milliseconds, in order, and a program that can never go on says so."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from penstock.testing.virtual_time import START, Deadlock, VirtualTimeLoop, run_virtual


def test_an_hour_s_sleep_takes_milliseconds():
    async def main(clock):
        await asyncio.sleep(3600)
        return clock.monotonic(), clock.now()

    began = time.perf_counter()
    assert run_virtual(main) == (3600.0, START + 3600.0)
    assert time.perf_counter() - began < 5


def test_a_month_s_sleep_is_longer_than_a_loop_waits_at_once():
    async def main(clock):
        await asyncio.sleep(30 * 86400)
        return clock.monotonic()

    assert run_virtual(main) == 30 * 86400


def test_timers_fire_in_their_order_and_at_their_time():
    async def main(clock):
        fired = []

        async def after(delay):
            await asyncio.sleep(delay)
            fired.append((delay, clock.monotonic()))

        await asyncio.gather(*[after(delay) for delay in (0.3, 0.1, 86400.0, 0.2, 0.1)])
        return fired

    assert run_virtual(main) == [(0.1, 0.1), (0.1, 0.1), (0.2, 0.2), (0.3, 0.3), (86400.0, 86400.0)]


def test_no_timer_fires_early_however_odd_its_delay():
    async def main(clock):
        for number in range(1, 2000):
            due = clock.monotonic() + number / 7 * 1e-3
            await asyncio.sleep(due - clock.monotonic())
            assert clock.monotonic() >= due - 1e-9

    run_virtual(main)


def test_a_timer_fires_at_exactly_its_time():
    async def main(clock):
        chance, loop, fired = random.Random(1), asyncio.get_running_loop(), []
        due = sorted(chance.random() * 10 ** chance.randrange(-3, 5) for _ in range(2000))
        for when in due:
            loop.call_at(when, lambda: fired.append(clock.monotonic()))
        await asyncio.sleep(1e5)
        assert fired == due

    run_virtual(main)


def test_time_stands_still_while_there_is_something_to_do():
    async def main(clock):
        for _ in range(1000):
            await asyncio.sleep(0)
        return clock.monotonic()

    assert run_virtual(main) == 0.0


def test_timeouts_work():
    async def main(clock):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(120):
                await asyncio.Event().wait()
        return clock.monotonic()

    assert run_virtual(main) == 120.0


def test_the_wall_clock_begins_where_asked_and_jumps_by_its_skew():
    async def main(clock):
        clock.skew = -50.0
        await asyncio.sleep(10)
        return clock.now(), clock.monotonic()

    assert run_virtual(main, start=1000.0) == (960.0, 10.0)


def test_waiting_for_what_can_never_come_is_a_deadlock_that_names_the_waiting():
    async def main(_):
        await asyncio.create_task(asyncio.Event().wait(), name="the one who waits")

    with pytest.raises(Deadlock, match=r"deadlock: nothing is scheduled.*the one who waits"):
        run_virtual(main)


def test_a_thread_s_work_is_waited_for_without_time_passing():
    async def main(clock):
        ticks = []
        asyncio.get_running_loop().call_later(5, ticks.append, "tick")
        found = await asyncio.to_thread(lambda: time.sleep(0.05) or "done")
        return found, clock.monotonic(), ticks

    assert run_virtual(main) == ("done", 0.0, [])


def test_leftover_tasks_are_cancelled():
    ended = []

    async def linger():
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append("cancelled")

    async def main(_):
        asyncio.create_task(linger())  # noqa: RUF006 - left over on purpose
        await asyncio.sleep(1)

    run_virtual(main)
    assert ended == ["cancelled"]


def test_what_main_raises_is_raised():
    async def main(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_virtual(main)


def test_what_a_callback_raises_is_not_lost():
    async def main(_):
        asyncio.get_running_loop().call_later(1, lambda: 1 / 0)
        await asyncio.sleep(2)

    with pytest.raises(ZeroDivisionError):
        run_virtual(main)


def test_the_loop_may_be_used_alone():
    loop = VirtualTimeLoop()
    try:
        loop.run_until_complete(asyncio.sleep(100))
        assert loop.time() == 100.0
    finally:
        loop.close()
