"""A note that stands in OmniMemory's store stays there: between a delete and an add a worker can die."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from penstock.contracts import Note, Scope
from penstock.memory.omnimemory import OmniMemoryIndex

SCOPE = Scope("t", "desk", "c")


class Store:
    """What the index asks of OmniMemory's store, which keeps the old one where an id comes again."""

    def __init__(self):
        self.kept = {}
        self.deleted = []

    async def query_by_id(self, app, place):
        return self.kept.get((app, place))

    async def delete_from_collection(self, app, place):
        self.deleted.append(place)
        self.kept.pop((app, place), None)
        return True

    async def add_to_collection(self, app, place, text, vector, metadata):
        self.kept.setdefault((app, place), {"document": text, "metadata": dict(metadata)})
        return True


def put(*notes):
    """The store after these were put in one after the other."""
    index = OmniMemoryIndex("app")
    index._store = Store()

    async def main():
        for note in notes:
            await index.put([(SCOPE, note)])

    asyncio.run(main())
    return index._store


def note(text):
    return Note(id="n", text=text, importance=0.5, created=0.0, updated=0.0, version="run", vector=(1.0, 0.0))


def test_the_same_note_is_not_touched():
    assert put(note("a"), note("a")).deleted == []


def test_a_changed_note_takes_the_place_of_the_old_one():
    store = put(note("a"), replace(note("b"), updated=1.0))
    assert store.kept["app-2", "n"]["document"] == "b"
    assert store.deleted == ["n"]


def test_a_retired_note_takes_the_place_of_the_old_one():
    store = put(note("a"), replace(note("a"), retired=True))
    assert store.kept["app-2", "n"]["metadata"]["status"] == "retired"
