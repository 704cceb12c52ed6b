"""A saga: steps that are done, and undone where a later one cannot be. Undoing is an event too: it retries like one."""

from __future__ import annotations

from typing import Any

from penstock import Context, Event

FULL = "Atlantis"


async def flight(event: Event[dict[str, Any]], ctx: Context) -> dict[str, Any]:
    """Book the flight; `ctx.run_id` names the booking, so that a repeated run books it once."""
    return {**event.data, "flight": f"F-{ctx.run_id[:8]}"}


async def hotel(event: Event[dict[str, Any]], ctx: Context) -> dict[str, Any] | None:
    """Book the hotel. One that is full will not have a room next time either: undo what was done."""
    if event.data["city"] == FULL:
        ctx.emit("trips.undone", {**event.data, "why": "no hotel has a room"})
        return None
    return {**event.data, "hotel": f"H-{ctx.run_id[:8]}"}


async def undo(event: Event[dict[str, Any]]) -> dict[str, Any]:
    """Give the flight back. Fails and retries like any step; its dead letters are what people must look at."""
    return {"trip": event.data["trip"], "given_back": event.data["flight"], "why": event.data["why"]}
