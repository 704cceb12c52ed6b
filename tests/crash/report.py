"""Writes docs/reliability.md: what came out of every fault, when, on what, and by which command."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import confluent_kafka

from penstock.local_kafka import KAFKA_VERSION
from tests.crash.outcome import Outcome, table

_ENDURANCE = "## Endurance"
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

{endurance}"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What an endurance run came to: rows of a table, and what did not hold."""

    rows: tuple[tuple[str, str], ...]
    broken: tuple[str, ...]


def write(page: Path, outcomes: Sequence[Outcome], failures: Sequence[str], seconds: float) -> None:
    """Write the page; its part on endurance, which another command writes, stays."""
    page.write_text(
        _PAGE.format(
            command=f"make crash SEEDS={os.environ['PENSTOCK_CRASH_SEEDS']}",
            day=f"{datetime.now(UTC):%Y-%m-%d}",
            minutes=f"{seconds / 60:.0f} minutes",
            kafka=KAFKA_VERSION,
            table=table(outcomes),
            failures=_said(len(outcomes), failures),
            machine=_machine(),
            endurance=_split(page)[1],
        ).rstrip()
        + "\n"
    )


def write_endurance(page: Path, figures: Figures) -> None:
    """Write that part of the page."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in figures.rows)
    page.write_text(
        f"{_split(page)[0].rstrip()}\n\n{_ENDURANCE}\n\n"
        f"Written by `make endurance` on {datetime.now(UTC):%Y-%m-%d}. One worker "
        'process on a real Kafka, 12 partitions, 1,000\nat once; "early" is after the first 20,000 records, "after" '
        f"when all is done and nothing runs.\n\n| what | figure |\n|---|---|\n{rows}\n\n{_machine()}.\n"
    )


def _split(page: Path) -> tuple[str, str]:
    """The page before its part on endurance, and that part."""
    before, heading, after = page.read_text().partition(_ENDURANCE) if page.exists() else ("", "", "")
    return before, heading + after


def _machine() -> str:
    return (
        f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}, confluent-kafka {confluent_kafka.__version__}"
    )


def _said(held: int, failures: Sequence[str]) -> str:
    """How many runs there were, and which of them are not in the table, since they broke a promise."""
    runs = f"{held + len(failures)} runs; {len(failures) or 'none'} broke a promise"
    if not failures:
        return f"{runs}."
    return "\n".join([f"**{runs}** and are not in the table:\n", *(f"- {one}" for one in failures)])
