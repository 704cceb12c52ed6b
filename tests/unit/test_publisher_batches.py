"""send_many: any iterable of any length, in order by key, acknowledged as a whole, the first bad event named."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from publishing import Faulty, run, values

from penstock import AsyncPublisher
from penstock.broker.in_memory.faults import Fate, Outcome
from penstock.errors import (
    BrokerUnavailable,
    SendFailed,
    SendRefused,
    Unencodable,
)


def test_send_many_takes_any_iterable_and_keys_by_field_or_function() -> None:
    async def numbers() -> AsyncIterator[dict[str, Any]]:
        for n in range(3):
            yield {"id": n, "who": {"id": f"c-{n}"}}

    def plain() -> Iterator[dict[str, Any]]:
        yield {"id": 3, "who": {"id": "c-3"}}

    async def use(publisher: AsyncPublisher) -> list[int]:
        return [
            await publisher.send_many("t", numbers(), key="who.id", id="data.id", type="x"),
            await publisher.send_many(
                "t", plain(), key=lambda data: data["who"]["id"], id=lambda data: str(data["id"])
            ),
            await publisher.send_many("t", []),
        ]

    counts, records = run(use)
    assert counts == [3, 1, 0]
    by_id = {dict(record.headers)["ce_id"]: record.key for record in records}
    assert by_id == {b"0": b"c-0", b"1": b"c-1", b"2": b"c-2", b"3": b"c-3"}


def test_send_many_keeps_the_order_of_a_key() -> None:
    count, records = run(lambda p: p.send_many("t", range(500), key=lambda n: n % 5), max_outstanding=16)
    assert count == 500
    for key in range(5):
        assert [n for n in values(records) if n % 5 == key] == list(range(key, 500, 5))


def test_send_many_has_every_acknowledgement_when_it_returns() -> None:
    faults = Faulty({7: Fate(delay=0.1)})
    _, records = run(lambda p: p.send_many("t", range(8)), faults)
    assert len(records) == 8


def test_the_first_bad_event_stops_the_batch_and_is_named() -> None:
    events = [{"id": 1}, {"id": 2}, {"no": 3}, {"id": 4}]
    faults = Faulty(otherwise=Fate(delay=0.02))
    with pytest.raises(Unencodable) as caught:
        run(lambda p: p.send_many("t", events, key="id"), faults)
    assert caught.value.message.startswith("event 2 for topic t")
    assert "data has no id" in caught.value.message
    assert "2 other events were acknowledged" in caught.value.message
    assert len(faults.produced) == 2


def test_the_first_refused_event_is_named_with_its_key() -> None:
    with pytest.raises(SendRefused, match=r"event 1 for topic t \(key 'k-1'\) was not sent.*2 other events"):
        run(lambda p: p.send_many("t", range(3), key=lambda n: f"k-{n}"), Faulty({1: Fate(Outcome.REFUSED)}))


def test_an_endless_batch_stops_at_a_failure() -> None:
    def endless() -> Iterator[int]:
        n = 0
        while True:
            yield (n := n + 1)

    faults = Faulty({100: Fate(Outcome.FAILED)})
    with pytest.raises(SendFailed, match="event 100 "):
        run(lambda p: p.send_many("t", endless()), faults, max_outstanding=10)
    assert len(faults.produced) < 1000


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 50])
def test_a_batch_without_answers_ends_in_time(count: int) -> None:
    faults = Faulty({1: Fate(Outcome.FAILED, delay=2)})
    with pytest.raises(BrokerUnavailable, match=r"within 0\.1 s"):
        run(lambda p: p.send_many("t", range(count)), faults, timeout=0.1, max_outstanding=10)


def test_the_callers_own_error_is_raised_when_nothing_is_under_way() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise KeyError("mine")

    async def use(publisher: AsyncPublisher) -> None:
        with pytest.raises(KeyError, match="mine"):
            await publisher.send_many("t", failing())
        assert publisher._connection.producer().outstanding == 0

    run(use, Faulty(otherwise=Fate(delay=0.02)))
