"""Health, metrics and the watchdog of a worker process."""

import asyncio
import threading
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry

from penstock.errors import PenstockError
from penstock.service import health
from penstock.service.health import HealthServer, Pulse
from penstock.service.metrics import COUNTERS, GAUGES, WorkerCollector
from penstock.service.snapshot import snapshot_of
from penstock.service.watchdog import EXIT_ZOMBIE, Watchdog
from penstock.testing.kit import run_topology
from penstock.topology.model import Processor, Topic, Topology


def _get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def served():
    pulse = Pulse(lambda: "")
    server = HealthServer("127.0.0.1", 0, pulse, CollectorRegistry())
    yield pulse, server.port
    server.close()


def test_ready_only_once_joined(served):
    pulse, port = served
    assert _get(port, "/livez") == (200, "ok\n")
    assert _get(port, "/readyz") == (503, "not joined yet\n")
    pulse.ready = True
    assert _get(port, "/readyz") == (200, "ok\n")
    assert _get(port, "/elsewhere")[0] == 404


def test_blocked_loop_is_not_alive(served, monkeypatch):
    pulse, port = served
    pulse.ready = True
    monkeypatch.setattr(health, "BLOCKED", -1.0)
    status, said = _get(port, "/livez")
    assert status == 503
    assert "blocked" in said
    assert _get(port, "/readyz")[0] == 503


def test_dead_poll_thread_is_not_alive():
    pulse = Pulse(lambda: "the poll thread has ended")
    assert pulse.problem() == "the poll thread has ended"


def test_taken_port_is_a_plain_error(served):
    _, port = served
    with pytest.raises(PenstockError, match="cannot serve health"):
        HealthServer("127.0.0.1", port, Pulse(lambda: ""), CollectorRegistry())


def test_watchdog_ends_a_zombie_and_no_other():
    ended, problem = [], []
    happened = threading.Event()

    class Heard(Pulse):
        def problem(self):
            return problem[0] if problem else ""

    def end(code):
        ended.append(code)
        happened.set()

    dog = Watchdog(Heard(lambda: ""), interval=0.01, end=end)
    dog.start()
    assert not happened.wait(0.05)
    problem.append("the loop stands still")
    assert happened.wait(5)
    assert ended == [EXIT_ZOMBIE]


def test_metrics_of_a_worker_say_what_it_did():
    topology = Topology(
        name="t",
        topics={"src": Topic(name="src", partitions=2)},
        processors={"work": Processor(name="work", group_id="t.work", handler="x:y", topics=("src",))},
    )

    async def handler(event, ctx):
        if event.data == "slow":
            await asyncio.sleep(1000)
        if event.data == "bad":
            raise ValueError(event.data)

    async def scenario(app):
        for data in ("good", "good", "bad", "slow"):
            await app.send("src", data, key=data)
        await asyncio.sleep(2)
        registry = CollectorRegistry()
        registry.register(WorkerCollector(lambda: snapshot_of(app.workers[0]), app.clock.now))

        def value(name, **labels):
            return registry.get_sample_value(name, {"processor": "work", "group": "t.work", **labels})

        assert value("penstock_runs_total", outcome="done") == 2
        assert value("penstock_runs_total", outcome="retried") == 1
        assert value("penstock_in_flight") == 1
        assert value("penstock_saturation") == 1 / 100
        assert value("penstock_waiting_for_retry") == 1
        assert value("penstock_frontier_lag") >= 1
        assert value("penstock_true_backlog") == 2, "the slow one and the one that waits for its retry"
        assert value("penstock_oldest_unfinished_age_seconds") == pytest.approx(2, abs=0.1)
        assert value("penstock_run_duration_seconds_count") == 3
        assert value("penstock_joined") == 1
        for name in GAUGES:
            assert value(name) is not None, name
        for name in COUNTERS:
            assert value(f"{name}_total") is not None, name

    run_topology(topology, scenario, handlers={"work": handler})


def test_pulse_beats():
    pulse = Pulse(lambda: "")
    time.sleep(0)  # the clock may have moved; a beat brings the silence back to nothing
    pulse.beat()
    assert pulse.problem() == ""
