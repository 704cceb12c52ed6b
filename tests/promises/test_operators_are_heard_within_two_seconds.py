"""Pause, resume, set and cancel are heard by every worker within two seconds, hold over restarts, and are done once."""

from __future__ import annotations

import asyncio

import pytest

from penstock.control.commands import Command
from penstock.control.giving import give, read_control
from penstock.errors import PenstockError
from penstock.testing import run_topology

WITHIN = 2.0


def _command(app, action, target, *, by="ann", value=None):
    return Command(f"{action}-{by}-{app.clock.now()}", action, target, by, round(app.clock.now() * 1000), "", value)


async def _given(app, action, target="work", **more):
    return await give(app.topology, app.broker, _command(app, action, target, **more))


def _operated(topology_of, scenario, handler, *, workers=1, **changes):
    return run_topology(
        topology_of(**changes), scenario, handlers={"work": handler}, follow_control=True, workers=workers
    )


async def _slow(event, ctx):
    await asyncio.sleep(0.5)


def test_a_paused_processor_takes_nothing_retries_included_until_it_is_resumed(topology_of):
    async def scenario(app):
        await app.send("src", {"n": 0})
        await asyncio.sleep(0.1)
        assert (await _given(app, "pause")).before is None
        await asyncio.sleep(WITHIN)
        assert [one.outcome for one in app.attempts] == ["retried"], "what ran goes on to its end"
        for number in range(20):
            await app.send("src", {"n": number})
        await asyncio.sleep(600)
        assert len(app.attempts) == 1
        await _given(app, "resume")
        await asyncio.sleep(WITHIN)
        assert len(app.attempts) > 1
        await app.settled()
        assert len([one for one in app.attempts if one.outcome == "done"]) == 21

    async def handler(event, ctx):
        await asyncio.sleep(0.5)
        if ctx.attempt == 1 and event.data["n"] == 0 and not handler.failed:
            handler.failed = True
            raise RuntimeError("again")

    handler.failed = False
    _operated(topology_of, scenario, handler, workers=2)


def test_a_worker_that_dies_while_paused_comes_back_paused(topology_of):
    async def scenario(app):
        await _given(app, "pause")
        await asyncio.sleep(3600)
        app.crash(app.workers[0])
        await app.start("work")
        await app.send("src", {"n": 1})
        await asyncio.sleep(120)
        assert app.attempts == []
        await _given(app, "resume")
        await app.settled()
        assert len(app.attempts) == 1

    _operated(topology_of, scenario, _slow)


def test_concurrency_goes_down_and_up_and_back(topology_of):
    running, peaks = 0, []

    async def handler(event, ctx):
        nonlocal running
        running += 1
        peaks.append(running)
        await asyncio.sleep(1)
        running -= 1

    async def peak(app):
        peaks.clear()
        for number in range(200):
            await app.send("src", {"n": number})
        await app.settled()
        return max(peaks)

    async def scenario(app):
        assert await peak(app) == 20
        await _given(app, "set", value=3)
        await asyncio.sleep(WITHIN)
        assert await peak(app) == 3
        assert app.workers[0].parts.dispatch.concurrency == 3
        await _given(app, "set", value=50)
        await asyncio.sleep(WITHIN)
        assert await peak(app) == 50
        await _given(app, "set")
        await asyncio.sleep(WITHIN)
        assert await peak(app) == 20

    _operated(topology_of, scenario, handler)


def test_a_cancelled_run_is_a_dead_letter_by_name_and_its_replay_runs(topology_of):
    from penstock.dead_letter.replay import plan_replay, replay

    async def scenario(app):
        for number in range(3):
            await app.send("src", {"n": number}, id=f"e{number}")
        await asyncio.sleep(1)
        (run,) = [run for run in app.workers[0].parts.dispatch.running if run.record.header("ce_id") == b"e1"]
        await _given(app, "cancel", app.workers[0].parts.identify(run))
        await asyncio.sleep(WITHIN)
        (letter,) = app.dead_letters("work")
        assert letter.header("penstock-reason") == b"rejected"
        assert letter.header("penstock-error-message") == b"cancelled by ann"
        await app.settled()
        assert sorted(one.outcome for one in app.attempts) == ["dead_lettered", "done", "done"]
        await replay(app.broker, await plan_replay(app.broker, "t.work"), replay_id="r", clock=app.clock)
        await app.settled()
        assert len([one for one in app.attempts if one.outcome == "done"]) == 3

    async def handler(event, ctx):
        await asyncio.sleep(30)

    _operated(topology_of, scenario, handler)


def test_a_run_that_waits_for_its_retry_is_given_up_when_its_time_comes(topology_of):
    async def scenario(app):
        await app.send("src", {"n": 1})
        await asyncio.sleep(1)
        (failed,) = app.attempts
        await _given(app, "cancel", failed.run_id)
        await app.settled()
        assert [one.outcome for one in app.attempts] == ["retried", "dead_lettered"]

    async def handler(event, ctx):
        raise RuntimeError("no")

    _operated(topology_of, scenario, handler)


def test_two_operators_at_once_and_one_twice_apply_nothing_twice(topology_of):
    async def scenario(app):
        ann, bob = await asyncio.gather(_given(app, "pause", by="ann"), _given(app, "pause", by="bob"))
        assert {ann.before, bob.before} == {None}, "neither could see the other"
        await asyncio.sleep(WITHIN)
        assert len(app.workers[0].parts.valve.closed) == 1
        again = await _given(app, "pause", by="eve")
        assert again.before.by == "bob"
        await _given(app, "resume", by="eve")
        await asyncio.sleep(WITHIN)
        assert app.workers[0].parts.valve.closed == ()
        state = await read_control(app.topology, app.broker)
        assert [(one.action, one.by) for one in state.audit] == [("pause", "ann"), ("pause", "bob"), ("resume", "eve")]
        assert (await _given(app, "set")).before is not None, "it never was otherwise"

    _operated(topology_of, scenario, _slow)


def test_unknown_processors_are_named(topology_of):
    async def scenario(app):
        with pytest.raises(PenstockError, match="no processor 'wrok'"):
            await _given(app, "pause", "wrok")

    _operated(topology_of, scenario, _slow)
