"""penstock.memory.consolidate: what the rules change, what a model may propose, and that it fails as any event does."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest

from penstock.contracts import Scope
from penstock.memory.consolidate import changes_by_rules, consolidate
from penstock.memory.consolidate_by_model import proposed
from penstock.memory.consolidation import Merge, Retire
from penstock.memory.embedding import hashed
from penstock.memory.notes import ranked
from penstock.testing.kit import run_topology
from penstock.testing.memory_laws import NOW, a_note
from penstock.topology.memory_options import SqliteMemory
from penstock.topology.model import Backoff, Processor, Retry, Topic, Topology

DAY = 86_400.0


def notes_of(*texts: str, days: float = 0.0):
    return [
        replace(a_note(text, hashed([text])[0]), id=text, created=NOW + index, updated=NOW + index - days * DAY)
        for index, text in enumerate(texts)
    ]


def test_the_newest_statement_about_a_subject_supersedes():
    notes = notes_of("city: Oslo", "likes tea", "City: Bergen")

    assert list(changes_by_rules(notes, NOW, {})) == [
        Retire("city: Oslo", "superseded by what was said later of 'City'", "City: Bergen")
    ]


def test_notes_that_say_the_same_become_one_of_more_weight():
    notes = notes_of("the customer likes green tea", "he has a dog", "The customer likes green tea!")

    (merge,) = changes_by_rules(notes, NOW, {})

    assert merge == Merge(
        ("The customer likes green tea!", "the customer likes green tea"),
        "The customer likes green tea!",
        0.75,
        "merged: 2 notes said the same",
    )


def test_what_is_old_and_of_no_weight_fades():
    notes = [*notes_of("asked for the time", days=3000), *notes_of("is allergic to nuts", days=300)]

    assert [change.note_id for change in changes_by_rules(notes, NOW, {})] == ["asked for the time"]


def test_search_weighs_relevance_recency_and_importance():
    recent, old = notes_of("recent")[0], notes_of("old", days=30)[0]
    weighty = replace(old, id="weighty", importance=1.0)
    found = [replace(one, score=0.8) for one in (old, recent, weighty)] + [replace(recent, id="odd", score=0.1)]

    assert [(one.id, round(one.score, 2)) for one in ranked(found, NOW, 30 * DAY)] == [
        ("recent", 0.4),
        ("weighty", 0.4),
        ("old", 0.2),
        ("odd", 0.05),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        "I tidied everything up!",
        '{"changes": [{"do": "burn", "id": "a"}]}',
        '{"changes": [{"do": "retire", "id": "unknown", "why": "x"}]}',
        '{"changes": [{"do": "merge", "ids": ["a"], "text": "x", "importance": 1, "why": "x"}]}',
        '{"changes": [{"do": "retire", "id": "a", "why": "x"}, {"do": "retire", "id": "a", "why": "x"}]}',
        '{"changes": [{"do":"retire","id":"a","replaced_by":"b","why":""}, {"do":"retire","id":"b","why":""}]}',
    ],
)
def test_a_proposal_that_does_not_fit_is_refused(answer):
    with pytest.raises(ValueError, match="the model"):
        proposed(answer, {"a", "b"})


def desk(settings):
    retry = Retry(max_attempts=3, backoff=Backoff(initial=5))
    base = Processor(name="answer", group_id="t.answer", handler="x:y", topics=("asked",), memory="main", retry=retry)
    tidy = replace(base, name="tidy", group_id="t.tidy", topics=("tidy",), settings={"agent": "answer", **settings})
    topics = {name: Topic(name=name, partitions=1) for name in ("asked", "tidy")}
    memory = {"main": SqliteMemory(type="sqlite", name="main")}
    return Topology(name="t", topics=topics, processors={"answer": base, "tidy": tidy}, memory=memory)


async def answer(event, ctx):
    await ctx.memory.remember(event.data)


async def remembered(app):
    found = await app.memories["main"].notes(Scope("", "answer", "c1"))
    return {note.text: note for note in sorted(found, key=lambda one: one.retired, reverse=True)}


def test_the_rules_run_as_a_processor_and_every_note_keeps_its_story():
    async def scenario(app):
        for text in ("city: Oslo", "city: Bergen"):
            await app.send("asked", text, key="c1")
            await app.settled()
        await app.send("tidy", None, key="c1")
        await app.settled()
        notes = await remembered(app)
        assert not notes["city: Bergen"].retired
        oslo = notes["city: Oslo"]
        assert (oslo.retired, oslo.replaced_by) == (True, notes["city: Bergen"].id)
        (change,) = oslo.changes
        assert change.why == "superseded by what was said later of 'city'"
        assert change.run_id == app.attempts[-1].run_id

    run_topology(desk({}), scenario, handlers={"answer": answer, "tidy": consolidate})


def model(*answers):
    """A client whose model gives these answers, one after the other: a status, or the text of a message."""
    left = list(answers)

    def respond(request: httpx.Request) -> httpx.Response:
        one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(one, int):
            return httpx.Response(one, headers={"retry-after": "7"})
        asked = json.loads(json.loads(request.content)["messages"][1]["content"])
        ids = {note["text"]: note["id"] for note in asked}
        for text, note_id in ids.items():
            one = one.replace(f"<{text}>", note_id)
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        return httpx.Response(200, json={"choices": [{"message": {"content": one}}], "usage": usage})

    client = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    return lambda: client


MERGE = """```json
{"changes": [{"do": "merge", "ids": ["<a>", "<b>"], "text": "a and b", "importance": 0.9, "why": "x"}]}
```"""


def test_a_model_merges_after_it_was_busy():
    async def scenario(app):
        for text in ("a", "b"):
            await app.send("asked", text, key="c1")
        await app.settled()
        await app.send("tidy", None, key="c1")
        await app.settled()
        notes = await remembered(app)
        assert {text: note.retired for text, note in notes.items()} == {"a": True, "b": True, "a and b": False}
        assert notes["a"].replaced_by == notes["a and b"].id
        tidied = [report for report in app.attempts if report.processor == "tidy"]
        assert [report.outcome for report in tidied] == ["deferred", "done"]
        assert tidied[-1].usage[0].tokens_in == 100

    settings = {"by": "model", "url": "http://model/v1", "model": "m"}
    handlers = {"answer": answer, "tidy": consolidate}
    run_topology(desk(settings), scenario, handlers=handlers, http=model(429, MERGE))


def test_a_model_that_talks_nonsense_ends_in_the_dead_letter_topic_and_changes_nothing():
    async def scenario(app):
        for text in ("a", "b"):
            await app.send("asked", text, key="c1")
        await app.settled()
        await app.send("tidy", None, key="c1")
        await app.settled()
        assert {text: note.retired for text, note in (await remembered(app)).items()} == {"a": False, "b": False}
        (letter,) = app.dead_letters("tidy")
        assert letter.header("penstock-reason") == b"exhausted"

    settings = {"by": "model", "url": "http://model/v1", "model": "m"}
    handlers = {"answer": answer, "tidy": consolidate}
    run_topology(desk(settings), scenario, handlers=handlers, http=model("sure, done!"))
