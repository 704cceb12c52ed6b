"""What is fed to the desk: tickets made here, always the same ones, or the rows of a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.errors import PenstockError

CUSTOMERS: Final = 600  # the tickets of one wait for each other: fewer customers, fewer runs at once
BROKEN: Final = "voucher code"  # the model refuses tickets with these words, until the cause is fixed

_OPENINGS: Final = ("Hello,", "Hi there,", "Good morning,", "Please help:", "A short question:")
_MATTERS: Final = (
    "my card payment of {amount} at {place} was declined, why?",
    "the transfer of {amount} to {place} has not reached the recipient yet.",
    "I topped up {amount} at {place} and my balance does not show it.",
    "the cash machine at {place} gave me less than the {amount} I asked for.",
    "which exchange rate did you take for the {amount} I paid in {place}?",
    "{place} promised a refund of {amount}, and it does not show up.",
    "how do I prove my identity to send {amount} to {place}?",
    "my PIN is blocked and I have to pay {amount} at {place} today.",
    "I lost my card near {place}, and somebody paid {amount} with it!",
    "when does the new card arrive? The old one failed at {place} for {amount}.",
)
_PLACES: Final = ("Porto", "Ghent", "Turku", "Brno", "Graz", "Cork", "Malaga", "Tartu", "Split", "Aarhus", "Varna")


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket. `area` is the right one where it is known, which only a file with categories can say."""

    id: str
    customer: str
    text: str
    area: str | None = None

    def data(self) -> dict[str, str]:
        """As it travels: the data of `ticket.created`."""
        return {"ticket_id": self.id, "customer_id": self.customer, "text": self.text, "channel": "app"}


def generated(run: str, count: int, broken: int = 0) -> tuple[Ticket, ...]:
    """`count` different tickets of 600 customers, `broken` of them, spread evenly, with the words no model takes."""
    spoiled = {(2 * place + 1) * count // (2 * broken) for place in range(broken)}
    return tuple(
        Ticket(f"{run}-{number:04}", _customer(number), _broken(number) if number in spoiled else _text(number))
        for number in range(count)
    )


def from_csv(path: Path, run: str) -> tuple[tuple[Ticket, ...], int]:
    """A ticket for each row, and how many rows had no text. Columns: `text`, and `category` where there is one.

    Raises PenstockError.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = tuple(_rows(csv.DictReader(file), run))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PenstockError(f"{path} cannot be read: {error}", "give a CSV file, in UTF-8") from error
    found = tuple(ticket for ticket in rows if ticket.text)
    if not found:
        raise PenstockError(f"{path} holds no tickets", "one row a ticket, under a column `text`")
    return found, len(rows) - len(found)


def _rows(reader: csv.DictReader[str], run: str) -> Iterator[Ticket]:
    names = reader.fieldnames or ()
    if "text" not in names:
        raise PenstockError(f"the file has no column `text`; it has {', '.join(names) or 'none'}")
    for number, row in enumerate(reader):
        yield Ticket(
            f"{run}-{number:04}", _customer(number), (row["text"] or "").strip(), right_area(row.get("category"))
        )


def right_area(category: str | None) -> str | None:
    """The desk's area of a category: an intent of the known data set, or an area's own name; else None."""
    from processors.areas import AREAS
    from processors.mapping import AREA_OF_INTENT

    if category is None or category in AREAS:
        return category
    return AREA_OF_INTENT.get(category)


def spread_evenly(tickets: Sequence[Ticket], partitions: int, each: int) -> tuple[Ticket, ...]:
    """The first tickets of which, by their keys, exactly `each` land in every partition."""
    import random

    from penstock.broker.in_memory.partitioner import partition_for

    chance = random.Random(0)  # noqa: S311 - never asked: every ticket has a key
    found: dict[int, list[Ticket]] = {number: [] for number in range(partitions)}
    for ticket in tickets:
        place = found[partition_for(ticket.customer.encode(), partitions, chance)]
        if len(place) < each:
            place.append(ticket)
    return tuple(ticket for place in found.values() for ticket in place)


def _customer(number: int) -> str:
    return f"customer-{number * 7 % CUSTOMERS:03}"


def _text(number: int) -> str:
    matter = _MATTERS[number % len(_MATTERS)].format(
        amount=f"{5 + number * 37 % 990}.{number % 100:02} EUR", place=_PLACES[number * 3 % len(_PLACES)]
    )
    return f"{_OPENINGS[number * 11 % 7 % len(_OPENINGS)]} {matter} (My note {number + 1}.)"


def _broken(number: int) -> str:
    return f"I got a {BROKEN} over {10 + number % 90} EUR with my card. Where do I type it in? (My note {number + 1}.)"
