"""A bad week for the in-memory keeper itself: whatever happens to clients, its own promises hold, seed by seed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys

import pytest

from penstock.broker.contract import Commit, GroupSettings, NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.faults import Fate, NoFaults, Outcome
from penstock.errors import BrokerError
from penstock.record import Outgoing
from penstock.testing.virtual_time import run_virtual


class Weather(NoFaults):
    """Failures and delays by chance, until it clears up."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.bad = True

    def _fate(self):
        if not self.bad or self.chance.random() < 0.7:
            return Fate()
        outcome = self.chance.choice([Outcome.DONE, Outcome.FAILED, Outcome.UNANSWERED])
        return Fate(outcome, self.chance.choice([0, 0.01, 3.0]))

    def produce(self, client_id, record):
        return self._fate()

    def commit(self, client_id, commits):
        return self._fate()

    def fetch(self, client_id, partitions):
        return self._fate()

    def heartbeat(self, client_id):
        return not self.bad or self.chance.random() < 0.8


class Follower:
    """A member that finishes each record at once and commits behind it, as a small engine would."""

    def __init__(self, broker, name, seen):
        self.seen, self.next, self.alive = seen, {}, True
        self.member = broker.member(GroupSettings("g", name, failover=5.0))
        self.member.demand(1_000_000)

    def received(self, records):
        assert self.alive, "a crashed member is called back"
        for record in records:
            assert record.source in self.next, "a record of a partition that is not assigned"
            assert record.offset >= self.next[record.source], "a record out of order"
            self.next[record.source] = record.offset + 1
            self.seen[record.value] = self.seen.get(record.value, 0) + 1

    async def assigned(self, partitions):
        assert self.alive
        await asyncio.sleep(0.01)
        self.next.update({one.partition: one.start for one in partitions})

    async def revoked(self, partitions):
        assert self.alive
        await self.commit(partitions)
        for at in partitions:
            del self.next[at]

    async def commit(self, partitions):
        with contextlib.suppress(BrokerError):  # what is not committed is read again
            await self.member.commit([Commit(at, self.next[at]) for at in partitions])

    def lost(self, partitions):
        assert self.alive
        for at in partitions:
            self.next.pop(at)

    def truncated(self, partition, next_offset, lost):
        raise AssertionError("nothing is truncated here")

    def disturbed(self, problem):
        pass

    def failed(self, error):
        raise error


async def send_until_done(producer, record):
    while True:
        try:
            return await producer.send(record)
        except BrokerError:
            await asyncio.sleep(0.5)


async def bad_week(clock, seed):
    chance, weather, seen, log = random.Random(seed), Weather(seed), {}, []
    broker = InMemoryBroker(clock, seed=seed, faults=weather)
    await broker.admin().create_topics([NewTopic("t", 5)])
    followers, values, producer = [], [b"%d" % number for number in range(200)], broker.producer()
    sending = [asyncio.create_task(send_until_done(producer, Outgoing("t", v[-1:], v))) for v in values]
    for number in range(25):
        what = chance.choice(["join", "join", "leave", "crash", "expire", "commit", "commit"])
        one = chance.choice(followers) if followers else None
        log.append((round(clock.monotonic(), 6), what, len(followers), len(seen)))
        if what == "join" and len(followers) < 4:
            followers.append(Follower(broker, f"f{number}", seen))
            await followers[-1].member.join(["t"], followers[-1])
        elif one and what == "leave":
            followers.remove(one)
            await one.member.leave()
        elif one and what == "crash":
            followers.remove(one)
            broker.crash(one.member)
            one.alive = False
        elif one and what == "expire":
            broker.expire(one.member)
        elif one and what == "commit":
            await one.commit(list(one.next))
        await asyncio.sleep(chance.choice([0, 0.1, 4.0]))
    weather.bad = False
    last = Follower(broker, "last", seen)
    await last.member.join(["t"], last)
    await asyncio.gather(*sending)
    await asyncio.sleep(30)  # virtual; every session that can end has ended, and all has been handed over
    assert len(seen) == len(values)
    owned = [at for one in [*followers, last] for at in one.next]
    assert len(owned) == len(set(owned)) == 5
    log.append([(record.position, record.timestamp, record.value) for record in broker.records("t")])
    log.append(sorted(seen.items()))
    await broker.close()
    return log


@pytest.mark.parametrize("seed", range(40))
def test_every_record_is_seen_and_every_partition_owned_once_after_the_storm(seed):
    run_virtual(lambda clock: bad_week(clock, seed))


def test_a_seed_replays_exactly_also_in_another_process():
    program = (
        "import runpy; from penstock.testing.virtual_time import run_virtual;"
        f"week = runpy.run_path({__file__!r})['bad_week'];"
        "print(run_virtual(lambda clock: week(clock, 7)))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert len(said[0]) > 1000
