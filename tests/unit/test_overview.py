"""What `penstock top` shows: pace and backlog in time by what ended lately, and what operators said."""

from __future__ import annotations

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from penstock.control.commands import Command
from penstock.control.giving import give
from penstock.deploy.local_workers import LocalWorker
from penstock.deploy.overview import overview
from penstock.deploy.scrape import Gauges, scrape
from penstock.runs.reading import RunFilters, list_runs
from penstock.runs.recent import Recent
from penstock.testing import run_topology
from penstock.topology.model import Processor, Retry, Topic, Topology
from penstock.topology.reader import read_text

WORK = Processor(
    name="work", group_id="t.work", handler="x:y", topics=("in",), concurrency=4, retry=Retry(max_attempts=1)
)
TOPOLOGY = Topology(name="t", topics={"in": Topic(name="in", partitions=2)}, processors={"work": WORK})


async def _agent(event, ctx):
    ctx.usage.add("m", cost=0.01)
    await asyncio.sleep(2)
    if event.data["n"] % 4 == 0:
        raise RuntimeError("no")


def _at(scenario):
    return run_topology(TOPOLOGY, scenario, handlers={"work": _agent}, record_runs=True, follow_control=True)


async def _recent(app):
    recent = Recent()
    found = await list_runs(app.topology, app.broker, RunFilters(limit=1000))
    recent.take(sorted(found.attempts, key=lambda one: one.ended))
    return recent


def test_the_backlog_is_told_in_time_and_failures_as_a_share():
    async def scenario(app):
        for number in range(200):
            await app.send("in", {"n": number})
        await asyncio.sleep(60)
        now = app.clock.now()
        (one,) = (await overview(app.topology, app.broker, await _recent(app), now, {})).processors
        assert one.rate.per_second == pytest.approx(2, rel=0.1), "four at once, two seconds each"
        assert one.backlog_seconds == pytest.approx(one.status.backlog / 2, rel=0.1)
        assert one.running == pytest.approx(4, rel=0.1)
        assert (one.measured, one.saturation) == (False, pytest.approx(1, rel=0.1))
        assert one.rate.outcomes["dead_lettered"] / sum(one.rate.outcomes.values()) == pytest.approx(0.25, abs=0.05)
        assert one.rate.cost == pytest.approx(0.01 * 2 * 3600, rel=0.1)
        assert one.rate.mean == pytest.approx(2, rel=0.01)

    _at(scenario)


def test_measured_where_all_workers_are_here_and_what_operators_said():
    async def scenario(app):
        told = Command("c", "set", "work", "ann", 1, "", 8)
        await give(app.topology, app.broker, told)
        await give(app.topology, app.broker, Command("d", "pause", "work", "ann", 2))
        here = {"work": Gauges(1, 2, ("openai",))}
        (one,) = (await overview(app.topology, app.broker, Recent(), app.clock.now(), here)).processors
        assert (one.measured, one.running, one.saturation, one.concurrency) == (True, 2, 0.25, 8)
        assert (one.paused.by, one.breakers, one.rate) == ("ann", ("openai",), None)
        assert one.backlog_seconds == 0.0

    _at(scenario)


def test_nothing_ends_and_something_waits_is_never():
    async def scenario(app):
        await give(app.topology, app.broker, Command("d", "pause", "work", "ann", 2))
        await asyncio.sleep(2)
        await app.send("in", {"n": 1})
        (one,) = (await overview(app.topology, app.broker, Recent(), app.clock.now(), {})).processors
        assert (one.status.backlog, one.backlog_seconds, one.running) == (1, None, None)
        await give(app.topology, app.broker, Command("e", "resume", "work", "ann", 3))

    _at(scenario)


def test_workers_of_this_host_are_asked_and_silent_ones_left_out():
    text = (
        'penstock_in_flight{group="g",processor="p"} 7.0\n'
        'penstock_breaker_state{breaker="attempts",group="g",processor="p"} 0.0\n'
        'penstock_breaker_state{breaker="openai",group="g",processor="p"} 2.0\n'
        'penstock_breaker_state{breaker="other",group="g",processor="p"} 1.0\n'
    )

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Metrics)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        here = LocalWorker(1, "p", "g", server.server_port, 0.0)
        gone = LocalWorker(2, "p", "g", 1, 0.0)
        assert scrape([here, here, gone, LocalWorker(3, "q", "h", None, 0.0)]) == {
            "p": Gauges(2, 14.0, ("openai open", "other half open"))
        }
    finally:
        server.shutdown()
        server.server_close()


def test_a_source_has_a_group_and_no_line(tmp_path):
    text = """\
version: 1
name: t
topics: { in: { partitions: 1, type: tick } }
processors: { work: { handler: "x:y", topics: [in] } }
connectors: { ticks: { type: cron, schedule: "0 4 * * *", topic: in } }
"""
    topology = read_text(text, tmp_path / "topology.yaml", {})

    async def scenario(app):
        found = await overview(app.topology, app.broker, Recent(), app.clock.now(), {})
        assert [one.status.processor for one in found.processors] == ["work"]

    run_topology(topology, scenario, handlers={"work": _agent})
