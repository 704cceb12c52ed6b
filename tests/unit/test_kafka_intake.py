"""The loop's side of a member: demand is never exceeded, pauses hold, nothing is lost or repeated on the way."""

from __future__ import annotations

import asyncio
import random

from penstock.broker.kafka.intake import Intake
from penstock.record import Record, TopicPartition

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


class Ear:
    def __init__(self):
        self.records = []

    def received(self, records):
        self.records.extend(records)

    def offsets(self, source):
        return [record.offset for record in self.records if record.source == source]


def records(source, first, count):
    return [Record(*source, offset, 0, None, None) for offset in range(first, first + count)]


def held(test):
    async def run():
        ear = Ear()
        intake = Intake(lambda: None)
        intake.open(ear)
        await test(intake, ear)

    asyncio.run(run())


def test_what_exceeds_the_figure_waits_and_comes_first_later():
    async def test(intake, ear):
        intake.demand(3)
        intake.arrive(records(A, 0, 5), {A})
        assert ear.offsets(A) == [0, 1, 2]
        intake.demand(1)
        assert ear.offsets(A) == [0, 1, 2], "not inside the call that asks"
        await asyncio.sleep(0)
        assert ear.offsets(A) == [0, 1, 2, 3]
        intake.demand(10)
        intake.arrive(records(A, 5, 2), {A})
        assert ear.offsets(A) == list(range(7))

    held(test)


def test_the_ceiling_counts_what_is_on_its_way_and_what_waits():
    async def test(intake, ear):
        intake.demand(5)
        assert intake.ceiling == 5
        intake.arrive(records(A, 0, 5), {A})
        assert intake.ceiling == 5, "all that was asked for was handed over"
        intake.demand(2)
        assert intake.ceiling == 7
        intake.demand(0)
        intake.arrive(records(A, 5, 2), {A})
        assert intake.ceiling == 5, "two too many were handed over"
        intake.demand(2)
        await asyncio.sleep(0)
        assert intake.ceiling == 7
        assert len(ear.records) == 7

    held(test)


def test_paused_records_are_held_back_and_leave_the_figure_to_the_others():
    async def test(intake, ear):
        intake.demand(4)
        intake.pause([A])
        intake.arrive([*records(A, 0, 3), *records(B, 0, 3)], {A, B})
        assert ear.offsets(A) == []
        assert ear.offsets(B) == [0, 1, 2]
        assert intake.ceiling == 6 + 1
        intake.resume([A])
        await asyncio.sleep(0)
        assert ear.offsets(A) == [0]
        intake.demand(9)
        intake.arrive(records(A, 3, 1), {A})
        assert ear.offsets(A) == [0, 1, 2, 3]

    held(test)


def test_a_jump_is_told_between_the_records_before_and_behind_it():
    async def test(intake, ear):
        order = []
        intake.demand(1)
        intake.arrive(records(A, 0, 2), {A})
        intake.notice(A, lambda: order.append(("jump", len(ear.records))))
        intake.arrive(records(A, 100, 1), {A})
        assert order == []
        intake.demand(5)
        await asyncio.sleep(0)
        assert order == [("jump", 2)]
        assert ear.offsets(A) == [0, 1, 100]

    held(test)


def test_what_was_not_delivered_is_forgotten_with_its_partition():
    async def test(intake, ear):
        intake.pause([A])
        intake.arrive([*records(A, 0, 2), *records(B, 0, 2)], {A, B})
        intake.forget([A, B])
        assert intake.paused_now == frozenset()
        intake.demand(10)
        intake.resume([A, B])
        await asyncio.sleep(0)
        assert ear.records == []
        assert intake.ceiling == 4 + 10

    held(test)


def test_random_orders_deliver_everything_once_and_in_order():
    dice = random.Random(7)

    async def test(intake, ear):
        handed = {A: 0, B: 0}
        total = 0
        credit = 0
        for _ in range(2000):
            match dice.randrange(5):
                case 0:
                    credit = dice.randrange(6)
                    delivered = len(ear.records)
                    intake.demand(credit)
                case 1:
                    intake.pause([dice.choice([A, B])])
                case 2:
                    intake.resume([dice.choice([A, B])])
                case _:
                    budget = intake.ceiling - total
                    if budget > 0:
                        source, count = dice.choice([A, B]), dice.randint(1, budget)
                        batch = records(source, handed[source], count)
                        handed[source] += count
                        total += count
                        intake.arrive(batch, {source})
            await asyncio.sleep(0)
            if credit or ear.records:
                assert len(ear.records) - delivered <= credit
        intake.resume([A, B])
        intake.demand(10_000)
        await asyncio.sleep(0)
        assert ear.offsets(A) == list(range(handed[A]))
        assert ear.offsets(B) == list(range(handed[B]))
        assert total > 100

    held(test)
