"""Triage: which area a ticket belongs to, how urgent it is, and whether people should look at it."""

from __future__ import annotations

import json

from penstock import Context, Event
from processors import areas, model
from processors.tickets import Ticket, Triaged

INSTRUCTIONS = f"""You triage tickets at the support desk of a bank. Areas:
{chr(10).join(f"- {area}: {about}" for area, about in areas.AREAS.items())}
Urgency is one of {", ".join(areas.URGENCIES)}; high where money or safety is at stake.
Answer with nothing but a JSON object: {{"area": ..., "urgency": ..., "confidence": 0 to 1}}."""


async def triage(event: Event[Ticket], ctx: Context) -> Triaged:
    """Ask the model, or the rules where no model is set. The result goes to tickets.triaged."""
    ticket = event.data
    text = ticket["text"]
    if model.configured():
        area, urgency, confidence = verdict(await model.ask(ctx, INSTRUCTIONS, text))
        triaged_by = model.name()
    else:
        area, confidence = areas.area_of(text)
        urgency, triaged_by = areas.urgency_of(text), "rules"
    ctx.log.info("%s: %s, %s (%.2f by %s)", ticket["ticket_id"], area, urgency, confidence, triaged_by)
    return {
        "ticket_id": ticket["ticket_id"],
        "customer_id": ticket["customer_id"],
        "text": text,
        "area": area,
        "urgency": urgency,
        "confidence": confidence,
        "needs_people": urgency == "high" or confidence < float(ctx.settings.get("confident_from", 0.6)),
        "triaged_by": triaged_by,
    }


def verdict(answer: str) -> tuple[str, str, float]:
    """Area, urgency and confidence from the model's answer, which may wrap its JSON in words. Else ValueError."""
    found = json.loads(answer[answer.index("{") : answer.rindex("}") + 1])
    area, urgency, confidence = found.get("area"), found.get("urgency"), found.get("confidence")
    if area not in tuple(areas.AREAS) or urgency not in areas.URGENCIES:
        raise ValueError(f"the model named an area or urgency that the desk does not have: {area}, {urgency}")
    if not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise ValueError(f"the model's confidence is not between 0 and 1: {confidence}")
    return area, urgency, float(confidence)
