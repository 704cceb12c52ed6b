"""What travels between the agents: the data of each event type, as its handler sees it."""

from __future__ import annotations

from typing import TypedDict


class Ticket(TypedDict):
    """Data of `ticket.created`; see schemas/ticket.created.avsc."""

    ticket_id: str
    customer_id: str
    text: str
    channel: str
    language: str | None


class Triaged(TypedDict):
    """Data of `ticket.triaged`; see schemas/ticket.triaged.avsc."""

    ticket_id: str
    customer_id: str
    text: str
    area: str
    urgency: str
    confidence: float
    needs_people: bool
    triaged_by: str


class Answered(TypedDict):
    """Data of `ticket.answered`: a draft, and the article it rests on."""

    ticket_id: str
    customer_id: str
    reply: str
    article: str


class Escalated(TypedDict):
    """Data of `ticket.escalated`: a ticket for people, and why."""

    ticket_id: str
    customer_id: str
    text: str
    area: str
    urgency: str
    reason: str


def handed_over(ticket: Triaged, reason: str) -> Escalated:
    """The ticket as people get it."""
    return {
        "ticket_id": ticket["ticket_id"],
        "customer_id": ticket["customer_id"],
        "text": ticket["text"],
        "area": ticket["area"],
        "urgency": ticket["urgency"],
        "reason": reason,
    }
