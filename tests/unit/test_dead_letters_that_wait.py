"""How many dead letters wait: not those replayed or discarded; each is read once, and no old note hides a new entry."""

from __future__ import annotations

import asyncio

from replay_stage import GROUP, make, ours, run, waiting

from penstock.broker.contract import NewTopic
from penstock.dead_letter.discard import discard
from penstock.dead_letter.entries import Filters
from penstock.dead_letter.replay import plan_replay, replay
from penstock.dead_letter.selection import select
from penstock.dead_letter.waiting import LetterCount, LetterCounts
from penstock.record import Outgoing, TopicPartition
from penstock.testing.virtual_time import run_virtual

DLT = f"{GROUP}.dlt"


def test_what_was_replayed_or_discarded_waits_no_more():
    async def main(clock):
        broker = await make(clock, 7)
        counts = LetterCounts(broker)
        assert await counts.of(GROUP) == LetterCount(7, 7)
        await replay(broker, await plan_replay(broker, GROUP, filters=Filters(limit=3)), replay_id="r", clock=clock)
        assert await counts.of(GROUP) == LetterCount(4, 7)
        await discard(broker, await select(broker, GROUP, filters=Filters(limit=2)), replay_id="d", clock=clock)
        assert await counts.of(GROUP) == LetterCount(2, 7) == LetterCount(len(await waiting(broker)), 7)
        assert await LetterCounts(broker).of(GROUP) == LetterCount(2, 7), "who looks for the first time sees the same"
        await broker.admin().delete_records({TopicPartition(DLT, 0): 5})
        assert await counts.of(GROUP) == LetterCount(2, 2), "what was purged is gone from both figures"

    run_virtual(main)


def test_each_look_reads_only_what_is_new():
    async def main(clock):
        broker = await make(clock, 40)
        counts, reader, read = LetterCounts(broker), broker.reader(), []
        scan = reader.scan

        def counted(ranges):
            read.append(sum(last - first for first, last in ranges.values()))
            return scan(ranges)

        reader.scan = counted
        broker.reader = lambda: reader
        await run(broker, clock)
        read.clear()
        assert (await counts.of(GROUP)).waiting == 0
        assert sum(read) == 80, "forty notes, and the entries they name"
        for _ in range(3):
            assert (await counts.of(GROUP)).waiting == 0
        assert sum(read) == 80

    run_virtual(main)


def test_an_old_note_hides_no_entry_of_a_topic_made_anew():
    async def main(clock):
        broker = await make(clock, 3)
        counts = LetterCounts(broker)
        await run(broker, clock)
        assert await counts.of(GROUP) == LetterCount(0, 3)
        await broker.admin().delete_topics([DLT])
        assert await counts.of(GROUP) == LetterCount(0, 0)
        await broker.admin().create_topics([NewTopic(DLT, 1)])
        await broker.producer().send(Outgoing(DLT, b"k", b"new", ours(77)))
        assert await counts.of(GROUP) == await LetterCounts(broker).of(GROUP) == LetterCount(1, 1)

    run_virtual(main)


def test_of_a_source_all_waits_and_without_a_replay_topic_too():
    async def main(clock):
        broker = await make(clock, 2)
        await run(broker, clock)
        assert await LetterCounts(broker).of(GROUP, replayable=False) == LetterCount(2, 2)
        await broker.admin().delete_topics([f"{GROUP}.replay"])
        assert await LetterCounts(broker).of(GROUP) == LetterCount(2, 2)
        assert await LetterCounts(broker).of("nobody") == LetterCount()

    run_virtual(main)


def test_many_who_look_at_once_see_the_same():
    async def main(clock):
        broker = await make(clock, 5)
        counts = LetterCounts(broker)
        await run(broker, clock)
        assert set(await asyncio.gather(*(counts.of(GROUP) for _ in range(9)))) == {LetterCount(0, 5)}

    run_virtual(main)
