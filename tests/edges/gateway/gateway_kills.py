"""A gateway killed with kill -9 under load, by a seed: what clients were told, beside what the log holds."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from desk import Desk

from penstock.testing.connector_kit import Verdict

CLIENTS = 20
KILLS = 3
BETWEEN = 200  # events accepted before a kill


@dataclass
class Ledger:
    """What clients were told, and what the log holds of it."""

    accepted: dict[str, str] = field(default_factory=dict)  # which event it was, by the id that it was accepted under
    attempts: int = 0
    unanswered: int = 0
    kills: int = 0
    written: list[tuple[str, str]] = field(default_factory=list)  # id and event of each record

    @property
    def lost(self) -> int:
        return len(self.accepted.keys() - {id_ for id_, _ in self.written})

    @property
    def twice(self) -> int:
        """Records beyond the first of an event, under the id it has."""
        return len(self.written) - len({id_ for id_, _ in self.written})

    @property
    def unrecognised(self) -> int:
        """Records of an event that stands there under another id too."""
        return len(set(self.written)) - len({event for _, event in self.written})

    @property
    def strangers(self) -> int:
        """Events in the log that no client was ever told of: each client goes on until it is."""
        return len({id_ for id_, _ in self.written} - self.accepted.keys())

    def __str__(self) -> str:
        told = f"requests {self.attempts}, accepted {len(self.accepted)}, unanswered {self.unanswered}"
        return f"{told}, in the log {len(self.written)}, twice {self.twice}, lost {self.lost}"


async def _client(url: str, number: int, ledger: Ledger, stop: asyncio.Event) -> None:
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
                    ledger.accepted[response.json()["id"]] = key
                    break
                assert response.status_code in {429, 503}, response.text
                await asyncio.sleep(0.05)


async def _load(desk: Desk, ledger: Ledger, chance: random.Random) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(_client(desk.url, number, ledger, stop))
        for _ in range(KILLS):
            before = len(ledger.accepted)
            while len(ledger.accepted) < before + BETWEEN:
                await asyncio.sleep(0.05)
            await asyncio.sleep(chance.uniform(0, 0.3))
            victim = desk.processes[-1]
            victim.kill()
            victim.wait()
            ledger.kills += 1
            await asyncio.to_thread(desk.run_gateway)
        stop.set()


def run(desk: Desk, seed: int) -> Ledger:
    """One seed: three kills, each after some hundred events."""
    ledger = Ledger()
    desk.run_gateway()
    asyncio.run(_load(desk, ledger, random.Random(seed)))
    for record in desk.records():
        id_ = record.header("ce_id")
        assert id_ is not None
        assert record.value is not None
        ledger.written.append((id_.decode(), json.loads(record.value)["text"]))
    return ledger


def play(folder: Path, bootstrap: str, seeds: Iterable[int]) -> Verdict:
    """All seeds, each with topics of its own, added up as a row of the table of connectors."""
    verdict = Verdict()
    for seed in seeds:
        here = folder / f"gateway-{seed}"
        here.mkdir()
        with closing(Desk(here, f"desk-{uuid.uuid4().hex[:8]}", bootstrap)) as desk:
            desk.apply()
            ledger = run(desk, seed)
        verdict.runs += 1
        verdict.sent += len(ledger.accepted)
        verdict.lost += ledger.lost
        verdict.duplicates += ledger.twice
        verdict.unrecognised += ledger.unrecognised
        verdict.places["the process, under load"] += ledger.kills
    return verdict
