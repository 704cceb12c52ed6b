"""What the demonstration feeds the desk: its own tickets, and the rows of a CSV file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from demo.tickets import BROKEN, CUSTOMERS, from_csv, generated, right_area, spread_evenly
from penstock import PenstockError


def test_tickets_are_always_the_same_and_all_different() -> None:
    tickets = generated("run", 1000, 3)
    assert tickets == generated("run", 1000, 3)
    assert len({ticket.text for ticket in tickets}) == len({ticket.id for ticket in tickets}) == 1000
    assert len({ticket.customer for ticket in tickets}) == CUSTOMERS


def test_so_many_tickets_are_broken_as_asked() -> None:
    broken = [number for number, ticket in enumerate(generated("run", 1000, 3)) if BROKEN in ticket.text]
    assert broken == [166, 500, 833]
    assert not any(BROKEN in ticket.text for ticket in generated("run", 1000))


def test_the_sample_of_the_yardstick_lands_evenly_as_the_brokers_partitioner_puts_it() -> None:
    import random

    from penstock.broker.in_memory.partitioner import partition_for

    sample = spread_evenly(generated("run", 600), 12, 4)
    landed = Counter(partition_for(ticket.customer.encode(), 12, random.Random(0)) for ticket in sample)
    assert landed == dict.fromkeys(range(12), 4)


def test_a_row_is_a_ticket_and_its_category_names_the_right_area(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(
        'text,category\n"Where, please, is it?",card_arrival\n  ,change_pin\nMy rate,exchange\nHm,unheard_of\n'
    )
    tickets, left_out = from_csv(path, "run")
    assert [(ticket.id, ticket.text, ticket.area) for ticket in tickets] == [
        ("run-0000", "Where, please, is it?", "card"),
        ("run-0002", "My rate", "exchange"),
        ("run-0003", "Hm", None),
    ]
    assert left_out == 1


def test_a_file_needs_no_category(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_bytes(b"\xef\xbb\xbftext\nHello\n")  # with the mark some programs put in front
    [ticket], left_out = from_csv(path, "run")
    assert (ticket.text, ticket.area, left_out) == ("Hello", None, 0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"message,category\nHello,x\n", "no column `text`"),
        (b"text\n", "holds no tickets"),
        (b"text\n\xff\xfe", "read"),
    ],
)
def test_a_file_that_is_no_list_of_tickets_says_why(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "tickets.csv"
    path.write_bytes(content)
    with pytest.raises(PenstockError, match=says):
        from_csv(path, "run")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"absent\.csv"):
        from_csv(tmp_path / "absent.csv", "run")


def test_every_known_category_has_an_area_and_unknown_ones_have_none() -> None:
    assert right_area("pin_blocked") == right_area("card") == "card"
    assert right_area(None) is None
    assert right_area("weather") is None
