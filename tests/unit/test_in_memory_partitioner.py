"""The murmur2 of Kafka's Java client, by the vectors its own tests publish."""

from __future__ import annotations

import random

import pytest

from penstock.broker.in_memory.partitioner import murmur2, partition_for


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_java_s(key, signed):
    assert murmur2(key) == signed & 0xFFFFFFFF


def test_a_key_always_has_one_partition_and_an_empty_key_is_a_key():
    chance = random.Random(1)
    for key in (b"", b"k", b"\xff" * 9):
        assert len({partition_for(key, 12, chance) for _ in range(50)}) == 1


def test_no_key_means_any_partition():
    chance = random.Random(1)
    assert {partition_for(None, 4, chance) for _ in range(200)} == {0, 1, 2, 3}
