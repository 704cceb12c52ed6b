"""A gateway killed under load, again and again, by a seed: every 202 is in the log; what was sent twice shows it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import httpx
import pytest

pytestmark = pytest.mark.kafka
CLIENTS = 20
KILLS = 3


@dataclass
class Ledger:
    """What clients were told."""

    accepted: set[str] = field(default_factory=set)
    attempts: int = 0
    unanswered: int = 0

    def __str__(self) -> str:
        return f"requests {self.attempts}, accepted {len(self.accepted)}, unanswered {self.unanswered}"


async def client(url: str, number: int, ledger: Ledger, stop: asyncio.Event) -> None:
    """Posts one event after the other, each until it is accepted: its key makes a repeat the same event."""
    async with httpx.AsyncClient(timeout=15) as http:
        turn = 0
        while not stop.is_set():
            key, turn = f"{number}-{turn}", turn + 1
            while True:
                ledger.attempts += 1
                try:
                    response = await http.post(url, json={"text": key}, headers={"Idempotency-Key": key})
                except httpx.TransportError:
                    ledger.unanswered += 1
                    await asyncio.sleep(0.05)
                    continue
                if response.status_code == 202:
                    ledger.accepted.add(response.json()["id"])
                    break
                assert response.status_code in {429, 503}, response.text
                await asyncio.sleep(0.05)
            if stop.is_set():
                return


@pytest.mark.parametrize("seed", [1, 2])
def test_no_accepted_event_is_lost(make_desk, kafka, seed):
    desk = make_desk(kafka)
    chance = random.Random(seed)
    ledger = Ledger()
    desk.run_gateway()

    async def load() -> None:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(client(desk.url, number, ledger, stop))
            for _ in range(KILLS):
                before = len(ledger.accepted)
                while len(ledger.accepted) < before + 200:
                    await asyncio.sleep(0.05)
                await asyncio.sleep(chance.uniform(0, 0.3))
                victim = desk.processes[-1]
                victim.kill()
                victim.wait()
                await asyncio.to_thread(desk.run_gateway)
            stop.set()

    asyncio.run(load())

    found = Counter(record.header("ce_id").decode() for record in desk.records())
    lost = ledger.accepted - found.keys()
    twice = sum(number - 1 for number in found.values())
    print(f"seed {seed}: {ledger}, in the log {sum(found.values())}, twice {twice}, lost {len(lost)}")
    assert ledger.unanswered, "nothing was cut off: the kills proved nothing"
    assert lost == set()
    assert twice <= ledger.unanswered, "only what got no answer may stand there twice"
    assert found.keys() == ledger.accepted, "every client went on until it was told 202"


def test_a_stopped_gateway_finishes_what_it_has_begun(make_desk, kafka):
    desk = make_desk(kafka)
    process = desk.run_gateway()
    ledger = Ledger()

    async def load() -> None:
        async def one(http: httpx.AsyncClient, number: int) -> None:
            for turn in range(1000):
                try:
                    response = await http.post(desk.url, json={"text": f"{number}-{turn}"})
                except httpx.TransportError:
                    return
                assert response.status_code == 202
                ledger.accepted.add(response.json()["id"])

        async with httpx.AsyncClient(timeout=15, limits=httpx.Limits(max_connections=CLIENTS)) as http:
            asked = [asyncio.create_task(one(http, number)) for number in range(CLIENTS)]
            while len(ledger.accepted) < 300:
                await asyncio.sleep(0.01)
            process.terminate()
            await asyncio.gather(*asked)

    asyncio.run(load())

    assert process.wait(30) == 0, desk.log(process)
    written = {record.header("ce_id").decode() for record in desk.records()}
    assert ledger.accepted <= written
