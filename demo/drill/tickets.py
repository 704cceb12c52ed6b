"""The tickets of the drill: 5,000, of which the bad deploy gives up 500 from three causes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

BEFORE: Final = 1000  # sent to the release that works
DURING: Final = 3000  # sent to the bad one; all that it breaks is among them
AFTER: Final = 1000  # healthy traffic that goes on while somebody mends
CAUSES: Final = {"tier": 260, "amount": 160, "language": 80}
BROKEN: Final = sum(CAUSES.values())
ALL: Final = BEFORE + DURING + AFTER
_WORST: Final = {"tier": "gold", "amount": "1.250,00", "language": "da"}


def lines() -> tuple[str, str, str]:
    """Three files of JSON lines: before, during and after."""
    made = list(_tickets())
    cut = (made[:BEFORE], made[BEFORE : BEFORE + DURING], made[BEFORE + DURING :])
    before, during, after = ("".join(f"{json.dumps(one)}\n" for one in part) for part in cut)
    return before, during, after


def _tickets() -> Iterator[dict[str, str]]:
    spoiled = [cause for cause, count in CAUSES.items() for _ in range(count)]
    # Spread evenly, and the causes among each other: every sixth of the tickets sent during the bad release.
    places = {BEFORE + number * DURING // BROKEN: spoiled[number * 7 % BROKEN] for number in range(BROKEN)}
    for number in range(ALL):
        ticket = {
            "ticket_id": f"t-{number:04}",
            "customer_id": f"c-{number % 900}",
            "tier": "plus" if number % 5 == 0 else "basic",
            "amount": f"{number % 400}.00",
            "language": "en",
            "text": "my card was declined",
        }
        if number in places:
            ticket[places[number]] = _WORST[places[number]]
        yield ticket
