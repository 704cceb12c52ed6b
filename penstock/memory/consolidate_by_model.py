"""Consolidation by a model behind an OpenAI-compatible endpoint: it proposes, and only what fits is done.

Settings: `url` (up to and with `/v1`), `model`, `api_key_env` (the variable that holds the key). A rate limit or an
overload defers the run; every other failure, a proposal that does not fit too, is a failed attempt.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

import orjson

from penstock.context import Context
from penstock.contracts import Note
from penstock.memory.consolidation import Change, Merge, Retire
from penstock.signals import Defer

_ASKED: Final = """\
You tidy the notes an assistant keeps. Notes may say the same, contradict each other, or be of no use.
Answer with JSON alone: {"changes": [...]}, each change one of
{"do": "merge", "ids": [two or more ids], "text": "one note that says all", "importance": 0.1 to 1, "why": "..."}
{"do": "retire", "id": "...", "replaced_by": "id of the note that holds instead, or null", "why": "..."}
Use only ids of the list, each at most once as what goes. Leave good notes alone. No changes: {"changes": []}."""
_BUSY: Final = (429, 503, 529)
_PATIENCE: Final = 30.0  # seconds, where the provider names none


async def changes_by_model(notes: Sequence[Note], ctx: Context) -> list[Change]:
    """What the model proposes for these notes. Raises Defer, httpx.HTTPError, ValueError."""
    if len(notes) < 2:
        return []
    settings = ctx.settings
    listed = [{"id": one.id, "text": one.text, "importance": one.importance, "updated": one.updated} for one in notes]
    body = {
        "model": settings["model"],
        "messages": [
            {"role": "system", "content": _ASKED},
            {"role": "user", "content": orjson.dumps(listed).decode()},
        ],
        "temperature": 0,
    }
    key = os.environ.get(settings.get("api_key_env", "OPENAI_API_KEY"), "")
    url = f"{str(settings['url']).rstrip('/')}/chat/completions"
    answer = await ctx.http.post(url, json=body, headers={"authorization": f"Bearer {key}"} if key else {})
    if answer.status_code in _BUSY:
        said = answer.headers.get("retry-after", "")
        raise Defer(f"the model is busy: {answer.status_code}", after=float(said) if said.isdigit() else _PATIENCE)
    answer.raise_for_status()
    found = answer.json()
    used = found.get("usage") or {}
    ctx.usage.add(
        str(settings["model"]),
        tokens_in=used.get("prompt_tokens", 0),
        tokens_out=used.get("completion_tokens", 0),
    )
    return proposed(found["choices"][0]["message"]["content"], {note.id for note in notes})


def proposed(text: str, known: set[str]) -> list[Change]:
    """The changes in a model's answer. Raises ValueError for what is no JSON, names unknown notes, or one twice."""
    start, end = text.find("{"), text.rfind("}")  # models like to put a fence around it
    try:
        said = orjson.loads(text[start : end + 1])["changes"]
        changes = [_change(one) for one in said]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"the model's answer is no list of changes: {text[:200]!r}") from error
    gone = [note_id for change in changes for note_id in _gone(change)]
    named = [change.replaced_by for change in changes if isinstance(change, Retire) and change.replaced_by]
    if unknown := sorted({*gone, *named} - known):
        raise ValueError(f"the model names notes that are not there: {', '.join(unknown)}")
    if len(gone) != len(set(gone)) or set(named) & set(gone):
        raise ValueError("the model lets a note go twice, or puts one that goes in another's place")
    return changes


def _change(said: Any) -> Change:
    if said["do"] == "merge" and len(said["ids"]) > 1:
        importance = min(max(float(said["importance"]), 0.01), 1.0)
        return Merge(tuple(map(str, said["ids"])), str(said["text"]), importance, f"merged: {said['why']}")
    if said["do"] == "retire":
        return Retire(str(said["id"]), str(said["why"]), said.get("replaced_by") or None)
    raise KeyError(said["do"])


def _gone(change: Change) -> Sequence[str]:
    return change.note_ids if isinstance(change, Merge) else (change.note_id,)
