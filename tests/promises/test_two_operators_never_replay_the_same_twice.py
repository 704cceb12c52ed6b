"""Two operators who replay or discard the same dead letters at the same moment: one does it, the other is told who.

The order of the control topic decides. A claim whose holder died lapses; a holder who lives keeps it, however long.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.control.commands import Command
from penstock.control.giving import read_control
from penstock.control.turns import LAPSES, NotYourTurn, turn
from penstock.testing.virtual_time import run_virtual
from penstock.topology.model import Processor, Topology

DESK = Topology(
    name="desk", processors={"triage": Processor(name="triage", group_id="desk.triage", handler="m:f", topics=("t",))}
)


async def broker_of(clock):
    broker = InMemoryBroker(clock)
    await broker.admin().create_topics([NewTopic("desk.control", 1)])
    return broker


def claim(clock, by, target="triage"):
    return Command(f"{by}-{clock.now()}", "replay", target, by, round(clock.now() * 1000), "", 7, "all")


@pytest.mark.parametrize("seed", range(20))
def test_of_many_at_once_exactly_one_has_the_turn(seed):
    async def main(clock):
        broker, chance, inside, told = await broker_of(clock), random.Random(seed), [], []

        async def operator(name):
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.01]))
            try:
                async with turn(DESK, broker, claim(clock, name), clock):
                    inside.append(name)
                    assert len(inside) == 1, "two at once"
                    await asyncio.sleep(chance.uniform(0.1, 200))
                    inside.remove(name)
            except NotYourTurn as refused:
                told.append(str(refused))
                return 0
            return 1

        assert sum(await asyncio.gather(*(operator(f"op-{number}") for number in range(6)))) == 1
        assert all("is at it (replay for triage)" in one for one in told)
        assert len((await read_control(DESK, broker)).audit) == 1, "who was refused did nothing"

    run_virtual(main)


def test_the_turn_is_free_again_afterwards_and_others_are_not_held_up():
    async def main(clock):
        broker = await broker_of(clock)
        async with turn(DESK, broker, claim(clock, "ann"), clock), turn(DESK, broker, claim(clock, "bob", "x"), clock):
            pass
        async with turn(DESK, broker, claim(clock, "bob"), clock):
            pass
        assert [one.by for one in (await read_control(DESK, broker)).audit] == ["ann", "bob", "bob"]

    run_virtual(main)


def test_who_died_keeps_nobody_waiting_for_long():
    async def main(clock):
        broker = await broker_of(clock)
        entered = asyncio.Event()

        async def dies():
            held = turn(DESK, broker, claim(clock, "ann"), clock)
            await held.__aenter__()
            for task in asyncio.all_tasks():  # a killed process renews nothing and gives nothing back
                if "renew" in repr(task.get_coro()):
                    task.cancel()
            entered.set()
            return held

        held = await dies()
        with pytest.raises(NotYourTurn, match="ann is at it"):
            async with turn(DESK, broker, claim(clock, "bob"), clock):
                raise AssertionError
        await asyncio.sleep(LAPSES + 1)
        async with turn(DESK, broker, claim(clock, "bob"), clock):
            pass
        await held.__aexit__(None, None, None)

    run_virtual(main)


def test_at_the_console_the_second_of_two_is_told_and_each_entry_is_replayed_once(desk_console):
    async def broken(event, ctx):
        raise ValueError("no such account")

    async def scenario(app, console):
        for number in range(30):
            await app.send("tickets", {"n": number}, key=f"k{number}")
        await app.settled()
        form = {"sure": "yes", "rate": "5"}
        async with console(token="the-token") as ann, console(token="the-token") as bob:
            begun = await asyncio.gather(
                ann.post("/letters/triage/replay", data={**form, "by": "ann"}),
                bob.post("/letters/triage/replay", data={**form, "by": "bob"}),
            )
            await asyncio.sleep(60)
            said = [(await ann.get(one.headers["location"])).text for one in begun]
        assert sum("30 replayed" in one for one in said) == 1
        assert sum("is at it (replay for triage); nothing was done" in one for one in said) == 1
        assert len(app.records("desk.triage.replay")) == 30

    desk_console(scenario, broken)
