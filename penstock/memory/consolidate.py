"""A processor that tidies the notes of a scope: merges, supersedes, lets fade. Each note keeps what it was, and why.

    processors:
      tidy:
        handler: penstock.memory.consolidate:consolidate
        topics: [memory.tidy]           # the key of an event is the conversation; without a key: all of the agent's
        memory: main
        settings: { agent: answer }     # whose notes; `by: model` asks a model, see consolidate_by_model

It is a processor like any other: what it writes is committed with the run, and what fails is retried and dead-lettered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from penstock.context import Context
from penstock.contracts import Memory, Note
from penstock.event import Event
from penstock.memory.consolidate_by_model import changes_by_model
from penstock.memory.consolidation import Change, Merge, Retire
from penstock.memory.notes import cosine

ALIKE: Final = 0.93  # cosine from which on two notes say the same
FORGET_BELOW: Final = 0.02  # importance times recency
HALF_LIFE: Final = 30 * 86_400.0


async def consolidate(event: Event[Any], ctx: Context) -> None:
    """Tidy the notes of one scope.

    Settings: `agent`, `by` (rules or model); of the rules `alike`, `forget_below` and `half_life` (seconds).
    """
    settings = ctx.settings
    memory = ctx.memory.at(agent=settings.get("agent"), conversation=str(event.key or ""))
    notes = await memory.notes()
    if settings.get("by", "rules") == "model":
        changes = await changes_by_model(notes, ctx)
    else:
        changes = list(changes_by_rules(notes, memory.now(), settings))
    for change in changes:
        await _make(memory, change)
    ctx.log.info("consolidated %d notes of %s: %d changes", len(notes), memory.scope, len(changes))


async def _make(memory: Memory, change: Change) -> None:
    if isinstance(change, Retire):
        await memory.retire(change.note_id, why=change.why, replaced_by=change.replaced_by)
        return
    replaced_by = await memory.remember(change.text, importance=change.importance)
    for note_id in change.note_ids:
        await memory.retire(note_id, why=change.why, replaced_by=replaced_by)


def changes_by_rules(notes: Sequence[Note], now: float, settings: Any) -> Iterator[Change]:
    """What three rules change, each note at most once.

    Supersede: of notes `subject: statement` with one subject the newest holds. Merge: notes nearer than `alike` become
    one, in the newest's words, and more important than each, since it was said again. Fade: importance times recency
    below `forget_below`.
    """
    left = sorted(notes, key=lambda note: (note.updated, note.id))
    for rule in (_superseded, _merged, _faded):
        changes = list(rule(left, now, settings))
        yield from changes
        gone = {note_id for change in changes for note_id in _touched(change)}
        left = [note for note in left if note.id not in gone]


def _touched(change: Change) -> Sequence[str]:
    return change.note_ids if isinstance(change, Merge) else (change.note_id,)


def _superseded(notes: Sequence[Note], _now: float, _settings: Any) -> Iterator[Change]:
    newest: dict[str, Note] = {}
    for note in notes:  # oldest first
        subject, colon, statement = note.text.partition(":")
        if not (colon and statement.strip()):
            continue
        older = newest.get(subject.strip().lower())
        if older is not None and older.text != note.text:
            yield Retire(older.id, f"superseded by what was said later of {subject.strip()!r}", note.id)
        newest[subject.strip().lower()] = note


def _merged(notes: Sequence[Note], _now: float, settings: Any) -> Iterator[Change]:
    alike = float(settings.get("alike", ALIKE))
    left = list(notes)
    while left:
        newest = left.pop()
        same = [note for note in left if len(note.vector) == len(newest.vector)]
        same = [note for note in same if note.text == newest.text or cosine(note.vector, newest.vector) >= alike]
        if not same:
            continue
        left = [note for note in left if note not in same]
        doubt = 1.0
        for note in (newest, *same):
            doubt *= 1 - note.importance
        ids = tuple(note.id for note in (newest, *same))
        yield Merge(ids, newest.text, 1 - doubt, f"merged: {len(ids)} notes said the same")


def _faded(notes: Sequence[Note], now: float, settings: Any) -> Iterator[Change]:
    half_life = float(settings.get("half_life", HALF_LIFE))
    for note in notes:
        weight = note.importance / (1 + max(now - note.updated, 0.0) / half_life)
        if weight < float(settings.get("forget_below", FORGET_BELOW)):
            yield Retire(note.id, f"faded: importance {note.importance:g} became {weight:.3g} with age")
