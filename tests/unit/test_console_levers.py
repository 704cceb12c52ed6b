"""The console's levers in virtual time: pause and resume, concurrency, a run given up, mended data, a few first."""

import asyncio
import json
import re

SURE = {"sure": "yes"}
TOKEN = "the-token"


async def strict(event, ctx):
    if event.data.get("amount", 0) < 0:
        raise ValueError("a negative amount")
    return {"ok": True}


async def done(app):
    """What was begun has ended, and what it led to (the time is virtual)."""
    await asyncio.sleep(5)
    await app.settled()


async def letters(app, count=1):
    for number in range(count):
        await app.send("tickets", {"amount": -1}, key="bob", id=f"T-{number}")
    await app.settled()
    assert len(app.dead_letters("triage")) == count


def test_pause_and_resume_are_shown_and_noted(desk_console):
    async def scenario(app, console):
        async with console(token=TOKEN) as client:
            paused = await client.post("/processors/triage/pause", data={"reason": "a bad deploy", "by": "ada"})
            page = (await client.get(paused.headers["location"])).text
            assert "Paused by ada" in page
            assert "a bad deploy" in page
            assert "penstock resume triage" in page
            await client.post("/processors/triage/resume", data={"by": "bob"})
            await client.post("/processors/triage/set", data={"concurrency": "7"})
            audit = (await client.get("/audit")).text
            assert "7 at once in each worker" in audit

        actions = re.findall(r">(pause|resume|set)</td>", audit)
        assert actions == ["set", "resume", "pause"]

    desk_console(scenario, strict)


def test_a_lever_that_is_none_and_a_concurrency_that_is_none_are_refused(desk_console):
    async def scenario(app, console):
        async with console(token=TOKEN) as client:
            assert (await client.post("/processors/triage/explode", data={})).status_code == 404
            refused = await client.post("/processors/triage/set", data={"concurrency": "many"})
            assert "many is not a whole number" in refused.text
            assert (await client.post("/runs/no-run/cancel", data={})).status_code == 404
        async with console() as stranger:
            assert (await stranger.post("/processors/triage/pause", data={})).status_code == 403

    desk_console(scenario, strict)


def test_mended_data_is_compared_and_then_run(desk_console):
    async def scenario(app, console):
        await letters(app)
        form = {"data": json.dumps({"amount": 12})}
        async with console(token=TOKEN) as client:
            compared = await client.post("/letters/triage/0/0/mend", data=form)
            assert "-  &#34;amount&#34;: -1" in compared.text
            assert "+  &#34;amount&#34;: 12" in compared.text
            assert "penstock dlt mend 0@0 --processor triage --data mended.json" in compared.text
            assert app.records("desk.triage.replay") == []

            begun = await client.post("/letters/triage/0/0/mend", data={**form, **SURE})
            await done(app)
            assert "1 replayed with other data" in (await client.get(begun.headers["location"])).text

        (record,) = app.records("desk.triage.replay")
        assert json.loads(record.value) == {"amount": 12}
        assert record.key == b"bob"
        assert [event.data for event in app.events("answers")] == [{"ok": True}]

    desk_console(scenario, strict)


def test_what_is_no_json_is_not_replayed(desk_console):
    async def scenario(app, console):
        await letters(app)
        async with console(token=TOKEN) as client:
            refused = await client.post("/letters/triage/0/0/mend", data={"data": "{amount", **SURE})

        assert "this is not JSON" in refused.text
        assert app.records("desk.triage.replay") == []

    desk_console(scenario, strict)


def test_the_first_ones_that_fail_stop_a_careful_replay(desk_console):
    async def scenario(app, console):
        await letters(app, count=6)
        async with console(token=TOKEN) as client:
            begun = await client.post("/letters/triage/replay", data={**SURE, "canary": "2"})
            await done(app)
            deed = (await client.get(begun.headers["location"])).text

        assert "2 replayed; stopped: 2 of 2 failed" in deed
        assert len(app.records("desk.triage.replay")) == 2

    desk_console(scenario, strict)


def test_a_plan_names_the_cost_expected_of_it(desk_console):
    async def priced(event, ctx):
        ctx.usage.add("small-1", tokens_in=1000, tokens_out=200, cost=0.01)
        return await strict(event, ctx)

    async def scenario(app, console):
        async with console(token=TOKEN) as client:
            await letters(app, count=3)
            plan = (await client.post("/letters/triage/replay", data={})).text
            assert "Expected cost: unknown, no run of the last day is on record." in plan
            await app.send("tickets", {"amount": 1})
            await app.settled()
            plan = (await client.post("/letters/triage/replay", data={})).text
            assert "Expected cost: 0.03, 3,600 tokens; 0 ms each (by 1 runs of the last day)." in plan

    desk_console(scenario, priced)


def test_discarded_entries_leave_the_inbox_and_the_figures(desk_console):
    async def scenario(app, console):
        await letters(app, count=3)
        async with console(token=TOKEN) as client:
            assert '<td class="n" data-alarm="true">3</td><td class="n">3</td>' in (await client.get("/letters")).text
            begun = await client.post("/letters/triage/discard", data=SURE)
            await done(app)
            assert "3 discarded" in (await client.get(begun.headers["location"])).text
            assert "Nothing waits" in (await client.get("/letters/triage")).text
            assert '<td class="n">0</td><td class="n">3</td>' in (await client.get("/letters")).text
            assert 'data-figure="dead_letters">0</a>' in (await client.get("/processors/triage")).text

    desk_console(scenario, strict)
