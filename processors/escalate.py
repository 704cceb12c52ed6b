"""Escalate: hands urgent and doubtful tickets to people. A plain function: it waits for nothing."""

from __future__ import annotations

from penstock import Event, Skip
from processors.tickets import Escalated, Triaged, handed_over


def escalate(event: Event[Triaged]) -> Escalated | Skip:
    """The ticket for tickets.escalated, and why it needs people."""
    ticket = event.data
    if not ticket["needs_people"]:
        return Skip("for answer")
    return handed_over(ticket, "urgent" if ticket["urgency"] == "high" else "triage was not sure")
