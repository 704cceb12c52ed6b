"""Conversations on a real Kafka while workers are killed: is every history complete, in order, each turn once?

python -m tests.edges.memory.crash --backends sqlite,redis,postgres     # 1,000 conversations of 10 turns each
                                                                        # --page: the table of docs/memory.md
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

from penstock import local_kafka
from tests.edges.memory.crash_play import run

PAGE = Path(__file__).parents[3] / "docs" / "memory.md"


def write(rows: list[str]) -> None:
    """Put the rows of these backends into the table of the page; others stay as they are."""
    text = PAGE.read_text()
    for row in rows:
        name = row.split("|")[1]
        found = re.search(rf"^\|{re.escape(name)}\|[^\n]* s \|$", text, re.MULTILINE)
        if found:
            text = text.replace(found.group(), row)
        else:
            text = text.replace("<!-- crash table -->", f"{row}\n<!-- crash table -->")
    PAGE.write_text(text)


def main() -> int:
    """Every backend that is named, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", default="sqlite,redis,postgres")
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", action="store_true", help="write the table of docs/memory.md")
    asked = parser.parse_args()
    data = Path(tempfile.mkdtemp(prefix="penstock-kafka-")) / "data"
    kafka = local_kafka.start(data, jvm=local_kafka.SHORT_LIVED)
    outcomes = []
    try:
        for backend in asked.backends.split(","):
            outcomes.append(run(backend, kafka.bootstrap, asked.seed, asked.conversations, asked.turns, asked.kills))
            print(outcomes[-1].row(), json.dumps(vars(outcomes[-1])), flush=True)
    finally:
        local_kafka.wipe(data)
    if asked.page:
        write([one.row() for one in outcomes if one.holds])
    return 0 if all(one.holds for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
