"""`penstock trace`: any id of a chain leads to all of it, as one tree with its costs; words where something lacks."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from pathlib import Path

import pytest

from demo.traced_ticket import Desk, printed, story, topology
from penstock import Defer
from penstock.record import Outgoing
from penstock.runs import lineage as kinship
from penstock.runs.trace import NoTrace, trace
from penstock.testing import run_topology

PAGE = Path(__file__).parents[2] / "docs" / "tracing.md"


def desk_run(scenario):
    desk = Desk()
    handlers = {name: getattr(desk, name) for name in topology().processors}

    async def told(app):
        await story(app, desk)
        return await scenario(app)

    return run_topology(topology(), told, handlers=handlers, record_runs=True)


def test_the_page_shows_what_is_printed():
    async def scenario(app):
        return await trace(app.topology, app.broker, "ticket-4711")

    shown = PAGE.read_text(encoding="utf-8").partition("```text\n")[2].partition("\n```")[0]
    assert shape(shown) == shape(printed(desk_run(scenario)))


def shape(tree):
    """A printed trace without what differs from one run to the next: ids, times, who sent it, waits in the queue."""
    for pattern, word in (
        (r" after [\d.]+m?s in the queue", ""),
        (r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID"),
        (r"\d{4}-\d\d-\d\dT", ""),
        (r"\d\d:\d\d:\d\d\.\d+Z?", "TIME"),
        (r"from penstock(-send)?", "from SENDER"),
        (r"\b(\d+h\d+m|\d+m\d+s|[\d.]+m?s)(?=[ ,\]]|$)", "SPAN"),
    ):
        tree = re.sub(pattern, word, tree, flags=re.MULTILINE)
    return tree


def test_every_id_of_the_chain_leads_to_all_of_it():
    async def scenario(app):
        whole = await trace(app.topology, app.broker, "ticket-4711")
        ids = {one.event_id for one in whole.attempts} | {one.run_id for one in whole.attempts}
        places = {one.at for one in whole.attempts} | {place for one in whole.attempts for place in one.sent}
        assert len(ids) == 8
        assert {"desk.research.dlt/0@0", "desk.research.replay/0@0", "drafted/0@0"} <= places
        for asked in ids | places:
            found = await trace(app.topology, app.broker, asked)
            assert found.attempts == whole.attempts, asked
            assert printed(found).count("◀") <= 1
        return whole

    whole = desk_run(scenario)

    assert (len(whole.attempts), whole.complete, round(whole.cost, 4)) == (7, True, 0.0441)
    (root,) = whole.events
    research = root.runs[0].sent[0].runs[0]
    assert (research.outcome, research.replays, research.sent[0].cost) == ("done", 1, 0.0191)


def test_an_unknown_id_is_said_in_words():
    async def scenario(app):
        with pytest.raises(NoTrace, match="nothing is known of ticket-1"):
            await trace(app.topology, app.broker, "ticket-1")
        for place in ("tickets/0@9", "tickets/7@0", "nowhere/0@0"):
            with pytest.raises(NoTrace):
                await trace(app.topology, app.broker, place)

    desk_run(scenario)


def test_an_event_that_nobody_handled_yet_says_who_it_waits_for(topology_of):
    async def scenario(app):
        position = await app.send("src", {"n": 1}, id="e1")
        found = await trace(app.topology, app.broker, str(position))
        assert "asked e1" in printed(found)
        assert "waits for work" in printed(found)

    async def handler(event, ctx):
        await asyncio.sleep(60)

    run_topology(topology_of(), scenario, handlers={"work": handler}, record_runs=True, workers=0)


def test_outputs_that_nobody_reads_and_deferrals_are_in_the_tree(topology_of):
    async def scenario(app):
        await app.send("src", {"n": 1}, id="e1")
        await app.settled()
        await asyncio.sleep(1)
        found = await trace(app.topology, app.broker, "e1")
        (run,) = found.events[0].runs
        assert [one.outcome for one in run.attempts] == ["deferred", "done"]
        assert [child.position[:4] for child in run.sent] == ["out/", "out/"]
        assert all(child.id and child.readers == () for child in run.sent)
        assert "no processor of this topology reads it" in printed(found)

    async def handler(event, ctx):
        handler.calls += 1
        if handler.calls == 1:
            raise Defer(after=30)
        ctx.emit("out", {"n": 1})
        ctx.emit("out", {"n": 2})

    handler.calls = 0
    run_topology(topology_of(), scenario, handlers={"work": handler}, record_runs=True)


def test_two_processors_of_one_event_are_two_branches_and_a_lost_root_is_said(topology_of):
    declared = topology_of()
    work = declared.processors["work"]
    other = dataclasses.replace(work, name="other", group_id="t.other", topics=("src",), output=None)
    two = dataclasses.replace(declared, processors={"work": work, "other": other})

    async def scenario(app):
        producer = app.broker.producer()
        for number in (1, 2):  # two events of one chain whose first event ran long ago
            headers = [
                ("ce_id", f"e{number}".encode()),
                ("ce_correlationid", b"e0"),
                ("ce_causationid", b"e0"),
            ]
            await producer.send(Outgoing("src", b"k", b"{}", headers))
        await app.settled()
        await asyncio.sleep(1)
        found = await trace(app.topology, app.broker, "e0")
        assert [sorted(run.processor for run in event.runs) for event in found.events] == [["other", "work"]] * 2
        assert not found.complete
        assert "not the whole chain" in printed(found)

    async def handler(event, ctx):
        pass

    run_topology(two, scenario, handlers={"work": handler, "other": handler}, record_runs=True)


def test_events_that_name_each_other_as_their_cause_make_no_endless_tree():
    async def scenario(app):
        return await trace(app.topology, app.broker, "ticket-4711")

    first, *_, last = desk_run(scenario).attempts
    circle = [
        dataclasses.replace(first, causation_id=last.event_id, sent=()),
        dataclasses.replace(last, causation_id=first.event_id, sent=()),
    ]

    roots = kinship.lineage(circle)

    assert sum(len(list(event.attempts())) for event in roots) == 2
