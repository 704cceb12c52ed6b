"""The machine and the versions, as they belong beside every figure."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import confluent_kafka

from penstock.local_kafka import KAFKA_VERSION
from penstock.local_kafka.java import find_java

PACKAGES = ("penstock", "confluent-kafka", "orjson", "uvloop")


def describe() -> list[tuple[str, str]]:
    """(what, value) rows."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return [
        ("processor", f"{_processor()}, {cores} cores; broker and clients share them"),
        ("memory", f"{_memory_gib():.0f} GiB"),
        ("system", f"{platform.system()} {platform.release()}"),
        ("load before the run", load),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("broker", f"Apache Kafka {KAFKA_VERSION}, one node on loopback, {_java()}"),
        ("librdkafka", confluent_kafka.libversion()[0]),
        *((name, _version(name)) for name in PACKAGES),
    ]


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _java() -> str:
    said = subprocess.run([find_java(), "-version"], capture_output=True, text=True, check=False).stderr
    return said.splitlines()[0] if said else "Java"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
