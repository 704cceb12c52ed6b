"""The partitioner `murmur2_random`: the key's murmur2 hash as Java, Connect and Debezium compute it; no key: any."""

from __future__ import annotations

import random
from typing import Final

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit murmur2 hash of `data` (unsigned), with the seed of Kafka's Java clients."""
    whole = len(data) & ~3
    found = _SEED ^ len(data)
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _MIX & _WORD
        word = (word ^ word >> 24) * _MIX & _WORD
        found = found * _MIX & _WORD ^ word
    if whole < len(data):
        found = (found ^ int.from_bytes(data[whole:], "little")) * _MIX & _WORD
    found = (found ^ found >> 13) * _MIX & _WORD
    return found ^ found >> 15


def partition_for(key: bytes | None, partitions: int, chance: random.Random) -> int:
    """The partition of a record: by its key where it has one (an empty key is a key), else by `chance`."""
    if key is None:
        return chance.randrange(partitions)
    return (murmur2(key) & 0x7FFFFFFF) % partitions
