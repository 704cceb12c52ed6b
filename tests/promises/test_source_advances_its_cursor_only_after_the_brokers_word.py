"""A source is repeated from its last cursor, never skipped: whatever is killed, and wherever, nothing is lost."""

import asyncio
import random
from pathlib import Path

import pytest

from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.faults import Fate, NoFaults, Outcome
from penstock.contracts import Incoming
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.engine.source_worker import SourceWorker
from penstock.testing.virtual_time import run_virtual
from penstock.topology.reader import read_text

TOPOLOGY = """
name: shop
topics: { orders: { partitions: 2, type: order } }
connectors: { numbers: { type: 'own:Numbers', topic: orders } }
"""


class Numbers:
    """Brings 0, 1, 2, ... up to `count`; the cursor is the next number."""

    def __init__(self, count=10, pause=0.1):
        self.count = count
        self.pause = pause

    async def run(self, outlet):
        number = outlet.cursor or 0
        while number < self.count and not outlet.stopping.is_set():
            await outlet.deliver([Incoming(data=number, id=f"n{number}", key="k")], cursor=number + 1)
            number += 1
            await asyncio.sleep(self.pause)


class Place:
    """A topology with one source, on the in-memory log."""

    def __init__(self, clock, faults=None):
        self.topology = read_text(TOPOLOGY, Path("topology.yaml"), {})
        self.clock = clock
        self.broker = InMemoryBroker(clock, seed=1, faults=faults)
        self.tasks = {}

    async def create(self):
        await apply(await make_plan(self.topology, self.broker.admin()), self.broker.admin(), lambda _step: None)

    def start(self, source, name="a"):
        options = self.topology.connectors["numbers"]
        worker = SourceWorker(self.topology, options, source, self.broker, self.clock, client_id=name)
        self.tasks[worker] = asyncio.ensure_future(worker.run())
        return worker

    async def stop(self, worker):
        worker.stop()
        await self.tasks.pop(worker)

    def crash(self, worker):
        self.broker.crash(worker.member)
        self.broker.crash(worker.producer)
        worker.abort()
        self.tasks.pop(worker).cancel()

    def numbers(self):
        return [int(record.value) for record in self.broker.records("orders")]


async def until(condition, patience=120.0):
    async with asyncio.timeout(patience):
        while not condition():
            await asyncio.sleep(0.05)


def test_another_process_goes_on_where_the_last_one_was():
    async def main(clock):
        place = Place(clock)
        await place.create()
        first = place.start(Numbers(count=1000))
        await until(lambda: len(place.numbers()) >= 5)
        await place.stop(first)
        brought = len(place.numbers())
        second = place.start(Numbers(count=20), "b")
        await until(lambda: second.exhausted)
        await place.stop(second)
        return brought, place.numbers()

    brought, numbers = run_virtual(main)

    assert brought < 20
    assert numbers == list(range(20))  # a clean stop repeats nothing


def test_one_runs_and_the_others_stand_by_until_it_dies():
    async def main(clock):
        place = Place(clock)
        await place.create()
        workers = [place.start(Numbers(count=400), name) for name in "abc"]
        await until(lambda: len(place.numbers()) >= 20)
        owners = [worker for worker in workers if worker.owner]
        assert len(owners) == 1
        place.crash(owners[0])
        rest = [worker for worker in workers if worker is not owners[0]]
        await until(lambda: any(worker.exhausted for worker in rest))
        for worker in rest:
            await place.stop(worker)
        return place.numbers()

    numbers = run_virtual(main)

    assert set(numbers) == set(range(400))
    assert len(numbers) <= 402  # what was delivered and not yet noted is repeated, under the same id


class Unlucky(NoFaults):
    """Orders fail, or are answered late, by the seed; cursors are always written at once."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def produce(self, client_id, record):
        if record.topic != "orders":
            return Fate()
        outcome = self.random.choice([Outcome.DONE, Outcome.DONE, Outcome.FAILED, Outcome.UNANSWERED])
        return Fate(outcome, self.random.random())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_anywhere_with_an_unlucky_broker_nothing_is_lost(seed):
    async def main(clock):
        place = Place(clock, Unlucky(seed))
        await place.create()
        luck = random.Random(seed)
        while True:
            worker = place.start(Numbers(count=30, pause=0.01), f"w{luck.random()}")
            try:
                await until(lambda worker=worker: worker.exhausted, patience=luck.uniform(1, 20))
            except TimeoutError:
                place.crash(worker)
                continue
            await place.stop(worker)
            return place.numbers()

    numbers = run_virtual(main)

    assert set(numbers) == set(range(30))


def test_a_source_that_fails_runs_again_with_its_cursor():
    class Fails(Numbers):
        runs = 0

        async def run(self, outlet):
            Fails.runs += 1
            if Fails.runs == 1:
                await outlet.deliver([Incoming(data=0, id="n0")], cursor=1)
                raise ConnectionError("the outside is away")
            await super().run(outlet)

    async def main(clock):
        place = Place(clock)
        await place.create()
        worker = place.start(Fails(count=5))
        await until(lambda: worker.exhausted)
        trouble = worker.counters.failures
        await place.stop(worker)
        return trouble, place.numbers()

    assert run_virtual(main) == (1, [0, 1, 2, 3, 4])


def test_a_late_cursor_of_a_former_owner_changes_nothing():
    from penstock.engine.cursors import Keeper, Kept, load_kept

    async def main(clock):
        place = Place(clock)
        await place.create()
        worker = place.start(Numbers(count=7))
        await until(lambda: worker.exhausted)
        late = Keeper(place.broker.producer("late"), "shop.cursors", "numbers", Kept(None, 0, "late"))
        late.keep(2)
        await late.flush()
        await asyncio.sleep(1)
        last = list(place.broker.records("shop.cursors"))[-1]
        await place.stop(worker)
        return (await load_kept(place.broker, "shop.cursors", "numbers")).cursor, b'"cursor": 7' in last.value

    assert run_virtual(main) == (7, True)  # the owner has written its own over it, so compaction keeps the right one


def test_a_cursor_that_may_not_be_written_is_written_once_it_may():
    """A right that is missing is granted some day; meanwhile the latest cursor waits, and nobody is told it is kept."""
    from penstock.engine.cursors import Keeper, Kept, load_kept
    from penstock.errors import SendRefused

    async def main(clock):
        place = Place(clock)
        await place.create()
        producer = place.broker.producer("p")
        granted, send = False, producer.send

        def judged(record):
            if granted:
                return send(record)
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(SendRefused("topic shop.cursors refuses the record: Topic authorization failed"))
            return refused

        producer.send = judged
        keeper = Keeper(producer, "shop.cursors", "numbers", Kept(None, 1, "me"))
        keeper.keep(1)
        await asyncio.sleep(60)
        before = await load_kept(place.broker, "shop.cursors", "numbers")
        granted = True
        await keeper.flush()
        return before.cursor, (await load_kept(place.broker, "shop.cursors", "numbers")).cursor

    assert run_virtual(main) == (None, 1)
