"""The agents of the drill, in four releases: 6 works, 7 is the bad deploy, 8 mends two of its causes, 9 all of them."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from penstock import Context, Event, Reject

RELEASE = int(os.environ["DESK_RELEASE"])
TIERS = {"basic": "normal", "plus": "high"} | ({} if RELEASE == 7 else {"gold": "high"})


async def triage(event: Event[Any], ctx: Context) -> dict[str, Any]:
    """How urgent a ticket is; since release 7 by the customer's tier and the amount."""
    ticket = event.data
    async with ctx.step("classify"):
        await asyncio.sleep(0.02)
        ctx.usage.add("small-1", tokens_in=220, tokens_out=12, cost=0.0004)
    if RELEASE < 7:
        return {**ticket, "urgency": "normal", "amount": 0.0}
    if ticket["language"] == "da" and RELEASE < 9:
        raise Reject("there is no Danish desk")
    return {**ticket, "urgency": TIERS[ticket["tier"]], "amount": amount_of(ticket["amount"])}


def amount_of(text: str) -> float:
    """What a customer wrote as an amount; half of Europe writes 1.250,00."""
    if RELEASE > 7 and "," in text:
        text = text.replace(".", "").replace(",", ".")
    return float(text)


async def answer(event: Event[Any], ctx: Context) -> dict[str, Any]:
    """A reply."""
    async with ctx.step("write"):
        await asyncio.sleep(0.03)
        ctx.usage.add("large-1", tokens_in=900, tokens_out=180, cost=0.0071)
    return {"ticket_id": event.data["ticket_id"], "reply": "Dear customer"}
