"""Records of one key run one after the other, in the order of the log; other keys run beside them."""

import asyncio
import random
from collections import defaultdict


def test_records_of_one_key_run_in_order_and_never_overlap(work):
    chance = random.Random(1)
    running, seen = set(), defaultdict(list)
    most = 0

    async def handler(event, ctx):
        nonlocal most
        assert event.key not in running, "two of one key at once"
        running.add(event.key)
        most = max(most, len(running))
        await asyncio.sleep(chance.random())
        running.discard(event.key)
        seen[event.key].append(event.data)

    async def scenario(app):
        for n in range(200):
            await app.send("src", n, key=f"k{n % 10}")
        await app.settled()
        assert {a.outcome for a in app.attempts} == {"done"}
        assert seen == {f"k{k}": list(range(k, 200, 10)) for k in range(10)}
        assert most == 10

    work(handler, scenario, output=None)


def test_ordering_by_partition_runs_one_of_each_partition(work):
    running, seen = set(), defaultdict(list)

    async def handler(event, ctx):
        partition = event.position.partition
        assert partition not in running
        running.add(partition)
        await asyncio.sleep(0.1)
        running.discard(partition)
        seen[partition].append(event.position.offset)

    async def scenario(app):
        for n in range(60):
            await app.send("src", n, key=None if n % 2 else f"k{n}")
        await app.settled()
        assert {a.outcome for a in app.attempts} == {"done"}
        assert all(offsets == sorted(offsets) for offsets in seen.values())
        assert sum(map(len, seen.values())) == 60

    work(handler, scenario, output=None, ordering="partition")
