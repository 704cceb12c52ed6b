"""AsyncPublisher: acknowledged, bounded, checked before it is sent, and errors that name the record."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest
from publishing import Faulty, FixedClock, run, values

from penstock import AsyncPublisher
from penstock.broker.in_memory.faults import Fate, Outcome
from penstock.errors import (
    BrokerUnavailable,
    PenstockError,
    SendFailed,
    SendRefused,
    TopicMissing,
    TopologyError,
    Unencodable,
)
from penstock.topology.model import Topic, Topology


def test_send_returns_where_the_broker_has_put_it() -> None:
    position, records = run(lambda p: p.send("t", {"a": 1}, key="k"))
    assert [record.position for record in records] == [position]
    assert records[0].key == b"k"
    assert values(records) == [{"a": 1}]


def test_what_is_said_is_in_the_headers_and_the_rest_is_made() -> None:
    said: dict[str, Any] = {"type": "x", "id": "1", "subject": "s", "tenant": "n", "headers": {"h": "v"}}
    _, (full, bare) = run(
        lambda p: _each(p.send("t", 1, key="k", **said), p.send("t", 1, key="k")), clock=FixedClock(), source="/bank"
    )
    headers = dict(full.headers)
    assert (headers["ce_type"], headers["ce_id"], headers["ce_source"]) == (b"x", b"1", b"/bank")
    assert (headers["ce_subject"], headers["ce_tenantid"], headers["h"]) == (b"s", b"n", b"v")
    assert headers["ce_time"] == b"2023-11-14T22:13:20.250000Z"
    traced = dict(bare.headers)
    version, trace, span, flags = (traced["traceparent"] or b"").decode().split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")
    assert traced["traceparent"] != headers["traceparent"]
    assert len(traced["ce_id"] or b"") == 36


async def _each(*sends: Awaitable[Any]) -> list[Any]:
    return [await one for one in sends]


def test_a_tombstone_is_sent_as_one() -> None:
    _, (record,) = run(lambda p: p.send("t", None, key="k"))
    assert record.value is None


def test_send_has_not_returned_while_the_broker_has_not_acknowledged() -> None:
    async def use(publisher: AsyncPublisher) -> Any:
        sending = asyncio.ensure_future(publisher.send("t", 1))
        done, _ = await asyncio.wait([sending], timeout=0.05)
        assert not done
        return await sending

    run(use, Faulty({0: Fate(delay=0.2)}))


def test_an_unreachable_broker_is_said_in_time_with_what_to_do() -> None:
    with pytest.raises(BrokerUnavailable) as caught:
        run(lambda p: p.send("t", 1, key="k"), Faulty({0: Fate(Outcome.FAILED, delay=1)}), timeout="100ms")
    assert "topic t (key 'k')" in caught.value.message
    assert "within 0.1 s" in caught.value.message
    assert "bootstrap.servers" in caught.value.hint


@pytest.mark.parametrize(("outcome", "error"), [(Outcome.FAILED, SendFailed), (Outcome.REFUSED, SendRefused)])
def test_a_failure_keeps_its_kind_and_names_the_record(outcome: Outcome, error: type[PenstockError]) -> None:
    with pytest.raises(error, match=r"event for topic t \(key 'k'\) was not sent") as caught:
        run(lambda p: p.send("t", 1, key="k"), Faulty({0: Fate(outcome)}))
    assert isinstance(caught.value.__cause__, error)


def test_data_that_does_not_fit_never_leaves() -> None:
    faults = Faulty()
    with pytest.raises(Unencodable, match=r"event for topic t \(key 'k'\) does not fit: data\.a is a set"):
        run(lambda p: p.send("t", {"a": {1}}, key="k"), faults)
    assert not faults.produced


def test_a_batch_stays_inside_the_window() -> None:
    seen = []

    async def use(publisher: AsyncPublisher) -> int:
        def watching() -> Iterator[int]:
            for n in range(50):
                seen.append(publisher._connection.producer().outstanding)
                yield n

        return await publisher.send_many("t", watching())

    count, _ = run(use, Faulty(otherwise=Fate(delay=0.001)), max_outstanding=7)
    assert count == 50
    assert max(seen) == 7


def test_concurrent_senders_stay_inside_the_window() -> None:
    async def use(publisher: AsyncPublisher) -> int:
        sends = [asyncio.ensure_future(publisher.send("t", n)) for n in range(20)]
        most = 0
        while not all(one.done() for one in sends):
            most = max(most, publisher._connection.producer().outstanding)
            await asyncio.sleep(0)
        await asyncio.gather(*sends)
        return most

    most, records = run(use, Faulty(otherwise=Fate(delay=0.002)), max_outstanding=3)
    assert len(records) == 20
    assert most == 3


def test_a_cancelled_sender_leaves_the_line_moving() -> None:
    async def use(publisher: AsyncPublisher) -> None:
        first = asyncio.ensure_future(publisher.send("t", 0))
        waiting = [asyncio.ensure_future(publisher.send("t", n)) for n in (1, 2, 3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.gather(first, *waiting[1:])
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]

    _, records = run(use, Faulty(otherwise=Fate(delay=0.01)), max_outstanding=1)
    assert sorted(values(records)) == [0, 2, 3]


def test_a_window_counts_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.publisher.window.MOST_BYTES", 1000)

    async def use(publisher: AsyncPublisher) -> int:
        sends = [asyncio.ensure_future(publisher.send("t", "x" * size)) for size in (2000, 10, 500, 700)]
        most = 0
        while not all(one.done() for one in sends):
            most = max(most, publisher._connection.producer().outstanding)
            await asyncio.sleep(0)
        return most

    most, records = run(use, Faulty(otherwise=Fate(delay=0.002)))
    assert len(records) == 4
    assert most == 2


# --- from a topology


def app(folder: Path) -> Topology:
    schema = {"type": "record", "name": "T", "fields": [{"name": "n", "type": "int"}]}
    (folder / "n.avsc").write_text(json.dumps(schema))
    return Topology(name="app", directory=folder, topics={"t": Topic(name="t", type="n", schema=Path("n.avsc"))})


def test_events_are_held_to_the_topics_schema(tmp_path: Path) -> None:
    async def use(publisher: AsyncPublisher) -> None:
        await publisher.send("t", {"n": 1})
        with pytest.raises(Unencodable, match=r"data\.n is 'x'"):
            await publisher.send("t", {"n": "x"})
        with pytest.raises(Unencodable, match=r"event 1 for topic t.*data\.n is None"):
            await publisher.send_many("t", [{"n": 2}, {"n": None}])

    _, records = run(use, topology=app(tmp_path))
    assert [dict(record.headers)["ce_type"] for record in records] == [b"n", b"n"]
    assert all((record.value or b"").startswith(b"\xc3\x01") for record in records)


def test_a_topic_that_is_not_declared_is_refused_before_any_connection(tmp_path: Path) -> None:
    async def main() -> None:
        publisher = AsyncPublisher(app(tmp_path), bootstrap="127.0.0.1:1")
        with pytest.raises(TopicMissing, match=r"topic tt is not in the topology app \(did you mean t\?\)"):
            await publisher.send("tt", {"n": 1})
        with pytest.raises(TopicMissing):
            await publisher.send_many("elsewhere", [])

    asyncio.run(main())


def test_a_topology_is_read_from_its_file_or_folder(tmp_path: Path) -> None:
    (tmp_path / "topology.yaml").write_text("version: 1\nname: app\nkafka: {bootstrap.servers: 'h:1', linger.ms: 1}\n")
    for said in (tmp_path, str(tmp_path / "topology.yaml")):
        publisher = AsyncPublisher(said, kafka={"linger.ms": "7"}, timeout=2)
        found = publisher._connection._settings
        assert found == {"bootstrap.servers": "h:1", "linger.ms": "7", "message.timeout.ms": "7000"}
    assert AsyncPublisher(tmp_path, bootstrap="b:2")._connection._settings["bootstrap.servers"] == "b:2"
    with pytest.raises(TopologyError):
        AsyncPublisher(tmp_path / "nowhere.yaml")


def test_without_any_address_nothing_is_guessed() -> None:
    with pytest.raises(PenstockError, match="no broker to publish to"):
        AsyncPublisher()
    with pytest.raises(ValueError, match="max_outstanding"):
        AsyncPublisher(bootstrap="h:1", max_outstanding=0)


def test_a_closed_publisher_says_so_and_closes_again() -> None:
    async def use(publisher: AsyncPublisher) -> None:
        await publisher.close()
        await publisher.close()
        with pytest.raises(PenstockError, match="closed"):
            await publisher.send("t", 1)

    run(use)


def test_no_client_is_made_before_the_first_send() -> None:
    async def main() -> None:
        async with AsyncPublisher(bootstrap="127.0.0.1:1"):
            pass

    before = "confluent_kafka" in sys.modules
    asyncio.run(main())
    assert ("confluent_kafka" in sys.modules) == before
