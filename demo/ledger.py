"""The books: what became of every ticket, by what stands in the topics and by nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from demo.tickets import Ticket


@dataclass(slots=True)
class Account:
    """One ticket. Times are epoch milliseconds of the log; `ended` are drafts and hand-overs to people.

    `dead` counts its dead letters, `replayed` its replays: a ticket waits in a dead letter topic while dead > replayed.
    """

    sent: int | None = None
    partition: int = 0
    triaged: list[int] = field(default_factory=list)
    areas: set[str] = field(default_factory=set)
    ended: list[int] = field(default_factory=list)
    retries: int = 0
    dead: int = 0
    replayed: int = 0

    @property
    def waits(self) -> bool:
        """Whether it stands in a dead letter topic and nobody brought it home yet."""
        return self.dead > self.replayed


class Ledger:
    """The accounts of all tickets of one run; what belongs to others is not taken in."""

    def __init__(self, tickets: Iterable[Ticket]) -> None:
        self.tickets = {ticket.id: ticket for ticket in tickets}
        self.accounts = {id: Account() for id in self.tickets}

    @property
    def sent(self) -> int:
        """Tickets that the log has."""
        return sum(account.sent is not None for account in self.accounts.values())

    @property
    def triaged(self) -> int:
        """Tickets with a triage result."""
        return sum(bool(account.triaged) for account in self.accounts.values())

    @property
    def done(self) -> int:
        """Tickets that came to their end: an answer was drafted, or people have them."""
        return sum(bool(account.ended) for account in self.accounts.values())

    @property
    def retried(self) -> int:
        """Tickets that failed and stood in a retry topic."""
        return sum(account.retries > 0 for account in self.accounts.values())

    @property
    def recovered(self) -> int:
        """Of them, those that came to their end."""
        return sum(account.retries > 0 and bool(account.ended) for account in self.accounts.values())

    @property
    def dead_lettered(self) -> int:
        """Tickets that were given up at least once."""
        return sum(account.dead > 0 for account in self.accounts.values())

    @property
    def replayed(self) -> int:
        """Tickets that were replayed."""
        return sum(account.replayed > 0 for account in self.accounts.values())

    @property
    def waiting(self) -> int:
        """Tickets that stand in a dead letter topic now."""
        return sum(account.waits for account in self.accounts.values())

    @property
    def lost(self) -> tuple[str, ...]:
        """Tickets that are nowhere: neither at their end nor in a dead letter topic. Must be empty."""
        return tuple(id for id, account in self.accounts.items() if not account.ended and not account.waits)

    @property
    def twice(self) -> tuple[str, ...]:
        """Tickets that are in two places: at their end, and waiting in a dead letter topic. Must be empty."""
        return tuple(id for id, account in self.accounts.items() if account.ended and account.waits)

    @property
    def duplicates(self) -> tuple[int, int]:
        """Results written more than once: by triage, and by those after it. At-least-once allows them; count them."""
        triage = sum(max(len(account.triaged) - 1, 0) for account in self.accounts.values())
        return triage, sum(max(len(account.ended) - 1, 0) for account in self.accounts.values())

    def unfinished(self, partitions: Iterable[int], at: int) -> tuple[str, ...]:
        """Tickets of these partitions that were sent by `at` and had no triage result then."""
        wanted = set(partitions)
        return tuple(
            id
            for id, account in self.accounts.items()
            if account.sent is not None
            and account.sent <= at
            and account.partition in wanted
            and not any(time <= at for time in account.triaged)
        )

    def rate(self, until: int | None = None) -> float:
        """Triage results a second, from the first ticket sent to `until` (None: to the last result)."""
        firsts = [min(account.triaged) for account in self.accounts.values() if account.triaged]
        begun = min((account.sent for account in self.accounts.values() if account.sent is not None), default=0)
        end = max(firsts, default=begun) if until is None else until
        return sum(time <= end for time in firsts) * 1000 / (end - begun) if end > begun else 0.0

    def latencies(self) -> Sequence[float]:
        """Seconds from sent to the end, sorted; tickets that were given up once are left out."""
        return sorted(
            (min(account.ended) - account.sent) / 1000
            for account in self.accounts.values()
            if account.ended and account.sent is not None and not account.dead
        )

    def judged(self) -> tuple[int, int, str, int] | None:
        """How many triaged tickets have the right area, of how many; the most frequent area, and how often it is right.

        None where no ticket's right area is known.
        """
        known = [(self.accounts[id], one.area) for id, one in self.tickets.items() if one.area is not None]
        triaged = [(account, area) for account, area in known if account.triaged]
        if not triaged:
            return None
        [(most, often)] = Counter(area for _, area in triaged).most_common(1)
        return sum(account.areas == {area} for account, area in triaged), len(triaged), most, often


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below or at which `share` of the ordered values lie; 0 where there are none."""
    if not ordered:
        return 0.0
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def places(ledger: Ledger) -> Mapping[str, int]:
    """Where each ticket ended, one place each; together they make `sent` when nothing is lost."""
    found = {"triaged": 0, "in the dead letter topic": 0, "nowhere": 0}
    for account in ledger.accounts.values():
        if account.waits:
            found["in the dead letter topic"] += 1
        else:
            found["triaged" if account.triaged else "nowhere"] += 1
    return found
