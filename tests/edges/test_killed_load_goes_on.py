"""`penstock send --file` killed with kill -9 amid a load: with --resume nothing is lost, nothing stands there twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest

from penstock.broker.kafka.keeper import KafkaBroker
from penstock.record import TopicPartition

LINES = 20_000
KILLS = 3
RATE = 5_000  # a second: so that there is an amid


class Topic:
    """What the load's topic holds."""

    def __init__(self, kafka: str, name: str) -> None:
        self.name = name
        self._kafka = kafka
        self._partitions = [TopicPartition(name, number) for number in range(3)]

    def count(self) -> int:
        async def main() -> int:
            broker = KafkaBroker({"bootstrap.servers": self._kafka})
            try:
                return sum(end.high for end in (await broker.admin().ends(self._partitions)).values())
            finally:
                await broker.close()

        return asyncio.run(main())

    def ids(self) -> Counter[bytes]:
        async def main() -> Counter[bytes]:
            broker = KafkaBroker({"bootstrap.servers": self._kafka})
            try:
                ends = await broker.admin().ends(self._partitions)
                ranges = {at: (end.low, end.high) for at, end in ends.items()}
                return Counter([record.header("ce_id") or b"" async for record in broker.reader().scan(ranges)])
            finally:
                await broker.close()

        return asyncio.run(main())


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_load_goes_on(tmp_path: Path, kafka: str, seed: int) -> None:
    chance = random.Random(seed)
    topic = f"load-{uuid.uuid4().hex[:8]}"
    there = Topic(kafka, topic)
    (tmp_path / "topology.yaml").write_text(
        f"version: 1\nname: {topic}\nkafka: {{ bootstrap.servers: '{kafka}' }}\n"
        f"topics: {{ {topic}: {{ partitions: 3, type: line }} }}\n"
    )
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps({"n": n, "k": n % 50}) + "\n" for n in range(LINES)))
    penstock = [sys.executable, "-m", "penstock"]
    subprocess.run([*penstock, "apply", "--yes", "-f", str(tmp_path)], check=True, capture_output=True, timeout=60)
    send = [*penstock, "send", topic, "--file", "lines.jsonl", "--key-field", "k", "-f", str(tmp_path)]
    killed = 0
    for _ in range(KILLS):
        before = there.count()
        words = [*send, "--rate", str(RATE), *(["--resume"] if killed else [])]
        load = subprocess.Popen(words, cwd=tmp_path, env={**os.environ}, stdout=subprocess.DEVNULL, stderr=-1)
        deadline = time.monotonic() + 60
        while there.count() < before + 500:
            assert load.poll() is None, load.communicate()[1]
            assert time.monotonic() < deadline, "nothing is written"
            time.sleep(0.1)
        time.sleep(chance.uniform(0, 0.4))
        load.kill()
        load.communicate()
        killed += 1
    assert 0 < there.count() < LINES, "it was killed amid the load"
    done = subprocess.run([*send, "--resume"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr
    written = there.ids()
    twice = written.total() - len(written)
    print(f"seed {seed}: {LINES} lines, killed {killed} times, in the log {written.total()}, twice {twice}")
    assert (len(written), twice) == (LINES, 0)
