"""Back-pressure: no 202 without Kafka, 503 while it is away, 429 at the bounds, and everything by itself again."""

from __future__ import annotations

import asyncio
import json
import random

import pytest

from penstock.broker.in_memory.faults import FINE, Fate, NoFaults
from penstock.broker.in_memory.partitioner import partition_for
from penstock.connectors.http_source.pressure import Bounds, Pressure
from penstock.connectors.http_source.refusal import Refused
from penstock.errors import BrokerUnavailable, ProducerFatal, SendFailed, SendRefused


class Weather(NoFaults):
    """Produce requests fare as `fate` says."""

    def __init__(self):
        self.fate = FINE
        self.asked = 0

    def produce(self, client_id, record):
        self.asked += 1
        return self.fate


SLOW = Fate(delay=3600)


def test_no_acknowledgement_is_no_202_and_kafka_away_is_503_at_once(desk):
    weather = Weather()

    async def scenario(app):
        async with app.gateway() as gateway:

            async def post():
                began = app.clock.now()
                response = await gateway.http.post("/tickets", json={})
                return response.status_code, round(app.clock.now() - began), response.headers.get("retry-after")

            away = False
            cluster = app.broker.admin().cluster

            async def probe():
                if away:
                    raise BrokerUnavailable("away")
                return await cluster()

            app.broker.admin().cluster = probe
            seen = [await post()]
            weather.fate, away = Fate(delay=7), True
            seen += [await post(), await post(), await post()]
            asked = weather.asked
            weather.fate, away = FINE, False
            await asyncio.sleep(3)
            seen.append(await post())
        return seen, asked

    seen, asked = desk(scenario, "acknowledge_within: 5s", faults=weather)

    assert [status for status, _, _ in seen] == [202, 503, 503, 503, 202]
    assert [took for _, took, _ in seen] == [0, 5, 0, 0, 0], "refused at once while it is away"
    assert [after for _, _, after in seen[1:4]] == ["5"] * 3
    assert asked == 2, "what is refused at once is not sent"


def test_kafka_stays_away_until_it_answers_also_when_nothing_is_under_way_any_more():
    clock = [0.0]
    pressure = Pressure(Bounds(), lambda: clock[0])

    async def main():
        future = asyncio.get_running_loop().create_future()
        pressure.enter(10, future)
        clock[0] = 10.0
        pressure.lost("no acknowledgement")
        future.set_exception(SendFailed("timed out"))
        await asyncio.sleep(0)
        assert (pressure.events, pressure.stalled) == (0, False)
        with pytest.raises(Refused) as refused:
            pressure.admit(1, 10)
        return refused.value.status, future.exception() is not None

    assert asyncio.run(main()) == (503, True)


def test_while_the_oldest_waits_nothing_more_is_let_in(desk):
    weather = Weather()

    async def scenario(app):
        async with app.gateway() as gateway:
            weather.fate = SLOW
            first = asyncio.create_task(gateway.http.post("/tickets", json={}))
            await asyncio.sleep(4)
            stalled = await gateway.http.post("/tickets", json={})
            return (await first).status_code, stalled.status_code, gateway.parts.pressure.events

    assert desk(scenario, faults=weather) == (503, 503, 1)


def test_a_partition_without_a_leader_does_not_stop_the_others(desk):
    class OneStuck(NoFaults):
        def produce(self, client_id, record):
            return SLOW if record.key == b"stuck" else FINE

    async def scenario(app):
        async with app.gateway() as gateway:
            stuck = asyncio.create_task(gateway.http.post("/tickets", json={"key": "stuck"}))
            seen = []
            while not stuck.done():
                await asyncio.sleep(1)
                seen.append((await gateway.http.post("/tickets", json={"key": elsewhere})).status_code)
            return (await stuck).status_code, set(seen), gateway.parts.pressure.away

    elsewhere = next(key for key in "abcdef" if partition_of(key) != partition_of("stuck"))
    assert desk(scenario, "key: data.key, acknowledge_within: 9s", faults=OneStuck()) == (503, {202}, "")


def test_what_waits_for_kafka_is_bounded(desk):
    weather = Weather()

    async def scenario(app):
        async with app.gateway() as gateway:
            weather.fate = SLOW
            asked = [asyncio.create_task(gateway.http.post("/tickets", json={})) for _ in range(20)]
            await asyncio.sleep(1)
            refused = [one.result() for one in asked if one.done()]
            under_way = gateway.parts.pressure.events
            for one in asked:
                one.cancel()
            return [one.status_code for one in refused], refused[0].headers["retry-after"], under_way

    statuses, retry_after, under_way = desk(scenario, "max_outstanding: 5", faults=weather)

    assert statuses == [429] * 15
    assert retry_after == "1"
    assert under_way == 5


def test_the_backlog_of_the_agents_is_bounded(desk):
    async def scenario(app):
        waiting = 99

        async def backlog():
            return waiting

        async with app.gateway(backlog) as gateway:
            seen = []
            for figure in (100, 99):
                seen.append((await gateway.http.post("/tickets", json={})).status_code)
                waiting = figure
                await asyncio.sleep(5)
            last = await gateway.http.post("/tickets", json={})
            return [*seen, last.status_code], gateway.counts

    assert desk(scenario, "max_backlog: 100") == ([202, 429, 202], {202: 2, 429: 1})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SendRefused("topic x refuses the record: Broker: Message size too large"), 413),
        (SendRefused("topic x refuses the record: Broker: Topic authorization failed"), 503),
    ],
)
def test_what_kafka_refuses(desk, error, status, caplog):
    async def scenario(app):
        async with app.gateway() as gateway:
            refuse(gateway, lambda record: error if b"bad" in record.value else None)
            one = await gateway.http.post("/tickets", content=b'"bad"')
            many = await gateway.http.post("/tickets/batch", json=["good", "bad", "good"])
            return one, many, app.records()

    one, many, records = desk(scenario)

    assert one.status_code == many.status_code == status
    assert [problem["index"] for problem in many.json()["errors"]] == [1]
    assert sorted(json.loads(record.value) for record in records) == ["good", "good"]
    logged = [line.getMessage() for line in caplog.records if "refused with 503" in line.getMessage()]
    assert logged == [f"an event was refused with 503: {error.message}"] * (status == 503), "once, however often"


def test_a_producer_that_cannot_go_on_ends_the_gateway(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            refuse(gateway, lambda _record: ProducerFatal("fenced"))
            response = await gateway.http.post("/tickets", json={})
            return response.status_code, gateway.parts.failed.is_set(), str(gateway.parts.fatal)

    assert desk(scenario) == (503, True, "fenced")


def partition_of(key):
    return partition_for(key.encode(), 2, random.Random(0))


def refuse(gateway, judge):
    """Let the producer fail for what `judge` gives an error for."""
    producer = gateway.parts.producer
    send = producer.send

    def refusing(record):
        error = judge(record)
        if error is None:
            return send(record)
        future = asyncio.get_running_loop().create_future()
        future.set_exception(error)
        return future

    producer.send = refusing
