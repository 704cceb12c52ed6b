"""Writes the table of docs/connectors.md: `python -m tests.edges.connector_table`. Needs PostgreSQL and Redis."""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import connector_cases as cases
from postgres_server import PostgresServer
from redis_server import RedisServer

from penstock.testing.connector_kit import SinkCase, SourceCase, Verdict, trial

PAGE = Path(__file__).parents[2] / "docs" / "connectors.md"
BEGIN, END = "<!-- crash table: begin -->", "<!-- crash table: end -->"
SEEDS = 20


def verdicts(folder: Path, redis_url: str, dsn: str, seeds: int) -> dict[str, Verdict]:
    """Each connector's runs, added up."""
    made: dict[str, Callable[[], SourceCase | SinkCase]] = {
        "cron": lambda: cases.cron(folder),
        "file_source": lambda: cases.file_source(folder),
        "file_sink": lambda: cases.file_sink(folder),
        "redis_stream": lambda: cases.redis_stream(folder, redis_url),
        "postgres_outbox": lambda: cases.postgres_outbox(folder, dsn),
        "postgres_sink": lambda: cases.postgres_sink(folder, dsn),
    }
    found = {}
    for name, make in made.items():
        found[name] = trial(make(), seeds=seeds)
        sys.stderr.write(f"{name}: {found[name]}\n")
    return found


def table(found: dict[str, Verdict]) -> str:
    """One row per connector, then where each was killed."""
    lines = [
        "| connector | runs | events | kills | lost | duplicates | under another `ce_id` |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {one.runs} | {one.sent} | {one.kills} | {one.lost} | {one.duplicates} | {one.unrecognised} |"
        for name, one in found.items()
    ]
    lines += ["", "Where they were killed (the line that was being awaited, and how often):", "", "```text"]
    for name, one in found.items():
        lines += [f"{name:16} {count:3}  {place}" for place, count in one.places.most_common()]
    return "\n".join([*lines, "```"])


def main() -> int:
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    with tempfile.TemporaryDirectory() as folder:
        postgres, redis = PostgresServer(), RedisServer(Path(folder))
        if missing := postgres.missing() or redis.missing():
            sys.stderr.write(f"{missing}\n")
            return 1
        try:
            found = verdicts(Path(folder), redis.start(), postgres.start(), seeds)
        finally:
            redis.stop()
            postgres.stop()
    text = PAGE.read_text(encoding="utf-8")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{head}{BEGIN}\n{table(found)}\n{END}{tail}", encoding="utf-8")
    return int(any(one.lost or one.unrecognised for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
