"""A human approval by topic: nothing waits in a process for a person, who may take days, and workers come and go."""

from __future__ import annotations

from typing import Any

from penstock import Context, Event, Skip


async def propose(event: Event[dict[str, Any]], ctx: Context) -> dict[str, Any] | None:
    """Ask for an answer; or give it at once where the sum is small. The proposal carries all that the deed needs."""
    proposal = {"refund": event.data["refund"], "amount": event.data["amount"], "reason": "looks right"}
    if proposal["amount"] < ctx.settings["free_below"]:
        ctx.emit("refunds.answered", {**proposal, "approved": True, "by": "the rule for small sums"})
        return None
    return proposal


async def act(event: Event[dict[str, Any]], ctx: Context) -> dict[str, Any]:
    """Pay what was approved. `ctx.run_id` is the key to hand to the bank, so that a repeated run pays once."""
    if not event.data["approved"]:
        raise Skip(f"declined by {event.data['by']}")
    return {"refund": event.data["refund"], "amount": event.data["amount"], "payment": ctx.run_id}
