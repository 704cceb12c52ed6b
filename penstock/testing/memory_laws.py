"""The laws of a memory backend, one function each: hold any kind to each of LAWS, on a store that is still empty.

@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_it_keeps(law):
    asyncio.run(law(opened_backend))
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from penstock.contracts import Note, NoteChange, Scope
from penstock.errors import MemoryConflict
from penstock.memory.contract import HISTORY, NOTE, VALUE, Backend, Item, NewTurn, NewValue, Writes

Law = Callable[[Backend], Awaitable[None]]
NOW: Final = 1_700_000_000.0
FOREVER: Final = NOW + 10_000_000


def new_scope(**parts: str) -> Scope:
    """A scope that nobody has used."""
    return Scope(parts.get("tenant", "acme"), parts.get("agent", "desk"), parts.get("conversation", str(uuid4())))


def writes(scope: Scope, run_id: str = "", **parts: Any) -> Writes:
    """Writes of one run on one scope: `values` by name, `turns` as texts, `notes` as Notes, `read` by item."""
    values: Mapping[str, NewValue] = parts.get("values", {})
    turns: Sequence[bytes] = parts.get("turns", ())
    notes: Sequence[Note] = parts.get("notes", ())
    return Writes(
        run_id=run_id or str(uuid4()),
        scope=scope,
        at=parts.get("at", NOW),
        emitted=parts.get("emitted", b"[]"),
        fence_expires=parts.get("fence_expires", FOREVER),
        read=parts.get("read", {}),
        values={(scope, name): value for name, value in values.items()},
        turns={scope: [NewTurn(body, len(body)) for body in turns]} if turns else {},
        notes={(scope, note.id): note for note in notes},
    )


def a_note(text: str, vector: Sequence[float], run_id: str = "r", **parts: Any) -> Note:
    """A note."""
    return Note(
        id=str(uuid4()),
        text=text,
        importance=0.5,
        created=NOW,
        updated=NOW,
        version=run_id,
        vector=tuple(vector),
        **parts,
    )


async def refuses(backend: Backend, refused: Writes) -> None:
    """Assert a conflict that leaves nothing behind."""
    try:
        await backend.apply(refused)
    except MemoryConflict:
        assert await backend.fence(refused.run_id, NOW) is None
    else:
        raise AssertionError("a change since it was read went unnoticed")


async def values_are_kept_with_their_version(backend: Backend) -> None:
    """And deleted, and replaced."""
    scope = new_scope()
    await backend.apply(writes(scope, "one", values={"a": NewValue(b'{"x": 1}'), "b": NewValue(b"2", FOREVER)}))
    await backend.apply(writes(scope, "two", values={"b": NewValue(None), "c": NewValue(b"3")}))

    found = await backend.values(scope, NOW)

    assert {name: (value.body, value.version) for name, value in found.items()} == {
        "a": (b'{"x": 1}', "one"),
        "c": (b"3", "two"),
    }
    assert await backend.value(scope, "a", NOW) == found["a"]
    assert await backend.value(scope, "b", NOW) is None


async def a_run_is_applied_once(backend: Backend) -> None:
    """The second time it is told what the first one emitted."""
    scope, run_id = new_scope(), str(uuid4())
    assert await backend.fence(run_id, NOW) is None

    first = await backend.apply(writes(scope, run_id, turns=[b"1"], emitted=b'["first"]'))
    again = await backend.apply(writes(scope, run_id, turns=[b"2"], emitted=b'["second"]'))

    assert (first, again) == (None, b'["first"]')
    assert await backend.fence(run_id, NOW) == b'["first"]'
    assert [turn.body for turn in await backend.turns(scope)] == [b"1"]


async def a_changed_value_is_a_conflict(backend: Backend) -> None:
    """Also where it appeared, or went and came back."""
    scope = new_scope()
    item = Item(scope, VALUE, "n")
    await backend.apply(writes(scope, "one", values={"n": NewValue(b"1")}))
    stale: dict[str, Any] = {"values": {"n": NewValue(b"9")}, "turns": [b"left behind"]}

    await refuses(backend, writes(scope, read={item: ""}, **stale))
    await backend.apply(writes(scope, "two", values={"n": NewValue(b"2")}, read={item: "one"}))
    await refuses(backend, writes(scope, read={item: "one"}, **stale))
    await backend.apply(writes(scope, "three", values={"n": NewValue(None)}))
    await backend.apply(writes(scope, "four", values={"n": NewValue(b"2")}))
    await refuses(backend, writes(scope, read={item: "two"}, **stale))

    assert (await backend.values(scope, NOW))["n"].body == b"2"
    assert await backend.turns(scope) == []


async def a_changed_history_or_note_is_a_conflict(backend: Backend) -> None:
    """Each has its own version."""
    scope = new_scope()
    note = a_note("blue", [1, 0], "one")
    await backend.apply(writes(scope, "one", turns=[b"1", b"2"], notes=[note]))
    history, kept = Item(scope, HISTORY, ""), Item(scope, NOTE, note.id)

    await refuses(backend, writes(scope, turns=[b"x"], read={history: "1"}))
    await refuses(backend, writes(scope, turns=[b"x"], read={history: ""}))
    await refuses(backend, writes(scope, notes=[note], read={kept: "another"}))
    await backend.apply(writes(scope, "two", turns=[b"3"], notes=[note], read={history: "2", kept: "one"}))

    assert [turn.body for turn in await backend.turns(scope)] == [b"3", b"2", b"1"]


async def writes_that_read_nothing_never_conflict(backend: Backend) -> None:
    """Two runs that only append both stay."""
    scope = new_scope()
    await asyncio.gather(*(backend.apply(writes(scope, turns=[b"%d" % index])) for index in range(20)))

    found = await backend.turns(scope, limit=50)

    assert [turn.number for turn in found] == list(range(20, 0, -1))
    assert {turn.body for turn in found} == {b"%d" % index for index in range(20)}


async def no_update_is_lost(backend: Backend) -> None:
    """Ten runs count up one value five times each, all at once: a conflict is tried again."""
    scope = new_scope()

    async def count_up() -> None:
        while True:
            found = await backend.value(scope, "n", NOW)
            more = NewValue(b"%d" % (int(found.body if found else b"0") + 1))
            read = {Item(scope, VALUE, "n"): found.version if found else ""}
            try:
                await backend.apply(writes(scope, values={"n": more}, read=read))
            except MemoryConflict:
                continue
            return

    async def five_times() -> None:
        for _ in range(5):
            await count_up()

    await asyncio.gather(*(five_times() for _ in range(10)))

    found = await backend.value(scope, "n", NOW)
    assert found is not None
    assert found.body == b"50"


async def what_has_expired_is_absent(backend: Backend) -> None:
    """Values and fences; to a writer too."""
    scope = new_scope()
    item = Item(scope, VALUE, "short")
    until: dict[str, Any] = {"values": {"short": NewValue(b"1", NOW + 10)}, "fence_expires": NOW + 10}
    await backend.apply(writes(scope, "brief", **until))

    assert await backend.value(scope, "short", NOW + 9) is not None
    assert await backend.value(scope, "short", NOW + 10) is None
    assert await backend.values(scope, NOW + 11) == {}
    assert await backend.fence("brief", NOW + 9) is not None
    assert await backend.fence("brief", NOW + 10) is None
    await backend.apply(writes(scope, "brief", at=NOW + 11, values={"short": NewValue(b"2")}, read={item: ""}))
    found = await backend.value(scope, "short", NOW + 12)
    assert found is not None
    assert found.body == b"2"


async def a_history_is_read_backwards_in_pages(backend: Backend) -> None:
    """Newest first, numbers from 1."""
    scope = new_scope()
    await backend.apply(writes(scope, turns=[b"%d" % number for number in range(1, 8)]))

    first = await backend.turns(scope, limit=3)
    rest = await backend.turns(scope, before=first[-1].number, limit=10)

    assert [(turn.number, turn.body, turn.tokens) for turn in first] == [(7, b"7", 1), (6, b"6", 1), (5, b"5", 1)]
    assert [turn.number for turn in rest] == [4, 3, 2, 1]
    assert await backend.turns(scope, before=1) == []


async def the_nearest_notes_come_first(backend: Backend) -> None:
    """By cosine; retired ones and those of another embedding do not come at all."""
    scope = new_scope()
    near, far = a_note("near", [1, 0.1, 0], "a"), a_note("far", [0, 1, 0], "a")
    others = [a_note("retired", [1, 0, 0], "a", retired=True), a_note("another embedding", [1, 0], "a")]
    await backend.apply(writes(scope, "a", notes=[far, near, *others]))
    await backend.apply(writes(new_scope(), "elsewhere-" + scope.conversation, notes=[a_note("not ours", [1, 0, 0])]))

    found = await backend.nearest(scope, [1, 0, 0], 10)

    assert [note.text for note in found] == ["near", "far"]
    assert abs(found[0].score - 0.995) < 0.001
    assert abs(found[1].score) < 0.001
    assert [note.text for note in await backend.nearest(scope, [0, 1, 0], 1)] == ["far"]


async def a_note_keeps_all_that_is_known_of_it(backend: Backend) -> None:
    """Every field, and its changes; another version replaces it."""
    scope = new_scope()
    change = NoteChange(NOW, "r0", "the customer moved", "lives in Oslo", 0.25)
    note = a_note("lives in Bergen", [0.5, -0.25], "one", replaced_by="x", retired=True, changes=(change,))
    await backend.apply(writes(scope, "one", notes=[note]))

    assert await backend.note(scope, note.id) == note
    assert await backend.notes(scope) == [note]
    assert await backend.note(scope, "absent") is None


async def scopes_do_not_mix(backend: Backend) -> None:
    """Whatever characters they hold; parts that look alike when joined are still two scopes."""
    one, other = new_scope(tenant="a/b", agent='c"%'), new_scope(tenant="a", agent='b/c"%')
    wide = Scope("tenant-" + one.conversation, "", "")
    odd = new_scope(tenant="", agent="x", conversation="it's :{ü} \\ 日本 " + one.conversation)
    for scope in (one, other, wide, odd):
        await backend.apply(writes(scope, values={"na'me": NewValue(b"1")}, turns=[b'"t"']))

    assert {one, other, wide, odd} <= set(await backend.scopes())
    for scope in (one, other, wide, odd):
        assert list(await backend.values(scope, NOW)) == ["na'me"]
        assert len(await backend.turns(scope)) == 1


async def forgetting_takes_one_scope_and_nothing_else(backend: Backend) -> None:
    """Its fences too, since they hold what was answered."""
    gone, kept = new_scope(), new_scope()
    for scope, run_id in ((gone, f"g-{gone.conversation}"), (kept, f"k-{kept.conversation}")):
        note = a_note("likes tea", [1, 0], run_id)
        await backend.apply(writes(scope, run_id, values={"a": NewValue(b"1")}, turns=[b"1", b"2"], notes=[note]))

    assert tuple(await backend.forget(gone)) == (1, 2, 1, 1)
    assert tuple(await backend.forget(gone)) == (0, 0, 0, 0)

    assert (await backend.values(gone, NOW), await backend.turns(gone), await backend.notes(gone)) == ({}, [], [])
    assert await backend.nearest(gone, [1, 0], 5) == []
    assert await backend.fence(f"g-{gone.conversation}", NOW) is None
    assert await backend.fence(f"k-{kept.conversation}", NOW) == b"[]"
    assert len(await backend.turns(kept)) == 2
    assert len(await backend.nearest(kept, [1, 0], 5)) == 1
    assert gone not in await backend.scopes()


LAWS: Final[tuple[Law, ...]] = (
    values_are_kept_with_their_version,
    a_run_is_applied_once,
    a_changed_value_is_a_conflict,
    a_changed_history_or_note_is_a_conflict,
    writes_that_read_nothing_never_conflict,
    no_update_is_lost,
    what_has_expired_is_absent,
    a_history_is_read_backwards_in_pages,
    the_nearest_notes_come_first,
    a_note_keeps_all_that_is_known_of_it,
    scopes_do_not_mix,
    forgetting_takes_one_scope_and_nothing_else,
)
