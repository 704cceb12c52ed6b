"""The topic settings Kafka knows, their defaults, and what is wrong with others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CONFIG_DEFAULTS: Final[Mapping[str, str]] = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "delete.retention.ms": "86400000",
    "file.delete.delay.ms": "60000",
    "flush.messages": "9223372036854775807",
    "flush.ms": "9223372036854775807",
    "index.interval.bytes": "4096",
    "max.compaction.lag.ms": "9223372036854775807",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "min.cleanable.dirty.ratio": "0.5",
    "min.compaction.lag.ms": "0",
    "min.insync.replicas": "1",
    "preallocate": "false",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "1073741824",
    "segment.ms": "604800000",
    "unclean.leader.election.enable": "false",
}
_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "compression.type": frozenset({"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"}),
    "message.timestamp.type": frozenset({"CreateTime", "LogAppendTime"}),
    "preallocate": frozenset({"true", "false"}),
    "unclean.leader.election.enable": frozenset({"true", "false"}),
}


def objection(configs: Mapping[str, str | None]) -> str:
    """The reason to refuse the first of these settings that is wrong, or ''. None stands for the default."""
    for name, value in configs.items():
        if name not in CONFIG_DEFAULTS:
            return f"unknown topic setting {name}"
        if value is not None and not _fits(name, value):
            return f"invalid value {value!r} for the topic setting {name}"
    return ""


def _fits(name: str, value: str) -> bool:
    if name == "cleanup.policy":
        return bool(value) and {part.strip() for part in value.split(",")} <= {"delete", "compact"}
    if name in _WORDS:
        return value in _WORDS[name]
    try:
        float(value) if "ratio" in name else int(value)
    except ValueError:
        return False
    return True
