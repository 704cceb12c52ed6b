"""Writes docs/reliability.md: what came out of every fault, when, on what, and by which command."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import confluent_kafka

from penstock.local_kafka import KAFKA_VERSION
from tests.crash.outcome import Outcome, table

_PAGE = """# Reliability: what was tried, and what came out

Written by `{command}` on {day}, in {minutes}. Do not edit: run it again.

Every line below is a fault caused on purpose, with real worker processes on a real Apache Kafka {kafka} (one node, one
replica), repeated with different seeds. Each handler writes a line when it starts and one when it ends; from these
lines, and from what the broker acknowledged to the sender, everything in the table is counted. `failover` is 6 s.

{table}

{failures}

- **sent**: acknowledged by the broker. **done**: the handler ended well at least once. **lost**: sent, neither done nor
  a dead letter. Where records were removed from the log on purpose, they do not count as sent.
- **done twice**: attempts started once more after they had started already. **allowed**: what the promise permits, that
  is the runs in hand of a process when it went away, and those that had ended less than 0.3 s before (1.2 s while
  many end in a second), since commits are made that often. A repeat beyond these fails the run.
- **seconds until running again**: from the fault to the first run that ended elsewhere, on a partition left behind;
  least / median / most.

{machine}.
"""


def write(page: Path, outcomes: Sequence[Outcome], failures: Sequence[str], seconds: float) -> None:
    """Write the page."""
    page.write_text(
        _PAGE.format(
            command=f"make crash SEEDS={os.environ['PENSTOCK_CRASH_SEEDS']}",
            day=f"{datetime.now(UTC):%Y-%m-%d}",
            minutes=f"{seconds / 60:.0f} minutes",
            kafka=KAFKA_VERSION,
            table=table(outcomes),
            failures=_said(len(outcomes), failures),
            machine=(
                f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}, Python "
                f"{platform.python_version()}, confluent-kafka {confluent_kafka.__version__}"
            ),
        )
    )


def _said(held: int, failures: Sequence[str]) -> str:
    """How many runs there were, and which of them are not in the table, since they broke a promise."""
    runs = f"{held + len(failures)} runs; {len(failures) or 'none'} broke a promise"
    if not failures:
        return f"{runs}."
    return "\n".join([f"**{runs}** and are not in the table:\n", *(f"- {one}" for one in failures)])
