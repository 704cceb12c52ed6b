"""The console's pages over a desk in virtual time: each answers, shows what there is, and says what is not there."""

import re

import pytest


async def answer(event, ctx):
    async with ctx.step("think"):
        ctx.usage.add("small-1", tokens_in=12, tokens_out=3, cost=0.0021)
    if event.data.get("broken"):
        raise ValueError("no such account")
    return {"text": "done"}


async def played(app):
    await app.send("tickets", {"text": "card lost", "card": {"number": "4929-1111"}}, key="ada", id="T-1")
    await app.send("tickets", {"text": "help", "broken": True}, key="bob", id="T-2")
    await app.settled()


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", ["tickets", "triage", "answers", "Processors"]),
        ("/processors/triage", ["desk.triage", "Latest runs", "agents:triage"]),
        ("/runs", ["ada", "bob", "dead lettered", "penstock runs ls --since 1h"]),
        ("/runs?outcome=failed", ["bob", "penstock runs ls --failed"]),
        ("/letters", ["desk.triage.dlt"]),
        ("/letters/triage", ["no such account", "exhausted", "penstock dlt ls --clusters --processor triage"]),
        ("/letters/triage/0/0", ["no such account", "waits", "penstock dlt replay"]),
        ("/topics", ["desk.triage.retry.1s", "derived"]),
        ("/topics/answers", ["penstock tap answers"]),
        ("/groups", ["desk.triage", "stable"]),
    ],
)
def test_a_page_shows_what_there_is(desk_console, path, shown):
    async def scenario(app, console):
        await played(app)
        async with console() as client:
            page = await client.get(path)

        assert page.status_code == 200
        assert [text for text in shown if text not in page.text] == []

    desk_console(scenario, answer)


def test_a_run_shows_attempts_steps_usage_input_and_lineage(desk_console):
    async def scenario(app, console):
        await played(app)
        async with console() as client:
            listed = await client.get("/runs?key=ada")
            address = re.search(r'href="(/runs/[0-9a-f-]{36})"', listed.text).group(1)
            page = await client.get(address)

        assert page.status_code == 200
        for text in ("think", "small-1", "card lost", "penstock trace", "ticket.answered"):
            assert text in page.text, text

    desk_console(scenario, answer)


def test_what_is_masked_is_on_no_page(desk_console):
    async def scenario(app, console):
        await played(app)
        async with console() as client:
            pages = [await client.get(f"/topics/tickets?partition={number}") for number in (0, 1)]
            listed = await client.get("/runs?key=ada")
            pages.append(await client.get(re.search(r'href="(/runs/[0-9a-f-]{36})"', listed.text).group(1)))

        assert "card lost" in "".join(page.text for page in pages)
        assert "4929-1111" not in "".join(page.text for page in pages)

    desk_console(scenario, answer)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/nothing", "there is no page /nothing"),
        ("/processors/nobody", "there is no processor nobody"),
        ("/runs/unknown", "nothing is known of unknown"),
        ("/runs?since=soon", "soon is no age"),
        ("/topics/nowhere", "there is no topic nowhere"),
        ("/topics/tickets?partition=7", "has no partition 7"),
        ("/topics/tickets?offset=minus", "offset is a whole number"),
        ("/letters/triage/0/99", "there is no entry at desk.triage.dlt/0@99"),
        ("/deeds/unknown", "not known any more"),
    ],
)
def test_what_is_not_there_is_said_in_words(desk_console, path, said):
    async def scenario(app, console):
        async with console() as client:
            page = await client.get(path)

        assert page.status_code == 404
        assert said in page.text

    desk_console(scenario, answer)


def test_without_the_record_of_runs_and_the_control_topic_pages_say_so(desk_console):
    async def scenario(app, console):
        async with console(token="the-token") as client:
            await app.broker.admin().delete_topics(["desk.runs", "desk.control"])
            pages = {path: await client.get(path) for path in ("/", "/processors/triage", "/runs", "/audit")}
            pages["pause"] = await client.post("/processors/triage/pause", data={})

        assert {path: page.status_code for path, page in pages.items()} == {
            "/": 200,
            "/processors/triage": 200,
            "/runs": 404,
            "/audit": 404,
            "pause": 404,
        }
        assert "Runs are not recorded" in pages["/processors/triage"].text
        assert "there is no record of runs: no topic desk.runs" in pages["/runs"].text
        for path in ("/audit", "pause"):
            assert "there is no control topic desk.control" in pages[path].text

    desk_console(scenario, answer)


def test_pages_of_an_empty_desk_say_so(desk_console):
    async def scenario(app, console):
        async with console() as client:
            pages = {path: (await client.get(path)).text for path in ("/runs", "/letters/triage", "/topics/tickets")}

        assert "No attempts" in pages["/runs"]
        assert "Nothing waits" in pages["/letters/triage"]
        assert "No records" in pages["/topics/tickets"]

    desk_console(scenario, answer)
