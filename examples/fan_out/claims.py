"""Fan-out and fan-in: split a claim, ask every expert, and decide when all have spoken. Each step may run twice."""

from __future__ import annotations

from typing import Any

from penstock import Context, Event

EXPERTS = ("damage", "fraud", "price")


async def split(event: Event[dict[str, Any]], ctx: Context) -> None:
    """One event for each expert, under a key of its own."""
    claim = event.data["claim"]
    for expert in EXPERTS:
        ctx.emit("claims.parts", {"claim": claim, "expert": expert}, key=f"{claim}/{expert}")


async def expert(event: Event[dict[str, Any]], ctx: Context) -> None:
    """What one expert says; an agent in real life. The opinion goes back to the key of the claim."""
    claim, name = event.data["claim"], event.data["expert"]
    opinion = {"claim": claim, "expert": name, "fine": not (name == "fraud" and "suspicious" in claim)}
    ctx.emit("claims.opinions", opinion, key=claim)


async def join(event: Event[dict[str, Any]], ctx: Context) -> dict[str, Any] | None:
    """Remember the opinion; decide once all are in. A repeated opinion replaces itself, so it cannot decide twice."""
    claim = event.data["claim"]
    said = dict(await ctx.memory.get("opinions", {}))
    complete_before = len(said) == len(EXPERTS)
    said[event.data["expert"]] = event.data["fine"]
    await ctx.memory.put("opinions", said)
    if complete_before or len(said) < len(EXPERTS):
        return None
    return {"claim": claim, "granted": all(said.values())}
