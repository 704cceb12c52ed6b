"""The supervisor: restarts with back-off, isolation, one stream of lines, a drain that ends everything."""

import asyncio
import os
import signal
import sys

import pytest

from penstock.service import supervisor as module
from penstock.service.reload import changed, changes, stamps
from penstock.service.supervisor import USAGE, Child, Supervisor, children_of
from penstock.topology.model import Processor, Topology
from penstock.topology.restart import Restart

PATIENCE = 20


def child(name, code, grace=5.0, memory_limit=None, **restart):
    command = (sys.executable, "-u", "-c", code)
    policy = Restart(**{"initial": 0.01, **restart})
    return Child(name, command, grace, memory_limit=memory_limit, restart=policy)


DRAINS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("drained"), sys.exit(0)))
print("up")
while True: time.sleep(0.05)
"""


class Scene:
    """A supervisor at work, and what it said."""

    def __init__(self, *children):
        self.lines = []
        self.changed = asyncio.Event()
        self.supervisor = Supervisor(children, self._say)

    def _say(self, name, line):
        self.lines.append((name, line))
        self.changed.set()

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE):
            while not condition(self.lines):
                self.changed.clear()
                await self.changed.wait()


def run(story, *children):
    async def main():
        scene = Scene(*children)
        running = asyncio.ensure_future(scene.supervisor.run())
        try:
            return await story(scene, running)
        finally:
            scene.supervisor.stop()
            await asyncio.wait_for(running, PATIENCE)

    return asyncio.run(main())


def test_stop_drains_every_child():
    async def story(scene, running):
        await scene.until(lambda lines: {("a", "up"), ("b", "up")} <= set(lines))
        scene.supervisor.stop()
        assert await asyncio.wait_for(running, PATIENCE) == 0
        assert {("a", "drained"), ("b", "drained")} <= set(scene.lines)

    run(story, child("a", DRAINS), child("b", DRAINS))


def test_killed_child_is_started_again_and_the_other_is_left_alone():
    async def story(scene, running):
        await scene.until(lambda lines: {("a", "up"), ("b", "up")} <= set(lines))
        other = scene.supervisor.pid_of("b")
        os.kill(scene.supervisor.pid_of("a"), signal.SIGKILL)
        await scene.until(lambda lines: lines.count(("a", "up")) == 2)
        assert any("SIGKILL" in line for name, line in scene.lines if name == "a")
        assert scene.supervisor.pid_of("b") == other

    run(story, child("a", DRAINS), child("b", DRAINS))


def test_back_off_doubles_up_to_its_end():
    async def story(scene, running):
        def waits(lines):
            return [line.rpartition("in ")[2] for _, line in lines if "starts again" in line]

        await scene.until(lambda lines: len(waits(lines)) >= 5)
        assert waits(scene.lines)[:5] == ["0.01 s", "0.02 s", "0.04 s", "0.05 s", "0.05 s"]

    run(story, child("a", "raise SystemExit(1)", max=0.05))


def test_child_that_crashes_too_often_in_a_row_is_left_down_and_the_other_goes_on():
    async def story(scene, running):
        await scene.until(
            lambda lines: ("a", "ended with code 1, for the 3. time in a row; not started again") in lines
        )
        assert scene.supervisor.pid_of("b")
        scene.supervisor.stop()
        assert await asyncio.wait_for(running, PATIENCE) == 1

    run(story, child("a", "raise SystemExit(1)", max_restarts=2), child("b", DRAINS))


GROWS = """
import time
held = []
print("up")
while True: held.append(bytearray(b"x" * (4 << 20))); time.sleep(0.01)
"""


def test_child_that_outgrows_its_ceiling_is_killed_and_started_again():
    async def story(scene, running):
        await scene.until(lambda lines: ("b", "up") in lines)
        other = scene.supervisor.pid_of("b")
        await scene.until(lambda lines: lines.count(("a", "up")) == 2)
        said = [line for name, line in scene.lines if name == "a" and "memory_limit" in line]
        assert said[0].endswith("its memory_limit is 100 MiB; killed")
        assert scene.supervisor.pid_of("b") == other

    run(story, child("a", GROWS, memory_limit=100 << 20), child("b", DRAINS, memory_limit=100 << 20))


def test_configuration_that_cannot_run_is_not_tried_again():
    async def story(scene, running):
        assert await asyncio.wait_for(running, PATIENCE) == 1
        assert scene.lines == [("a", "cannot run with this configuration; not started again")]

    run(story, child("a", f"raise SystemExit({USAGE})"))


def test_child_that_will_not_end_is_killed(monkeypatch):
    monkeypatch.setattr(module, "_EXTRA", 0.2)
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(600)"

    async def story(scene, running):
        await scene.until(lambda lines: ("a", "up") in lines)
        scene.supervisor.stop()
        await asyncio.wait_for(running, PATIENCE)
        assert any("killed" in line for _, line in scene.lines)

    run(story, child("a", stubborn, grace=0.1))


@pytest.mark.parametrize(("replicas", "names"), [(1, ["work"]), (2, ["work.1", "work.2"]), (0, [])])
def test_children_follow_replicas(replicas, names):
    work = Processor(name="work", group_id="t.work", handler="x:y", topics=("src",), replicas=replicas)
    children = children_of(Topology(name="t", processors={"work": work}), first_port=9000)
    assert [one.name for one in children] == names
    assert all("--port" in one.command for one in children)


def test_interpreter_ceiling_and_restart_are_each_group_s_own(tmp_path):
    own = {"python": tmp_path / "python", "memory_limit": 1 << 30, "restart": Restart(max_restarts=3)}
    work = Processor(name="work", group_id="t.work", handler="x:y", topics=("src",), **own)
    (one,) = children_of(Topology(name="t", processors={"work": work}))
    assert (one.command[0], one.memory_limit, one.restart.max_restarts) == (str(tmp_path / "python"), 1 << 30, 3)


def test_reload_notices_what_changed(tmp_path):
    (tmp_path / "processors").mkdir()
    (tmp_path / ".venv").mkdir()
    agent = tmp_path / "processors" / "agent.py"
    agent.write_text("1")
    (tmp_path / ".venv" / "other.py").write_text("1")
    before = stamps(tmp_path)
    assert list(before) == [agent]
    agent.unlink()
    (tmp_path / "topology.yaml").write_text("x")
    assert changed(before, stamps(tmp_path)) == [agent, tmp_path / "topology.yaml"]


def test_changes_come_once_the_files_are_quiet(tmp_path):
    async def story():
        seen = changes(tmp_path, interval=0.02)
        first = asyncio.ensure_future(anext(seen))
        await asyncio.sleep(0.05)
        (tmp_path / "a.py").write_text("1")
        (tmp_path / "b.py").write_text("1")
        files = await asyncio.wait_for(first, PATIENCE)
        assert {path.name for path in files} <= {"a.py", "b.py"}
        await seen.aclose()

    asyncio.run(story())
