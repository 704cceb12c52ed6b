"""`batch:` gives a handler a list; it succeeds or fails as a whole, and only the bad record is retried or buried."""

import asyncio
import random
from collections import defaultdict

import pytest

from penstock import Context, Defer, Event, Reject
from penstock.errors import HandlerError
from penstock.topology.model import Batch

BATCH = Batch(max_records=8, max_wait=0.5)


def sent(count, keys=None):
    async def send(app):
        for n in range(count):
            await app.send("src", n, key=f"k{n % keys}" if keys else None)

    return send


def test_the_good_ones_are_done_once_and_the_bad_one_is_buried(work):
    calls, done = [], []

    async def handler(events: list[Event[int]], contexts: list[Context]):
        calls.append([event.data for event in events])
        if 5 in calls[-1]:
            raise ValueError("five")
        done.extend(calls[-1])

    async def scenario(app):
        await sent(16)(app)
        await app.settled()
        assert sorted(done) == [n for n in range(16) if n != 5]
        (letter,) = app.dead_letters("work")
        assert letter.value == b"5"
        assert letter.header("penstock-attempt") == b"3"
        assert max(map(len, calls)) == 8
        assert calls.count([5]) == 3  # alone at the end of each attempt, and its neighbours are spared the others
        assert len({attempt.run_id for attempt in app.attempts if attempt.outcome == "retried"}) == 1

    work(handler, scenario, output=None, batch=BATCH)


def test_a_batch_that_is_not_full_waits_no_longer_than_max_wait(work):
    sizes = []

    async def handler(events):
        sizes.append(len(events))

    async def scenario(app):
        began = app.clock.monotonic()
        await sent(3)(app)
        await app.settled()
        assert sizes == [3]
        assert app.clock.monotonic() - began < 2

    work(handler, scenario, output=None, batch=BATCH)


def test_records_of_one_key_stand_in_order_and_in_one_call_at_a_time(work):
    chance = random.Random(3)
    running, seen, sizes = set(), defaultdict(list), []

    async def handler(events):
        keys = {event.key for event in events}
        assert not keys & running, "a key in two calls at once"
        running.update(keys)
        await asyncio.sleep(chance.random())
        running.difference_update(keys)
        sizes.append(len(events))
        for event in events:
            seen[event.key].append(event.data)

    async def scenario(app):
        await sent(200, keys=3)(app)
        await app.settled()
        assert dict(seen) == {f"k{k}": list(range(k, 200, 3)) for k in range(3)}
        assert sum(sizes) == 200
        assert max(sizes) > 3  # one key does not make batches of one

    work(handler, scenario, output=None, batch=BATCH)


def test_what_is_returned_and_emitted_belongs_to_its_own_event(work):
    async def handler(events, contexts):
        for event, ctx in zip(events, contexts, strict=True):
            ctx.emit("out", {"emitted": event.data})
        if any(event.data == 2 for event in events):
            raise ValueError("two")
        return [Reject("odd") if event.data % 2 else {"returned": event.data} for event in events]

    async def scenario(app):
        await sent(4)(app)
        await app.settled()
        causes = defaultdict(list)
        for event in app.events("out"):
            causes[event.causation_id].append(event.data)
        assert sorted(causes.values(), key=str) == [[{"emitted": 0}, {"returned": 0}]]  # nothing of what failed
        assert len({event.id for event in app.events("out")}) == 2
        assert sorted(letter.value for letter in app.dead_letters("work")) == [b"1", b"2", b"3"]

    work(handler, scenario, batch=BATCH)


def test_a_deferral_is_said_of_the_whole_batch(work):
    calls = []

    async def handler(events):
        calls.append(len(events))
        if len(calls) == 1:
            raise Defer("away", after="30s")

    async def scenario(app):
        await sent(8)(app)
        await app.settled()
        assert calls[0] == 8
        assert sum(calls[1:]) == 8
        assert [a.outcome for a in app.attempts].count("deferred") == 8

    work(handler, scenario, output=None, batch=BATCH)


def test_a_batch_that_takes_too_long_is_cancelled_and_halved(work):
    done = []

    async def handler(events):
        if any(event.data == 3 for event in events):
            await asyncio.sleep(1000)
        done.extend(event.data for event in events)

    async def scenario(app):
        await sent(8)(app)
        await app.settled()
        assert sorted(done) == [0, 1, 2, 4, 5, 6, 7]
        assert [letter.value for letter in app.dead_letters("work")] == [b"3"]

    work(handler, scenario, output=None, batch=BATCH, timeout=2.0)


@pytest.mark.parametrize("seed", range(5))
def test_killed_in_the_middle_of_batches_nothing_is_lost(work, seed):
    done = defaultdict(int)
    luck = random.Random(seed)

    async def handler(events):
        await asyncio.sleep(luck.random())
        if luck.random() < 0.2:
            raise ValueError("by chance")
        for event in events:
            done[event.data] += 1

    async def scenario(app):
        await sent(120, keys=30)(app)
        for _ in range(3):
            await asyncio.sleep(luck.uniform(0.2, 3))
            app.crash(luck.choice(app.workers))
            await app.start("work")
        await app.settled()
        lost = set(range(120)) - set(done) - {int(letter.value) for letter in app.dead_letters("work")}
        assert lost == set()

    work(handler, scenario, output=None, batch=BATCH, workers=2, seed=seed)


def test_a_handler_that_yields_cannot_be_given_batches(work):
    async def handler(events):
        yield 1

    with pytest.raises(HandlerError, match="yields"):
        work(handler, sent(1), batch=BATCH)


def test_plain_functions_take_batches_too(work):
    sizes = []

    def handler(events: list[Event[int]]):
        sizes.append(len(events))

    async def scenario(app):
        await sent(8)(app)
        await app.settled()
        assert sum(sizes) == 8

    work(handler, scenario, output=None, batch=BATCH)
