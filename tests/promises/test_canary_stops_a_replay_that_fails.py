"""Dead letters stand in clusters by cause; a careful replay runs a few first and stops where too many of them fail."""

from __future__ import annotations

import asyncio

import pytest

from penstock import Defer, Reject
from penstock.dead_letter.canary import replay_carefully
from penstock.dead_letter.clusters import cluster_of, clusters
from penstock.dead_letter.entries import Filters
from penstock.dead_letter.replay import plan_replay
from penstock.errors import PenstockError
from penstock.testing import run_topology

GROUP = "t.work"


class Cause:
    """A handler with two defects that an operator mends one after the other."""

    def __init__(self) -> None:
        self.mended: set[str] = set()
        self.starts = 0
        self.failing = False

    async def __call__(self, event, ctx):
        self.starts += 1
        await asyncio.sleep(0.1)
        if event.data["defect"] == "defer" and "defer" not in self.mended:
            raise Reject("defer me")
        if event.data["defect"] == "defer" and ctx.attempt == 1 and self.starts % 2:
            raise Defer(after=60)
        if event.data["defect"] == "passing" and self.failing:
            raise RuntimeError("again")
        if event.data["defect"] not in self.mended:
            raise Reject(f"customer {event.data['n']} has a defect of kind '{event.data['n']}'")


async def _dead(app, **counts):
    for defect, count in counts.items():
        for number in range(count):
            await app.send("src", {"n": number, "defect": defect}, key=f"{defect}{number}")
    await app.settled()


async def _careful(app, replay_id="r1", *, limit=None, fingerprint=None, **more):
    filters = Filters(limit=limit, fingerprint=fingerprint)
    plan = await plan_replay(app.broker, GROUP, filters=filters)
    asked = {"canary": 5, "max_failure_rate": 0.1, "clock": app.clock, **more}
    return await replay_carefully(app.broker, plan, replay_id=replay_id, **asked)


def _run(topology_of, scenario):
    cause = Cause()

    async def told(app):
        return await scenario(app, cause)

    return run_topology(topology_of(), told, handlers={"work": cause})


def test_one_cause_is_one_cluster(topology_of):
    async def scenario(app, cause):
        await _dead(app, a=7, defer=3)
        many, few = await clusters(app.broker, GROUP)
        assert (many.count, few.count) == (7, 3)
        assert (many.error_message[:8], few.error_message) == ("customer", "defer me")
        assert many.by_reason == {"rejected": 7}
        assert many.first <= many.last
        assert cluster_of((many, few), many.id[:6]) is many
        with pytest.raises(PenstockError, match="no cluster 'zzzz'"):
            cluster_of((many, few), "zzzz")
        plan = await plan_replay(app.broker, GROUP, filters=Filters(fingerprint=few.id))
        assert plan.count == 3

    _run(topology_of, scenario)


def test_the_first_that_fail_are_the_last(topology_of):
    async def scenario(app, cause):
        await _dead(app, a=30)
        done = await _careful(app)
        assert done.result.tally.written == 5
        assert (done.canary.failed, done.canary.well, done.canary.open) == (5, 0, 0)
        assert done.stopped == "5 of 5 failed (100%, allowed are 10%)"
        await app.settled()
        assert (await plan_replay(app.broker, GROUP)).count == 30, "25 wait on, 5 came back"

    _run(topology_of, scenario)


def test_mended_all_are_replayed_once_and_given_again_it_goes_on(topology_of):
    async def scenario(app, cause):
        await _dead(app, a=30)
        await _careful(app)
        await app.settled()
        cause.mended.add("a")
        starts = cause.starts
        begun = app.clock.now()
        done = await _careful(app, "r2", rate=5)
        assert (done.stopped, done.result.tally.written) == ("", 30)
        assert done.canary.well == 5
        assert app.clock.now() - begun > 4, "at a rate"
        await app.settled()
        assert cause.starts - starts == 30
        assert (await plan_replay(app.broker, GROUP)).count == 0

    _run(topology_of, scenario)


def test_an_attempt_that_is_tried_again_has_failed(topology_of):
    async def scenario(app, cause):
        await _dead(app, passing=10)
        cause.mended.add("passing")
        cause.failing = True
        done = await _careful(app)
        assert (done.canary.failed, done.result.tally.written) == (5, 5)
        cause.failing = False
        await app.settled()
        assert (await plan_replay(app.broker, GROUP)).count == 5, "the five went well at their second attempt"

    _run(topology_of, scenario)


def test_a_share_may_fail(topology_of):
    async def scenario(app, cause):
        await _dead(app, a=1, b=9)
        cause.mended.add("b")
        stopped = await _careful(app, canary=10)
        assert stopped.stopped == ""
        assert (stopped.canary.failed, stopped.canary.well) == (1, 9)

    _run(topology_of, scenario)


def test_first_ones_that_do_not_end_stop_it_too(topology_of):
    async def scenario(app, cause):
        await _dead(app, defer=8)
        cause.mended.add("defer")
        cause.starts = 0
        done = await _careful(app, patience=20)
        assert "have not ended" in done.stopped
        assert done.canary.failed == 0
        assert done.result.tally.written == 5

    _run(topology_of, scenario)


def test_without_a_worker_nobody_would_run_the_first(topology_of):
    async def scenario(app, cause):
        await _dead(app, a=3)
        await app.stop(app.workers[0])
        with pytest.raises(PenstockError, match=r"no worker of t\.work runs"):
            await _careful(app)
        assert (await plan_replay(app.broker, GROUP)).count == 3

    _run(topology_of, scenario)
