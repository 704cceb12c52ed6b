"""The pager: an urgent ticket that needs people wakes whoever is on call, once, however often the event is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock import Context, Event, Retry, Skip
from penstock.extensions import SinkOptions, option


@dataclass(frozen=True, kw_only=True)
class PagerOptions(SinkOptions):
    """Whom to page, and when."""

    url: str = option("text", "Where pages are posted; empty: they are written to the log.", default="")
    urgency: str = option("text", "Only tickets of this urgency.", default="high")


class Pager:
    """Posts one page per run; the run's id is the key by which the other side knows a repeat."""

    Options = PagerOptions

    def __init__(self, options: PagerOptions) -> None:
        self._options = options

    async def __call__(self, event: Event[dict[str, Any]], ctx: Context) -> Skip | None:
        """Page, or skip what can wait until the morning."""
        ticket = event.data
        if ticket.get("urgency") != self._options.urgency:
            return Skip("not urgent")
        page = {"ticket": ticket["ticket_id"], "customer": ticket["customer_id"], "why": ticket.get("reason")}
        if not self._options.url:
            ctx.log.info("page the on-call: ticket %s", page["ticket"])
            return None
        answer = await ctx.http.post(self._options.url, json=page, headers={"Idempotency-Key": ctx.run_id}, timeout=10)
        if answer.is_error:
            raise Retry(f"the pager answered {answer.status_code}")
        return None
