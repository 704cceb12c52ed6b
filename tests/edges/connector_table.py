"""Writes rows of the table of docs/connectors.md: `python -m tests.edges.connector_table [NAME ...] [--seeds 20]`.

Needs what the connectors need: PostgreSQL, Redis, a Kafka for the gateway. Rows of connectors that are not named stay.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "gateway"))

import connector_cases as cases
import gateway_kills
import http_sink_case
from postgres_server import PostgresServer
from redis_server import RedisServer

from penstock import local_kafka
from penstock.testing.connector_kit import Verdict, trial

PAGE = Path(__file__).parents[2] / "docs" / "connectors.md"
BEGIN, END = "<!-- crash table: begin -->", "<!-- crash table: end -->"
HEAD = (
    "| connector | runs | events | kills | lost | duplicates | under another `ce_id` |\n|---|---|---|---|---|---|---|\n"
)
PLACES = "\n\nWhere they were killed (the line that was being awaited, and how often):\n\n```text\n"
_ROW = re.compile(r"^\| `(\w+)` \|.*\|$", re.MULTILINE)
_PLACE = re.compile(r"^(\w+) +\d+  .*$", re.MULTILINE)


class Outsides:
    """The servers, each started when it is first needed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack

    def _started(self, server: PostgresServer | RedisServer) -> str:
        if missing := server.missing():
            sys.exit(missing)
        self._stack.callback(server.stop)
        return server.start()

    def postgres(self) -> str:
        return self._started(PostgresServer())

    def redis(self) -> str:
        return self._started(RedisServer(self.folder))

    def kafka(self) -> str:
        data = self.folder / "kafka"
        self._stack.callback(local_kafka.wipe, data)
        return local_kafka.start(data, jvm=local_kafka.SHORT_LIVED).bootstrap


def plays(at: Outsides, seeds: int) -> dict[str, Callable[[], Verdict]]:
    """Each connector's runs, added up."""

    def sent_out() -> Verdict:
        with http_sink_case.receiver() as heard:
            return trial(http_sink_case.http_sink(at.folder, heard), seeds=seeds)

    return {
        "cron": lambda: trial(cases.cron(at.folder), seeds=seeds),
        "file_source": lambda: trial(cases.file_source(at.folder), seeds=seeds),
        "file_sink": lambda: trial(cases.file_sink(at.folder), seeds=seeds),
        "http_source": lambda: gateway_kills.play(at.folder, at.kafka(), range(seeds)),
        "http_sink": sent_out,
        "redis_stream": lambda: trial(cases.redis_stream(at.folder, at.redis()), seeds=seeds),
        "postgres_outbox": lambda: trial(cases.postgres_outbox(at.folder, at.postgres()), seeds=seeds),
        "postgres_sink": lambda: trial(cases.postgres_sink(at.folder, at.postgres()), seeds=seeds),
    }


def row(name: str, one: Verdict) -> str:
    return (
        f"| `{name}` | {one.runs} | {one.sent:,} | {one.kills} | {one.lost} | {one.duplicates} | {one.unrecognised} |"
    )


def placed(name: str, one: Verdict) -> str:
    return "\n".join(f"{name:16} {count:3}  {place}" for place, count in one.places.most_common())


def merged(text: str, found: dict[str, Verdict], order: list[str]) -> str:
    """The page with these rows and places; those of other connectors as they were."""
    head, rest = text.split(BEGIN)
    old, tail = rest.split(END)
    rows = {match[1]: match[0] for match in _ROW.finditer(old)} | {name: row(name, one) for name, one in found.items()}
    places: dict[str, str] = {}
    for match in _PLACE.finditer(old):
        places[match[1]] = "\n".join(filter(None, (places.get(match[1]), match[0])))
    places |= {name: placed(name, one) for name, one in found.items()}
    table = "\n".join(rows[name] for name in order if name in rows)
    killed = "\n".join(places[name] for name in order if places.get(name))
    return f"{head}{BEGIN}\n{HEAD}{table}{PLACES}{killed}\n```\n{END}{tail}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of connector types; without any, all")
    parser.add_argument("--seeds", type=int, default=20)
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    found: dict[str, Verdict] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        known = plays(Outsides(Path(folder), stack), asked.seeds)
        if unknown := set(asked.names) - known.keys():
            parser.error(f"no such connector: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        for name in asked.names or known:
            found[name] = known[name]()
            sys.stderr.write(f"{name}: {found[name]}\n")
            PAGE.write_text(
                merged(PAGE.read_text(encoding="utf-8"), {name: found[name]}, list(known)), encoding="utf-8"
            )
    return int(any(one.lost or one.unrecognised for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
