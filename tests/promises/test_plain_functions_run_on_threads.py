"""Plain `def` handlers run on threads; one that outlives timeout and grace ends the worker with HandlerStuck."""

import threading
import time

import pytest

from penstock.errors import HandlerStuck
from penstock.testing import virtual_time


def test_plain_functions_run_on_threads(work):
    names = set()

    def handler(event):
        names.add(threading.current_thread().name)
        time.sleep(0.01)
        return {"n": event.data}

    async def scenario(app):
        for n in range(10):
            await app.send("src", n)
        await app.settled()
        assert len(app.records("out")) == 10
        assert all(name.startswith("penstock-handler-work") for name in names)
        assert len(names) > 1

    work(handler, scenario)


def test_a_stuck_thread_ends_the_worker_which_commits_what_is_finished(work, monkeypatch):
    monkeypatch.setattr(virtual_time, "THREAD_PATIENCE", 0.005)
    release, calls = threading.Event(), []

    def handler(event):
        calls.append(event.data)
        if event.data == "stuck":
            release.wait(10)

    async def scenario(app):
        try:
            await app.send("src", "stuck", key="a")
            await app.send("src", "fine", key="b")
            worker = app.workers.pop()
            began = app.clock.now()
            with pytest.raises(HandlerStuck):
                await app._tasks[worker]
            assert 14 <= app.clock.now() - began < 18, "timeout and grace, and a moment to unwind"
            assert [a.outcome for a in app.attempts] == ["done", "abandoned"]
            release.set()
            await app.start("work")
            await app.settled()
            assert calls == ["stuck", "fine", "stuck"], "what is finished was committed, the stuck one not"
        finally:
            release.set()

    work(handler, scenario, output=None, timeout=4.0, stop_grace_period=10.0)


def test_a_thread_that_ends_within_the_grace_is_a_failed_attempt_and_keeps_its_lane(work, monkeypatch):
    monkeypatch.setattr(virtual_time, "THREAD_PATIENCE", 0.005)
    release, running = threading.Event(), []

    def handler(event, ctx):
        running.append(event.data)
        if event.data == 1 and ctx.attempt == 1:
            release.wait(10)

    async def scenario(app):
        import asyncio

        await app.send("src", 1, key="a")
        await app.send("src", 2, key="a")
        await asyncio.sleep(8)
        assert running == [1], "past the timeout its lane is still taken"
        release.set()
        await app.settled()
        assert sorted(running) == [1, 1, 2]
        assert [a.outcome for a in app.attempts if a.outcome != "done"] == ["retried"]

    work(handler, scenario, output=None, timeout=4.0, stop_grace_period=10.0)
