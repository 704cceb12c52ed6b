"""The demonstration's books: what counts as done, lost, repeated, in two places; and which claims then break."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.ledger import Ledger, percentile, places
from demo.play import Outcome
from demo.stage import Victim
from demo.tickets import Ticket
from demo.verdict import accounts, broken_claims, rows

TICKETS = tuple(Ticket(f"t{number}", "c", "text", area) for number, area in enumerate(("card", "card", "cash", None)))


def ledger() -> Ledger:
    """Four tickets: one plain, one retried, one given up and brought home, one done twice."""
    found = Ledger(TICKETS)
    for number, account in enumerate(found.accounts.values()):
        account.sent, account.partition = 1000, number
        account.triaged, account.areas, account.ended = [2000 + number * 1000], {"card"}, [3000 + number * 1000]
    found.accounts["t1"].retries = 2
    found.accounts["t2"].dead = found.accounts["t2"].replayed = 1
    found.accounts["t3"].triaged.append(7000)
    found.accounts["t3"].ended.append(8000)
    return found


def outcome(books: Ledger) -> Outcome:
    return Outcome(
        ledger=books,
        slow=None,
        victim=Victim("triage.1", "kill -9 1", 2500, frozenset({1, 2})),
        reappeared=2,
        heirs="2 on triage.2",
        peak=400,
        concurrency=400,
        lag=0,
        came_home=1,
    )


def test_counts() -> None:
    books = ledger()
    assert (books.sent, books.triaged, books.done) == (4, 4, 4)
    assert (books.retried, books.recovered) == (1, 1)
    assert (books.dead_lettered, books.replayed, books.waiting) == (1, 1, 0)
    assert books.duplicates == (1, 1)
    assert books.lost == books.twice == ()


def test_a_ticket_without_an_end_is_lost_unless_it_waits_as_a_dead_letter() -> None:
    books = ledger()
    books.accounts["t0"].ended = []
    assert books.lost == ("t0",)
    books.accounts["t0"].dead = 1
    assert (books.lost, books.waiting) == ((), 1)


def test_a_ticket_that_has_ended_and_still_waits_is_in_two_places() -> None:
    books = ledger()
    books.accounts["t0"].dead = 1
    assert books.twice == ("t0",)


def test_left_behind_is_what_was_sent_and_not_triaged_when_the_worker_died() -> None:
    books = ledger()
    books.accounts["t2"].sent = 2600
    assert books.unfinished({1, 2}, 2500) == ("t1",)
    assert books.unfinished({0}, 2500) == ()  # triaged before


def test_rate_counts_each_ticket_once_from_the_first_sent() -> None:
    books = ledger()
    assert books.rate() == pytest.approx(4 / 4)  # the last first result came 4 s after the first ticket
    assert books.rate(until=3000) == pytest.approx(2 / 2)
    assert Ledger(TICKETS).rate() == 0.0


def test_latency_leaves_out_what_had_to_be_brought_home() -> None:
    assert ledger().latencies() == [2.0, 3.0, 5.0]
    assert percentile([2.0, 3.0, 5.0], 0.5) == 3.0
    assert percentile([2.0, 3.0, 5.0], 0.95) == 5.0
    assert percentile([], 0.5) == 0.0


def test_triage_is_judged_where_the_right_area_is_known_and_beside_the_simplest_guess() -> None:
    assert ledger().judged() == (2, 3, "card", 2)
    assert Ledger((TICKETS[3],)).judged() is None


def test_every_ticket_has_one_place_and_the_places_make_the_whole() -> None:
    books = ledger()
    books.accounts["t0"].triaged = books.accounts["t0"].ended = []
    books.accounts["t1"].dead = 1
    found = places(books)
    assert found == {"triaged": 2, "in the dead letter topic": 1, "nowhere": 1}


def test_claims_hold_for_books_in_order() -> None:
    assert broken_claims(outcome(ledger()), partitions=12, expected_dead=1) == []
    assert dict(rows(outcome(ledger())))["lost"] == "0"
    assert dict(accounts(outcome(ledger())))["right area"].startswith("66.7%")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda books: setattr(books.accounts["t0"], "ended", []), "lost"),
        (lambda books: setattr(books.accounts["t0"], "dead", 1), "two places"),
        (lambda books: setattr(books.accounts["t0"], "sent", None), "reached the log"),
        (lambda books: setattr(books.accounts["t2"], "replayed", 0), "came home"),
    ],
)
def test_a_claim_that_does_not_hold_is_named(change: object, says: str) -> None:
    books = ledger()
    change(books)  # type: ignore[operator]
    assert any(says in claim for claim in broken_claims(outcome(books), partitions=12, expected_dead=1))


def test_lag_and_a_slow_batch_break_claims_too() -> None:
    behind = replace(outcome(ledger()), lag=3, slow=ledger(), peak=12, reappeared=0)
    said = " | ".join(broken_claims(behind, partitions=12, expected_dead=1))
    for claim in ("lag 3", "times the yardstick", "more runs in flight than partitions", "reappeared"):
        assert claim in said
