"""A pipeline of three steps; only the middle one asks a model, so only it needs patience."""

from __future__ import annotations

from typing import Any

from penstock import Context, Event, Reject


async def clean(event: Event[dict[str, Any]]) -> dict[str, Any]:
    """Trim the text. A note without words never becomes one: it goes to the dead letter topic."""
    text = " ".join(str(event.data.get("text", "")).split())
    if not text:
        raise Reject("the note has no words")
    return {"text": text}


async def summarize(event: Event[dict[str, Any]], ctx: Context) -> dict[str, Any]:
    """The first five words; an agent in real life."""
    async with ctx.step("summarize"):
        words = event.data["text"].split()
        return {"text": event.data["text"], "summary": " ".join(words[:5])}


async def file(event: Event[dict[str, Any]]) -> dict[str, Any]:
    """Say where it belongs."""
    return {**event.data, "drawer": "urgent" if "urgent" in event.data["text"].lower() else "later"}
