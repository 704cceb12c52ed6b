"""Every attempt is written to the topic of runs, readable again, beside the work and never in its way."""

from __future__ import annotations

import asyncio
import dataclasses

from penstock import Reject, Skip
from penstock.broker.in_memory.faults import FINE, Fate, NoFaults, Outcome
from penstock.record import Outgoing
from penstock.runs.reading import RunFilters, list_runs
from penstock.testing import run_topology
from penstock.topology.model import Runs


async def _story(event, ctx):
    async with ctx.step("classify"):
        await asyncio.sleep(0.5)
    ctx.usage.add("gpt-5", tokens_in=10, tokens_out=2, cost=0.5)
    if ctx.attempt == 1:
        raise RuntimeError("model away")
    if event.data.get("bad"):
        raise Reject("no such customer")
    return {"ok": True}


def _run(work_topology, scenario, handler=_story, runs=None, **more):
    topology = dataclasses.replace(work_topology(), runs=runs or Runs())
    return run_topology(topology, scenario, handlers={"work": handler}, record_runs=True, **more)


async def _listed(app, **asked):
    await app.settled()
    await asyncio.sleep(1)  # virtual: the writer waits for company
    return await list_runs(app.topology, app.broker, RunFilters(**asked))


def test_attempts_are_told_as_they_were(topology_of):
    async def scenario(app):
        await app.send("src", {"n": 1}, key="k1", id="e1")
        await app.send("src", {"bad": True, "card": "4111"}, key="k2", id="e2")
        found = await _listed(app)
        assert (found.matched, found.read, found.unreadable) == (4, 4, 0)
        newest, *_, oldest = found.attempts
        assert newest.started > oldest.started
        (done,) = [one for one in found.attempts if one.outcome == "done"]
        failed, given_up = sorted((one for one in found.attempts if one.key == "k2"), key=lambda one: one.started)
        assert (done.event_id, done.key, done.attempt, done.type) == ("e1", "k1", 2, "asked")
        assert (done.cost, done.tokens, [step.name for step in done.steps]) == (0.5, (10, 2), ["classify"])
        assert (done.duration, done.at[:15], done.origin[:4]) == (0.5, "t.work.retry.5s", "src/")
        assert done.sent[0].startswith("out/")
        assert failed.error.message == "model away"
        assert "RuntimeError: model away" in failed.error.trace
        assert failed.sent[0].startswith("t.work.retry.5s/")
        assert (given_up.outcome, given_up.reason, given_up.sent) == ("dead_lettered", "rejected", ("t.work.dlt/0@0",))
        assert given_up.run_id == failed.run_id == app.dead_letters("work")[0].header("penstock-run-id").decode()
        assert (done.worker, done.group, done.data) == ("work-0", "t.work", None)
        assert app.workers[0].parts.counters.run_records == 4

    _run(topology_of, scenario)


def test_filters_and_limit(topology_of):
    async def scenario(app):
        for number in range(30):
            await app.send("src", {"n": number}, key=f"k{number % 3}")
        found = await _listed(app, failed=True, key="k1", limit=4)
        assert (len(found.attempts), found.matched, found.read) == (4, 10, 60)
        assert {one.outcome for one in found.attempts} == {"retried"}
        everything = (await list_runs(app.topology, app.broker, RunFilters())).attempts
        middle = everything[30].started
        later = await list_runs(app.topology, app.broker, RunFilters(since=int(middle * 1000)))
        assert later.matched == len([one for one in everything if one.started >= middle]) < 60
        assert later.attempts == everything[: later.matched]

    _run(topology_of, scenario)


def test_a_topic_of_runs_that_takes_nothing_delays_nothing(topology_of):
    class NoRuns(NoFaults):
        def produce(self, client_id: str, record: Outgoing) -> Fate:
            return Fate(Outcome.REFUSED) if record.topic == "t.runs" else FINE

    async def scenario(app):
        await app.send("src", {"n": 1}, key="k1")
        found = await _listed(app)
        assert found.read == 0
        assert [one.outcome for one in app.attempts] == ["retried", "done"]
        counters = app.workers[0].parts.counters
        assert (counters.run_records, counters.run_records_lost) == (0, 2)

    _run(topology_of, scenario, faults=NoRuns())


def test_what_simply_went_well_is_kept_up_to_a_rate_and_the_rest_counted(topology_of):
    async def scenario(app):
        for number in range(200):
            await app.send("src", {"n": number})
        found = await _listed(app)
        counters = app.workers[0].parts.counters
        assert 5 <= found.read < 200
        assert counters.run_records + counters.run_records_lost == 200
        await app.send("src", {"n": "later"})
        again = await _listed(app)
        assert again.read > found.read, "the appetite returns"

    async def nothing(event, ctx):
        pass

    _run(topology_of, scenario, handler=nothing, runs=Runs(rate=5))


def test_a_sample_keeps_whole_chains_and_all_failures(topology_of):
    async def scenario(app):
        for number in range(100):
            await app.send("src", {"n": number}, id=f"e{number}")
        found = await _listed(app, limit=1000)
        assert 5 < len([one for one in found.attempts if one.outcome == "skipped"]) < 60
        assert len([one for one in found.attempts if one.outcome == "retried"]) == 10

    def handler(event, ctx):
        if event.data["n"] < 10 and ctx.attempt == 1:
            raise RuntimeError("again")
        raise Skip("nothing to do")

    _run(topology_of, scenario, handler=handler, runs=Runs(sample=0.3))


def test_payloads_only_on_request_and_masked(topology_of):
    async def scenario(app):
        await app.send("src", {"card": {"number": "4111", "name": "A"}, "lines": [{"iban": "DE1"}, {"x": 1}]})
        found = await _listed(app)
        assert found.attempts[0].data == {"card": {"number": "***", "name": "A"}, "lines": [{"iban": "***"}, {"x": 1}]}
        assert b"4111" not in b"".join(record.value for record in app.records("t.runs"))

    _run(topology_of, scenario, runs=Runs(payloads=True, mask=("card.number", "data.lines.iban")))


def test_a_batch_of_another_version_is_passed_over_and_counted(topology_of):
    async def scenario(app):
        producer = app.broker.producer()
        await producer.send(Outgoing("t.runs", None, b'{"v": 2, "attempts": []}'))
        await producer.send(Outgoing("t.runs", None, b"\xff"))
        await app.send("src", {"n": 1})
        found = await _listed(app)
        assert (found.read, found.unreadable) == (2, 2)

    _run(topology_of, scenario)


def test_turned_off_there_is_no_topic_and_the_reader_says_why(topology_of):
    import pytest

    from penstock.errors import TopicMissing

    async def scenario(app):
        await app.send("src", {"n": 1})
        with pytest.raises(TopicMissing, match="no record of runs") as caught:
            await _listed(app)
        assert "enabled: false" in caught.value.hint

    _run(topology_of, scenario, runs=Runs(enabled=False))
