"""The gateway as a connector: what it needs, what it counts, and the backlog it goes by."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

import pytest

from penstock.deploy.status import backlog
from penstock.engine.connector import make_source
from penstock.engine.source_outlet import SourceCounters
from penstock.errors import HandlerError
from penstock.service.metrics import SourceCollector
from penstock.service.snapshot import SourceSnapshot
from penstock.topology.http_options import HttpSourceOptions

OPTIONS = HttpSourceOptions(name="inbox", type="http_source", topic="in", path="/in")


@pytest.mark.parametrize("library", ["uvicorn", "starlette"])
def test_a_missing_library_names_the_extra(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(HandlerError, match="inbox") as failed:
        make_source(OPTIONS, Path())
    assert "penstock[http]" in failed.value.hint


def test_the_true_backlog_of_the_topology_holds_callers_back(desk):
    """Nobody works here, so what was accepted stays unfinished."""

    async def scenario(app):
        async with app.gateway(partial(backlog, app.topology, app.broker)) as gateway:
            statuses = []
            for _ in range(5):
                statuses.append((await gateway.http.post("/tickets", json={})).status_code)
                await asyncio.sleep(3)
            return statuses, gateway.parts.pressure.backlog

    assert desk(scenario, "max_backlog: 3") == ([202, 202, 202, 429, 429], 3)


def test_answers_are_counted_by_status():
    counters = SourceCounters(delivered=7)
    counters.answers.update({202: 5, 429: 2})
    snapshot = SourceSnapshot("inbox", "desk.inbox", True, True, False, 0, counters)

    found = {
        (sample.name, sample.labels.get("status")): sample.value
        for family in SourceCollector(lambda: snapshot).collect()
        for sample in family.samples
    }
    assert found["penstock_source_answers_total", "202"] == 5
    assert found["penstock_source_answers_total", "429"] == 2
    assert found["penstock_source_events_total", None] == 7
