"""Under `penstock up`: one group in a crash loop, one that outgrows its memory, and a third that notices neither."""

from __future__ import annotations

import json
import re
import signal
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.crash.fleet import Fleet
from tests.crash.load import Load, lasting
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import faults

RATE, WINDOW = 40.0, 3.0  # events a second; seconds
EATEN = 14  # events that leave 20 MiB behind, each
CEILING = 160  # MiB; a worker that has done nothing holds about 60
FALLING = '''
"""A group that dies whenever it starts, and one that keeps what it should let go."""
import asyncio, json, os

class Falls:
    async def setup(self):
        os._exit(3)
    async def __call__(self, event):
        raise AssertionError("it is never up")

held = []

async def grows(event):
    held.append(b"x" * (20 << 20))
    await asyncio.sleep(0.4)
    with open(os.environ["CRASH_LEDGER"] + ".grown", "a") as file:
        file.write(json.dumps([event.data["n"], os.getpid()]) + "\\n")
'''


class ThreeGroups(Fleet):
    """The app, and two groups beside it that cannot live."""

    def _write(self, partitions: int, kafka: Mapping[str, Any], processor: Mapping[str, Any]) -> None:
        super()._write(partitions, kafka, processor)
        (self.folder / "falling.py").write_text(FALLING)
        path = self.folder / "topology.yaml"
        app = yaml.safe_load(path.read_text())
        self.grown = f"grown-{uuid.uuid4().hex[:10]}"
        app["topics"][self.grown] = {"partitions": 2, "type": "asked"}
        soon = {"initial": "500ms", "max": "1s"}
        shared = {"topics": [self.grown], "restart": soon, "failover": "6s"}
        app["processors"]["falls"] = {**shared, "handler": "falling:Falls"}
        app["processors"]["grows"] = {
            **shared,
            "handler": "falling:grows",
            "memory_limit": f"{CEILING}MiB",
            "concurrency": 1,
        }
        path.write_text(yaml.safe_dump(app))

    def grown_by(self) -> dict[int, set[int]]:
        """Which processes did which of the events that grow."""
        path = Path(f"{self.ledger.path}.grown")
        found: dict[int, set[int]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            number, pid = json.loads(line)
            found.setdefault(number, set()).add(pid)
        return found


def beside_falling_groups(bootstrap: str, folder: Path, seed: int) -> Outcome:
    with ThreeGroups(folder, bootstrap, seed, replicas=1) as fleet:
        up = fleet.launch("up")
        with fleet.load(rate=RATE, what=lasting(0.01, 0.05)):
            fleet.until(lambda: fleet.ledger.done, "the neighbour works")
            growing = Load(bootstrap, fleet.grown, type(fleet.ledger)(folder / "unused"), seed, rate=0)
            asked = set(growing.send(EATEN))
            fleet.until(lambda: asked <= set(fleet.grown_by()), "what grows is done, over several lives")
            fleet.until(lambda: up.said().count("ended with code 3") >= 3, "the other falls again and again")
        fleet.until_done()
        said, grown = up.said(), fleet.grown_by()
        up.signal(signal.SIGTERM)
        assert up.ended() == 0
        kills = len(re.findall(rf"its memory_limit is {CEILING} MiB; killed", said))
        lives = len({pid for pids in grown.values() for pid in pids})
        assert kills >= 2, said[-3000:]
        assert lives >= 3
        pids = {line.pid for line in fleet.ledger.lines}
        assert len(pids) == 1, "the neighbour is one process from beginning to end"
        assert slowest(fleet) >= 0.6 * RATE * WINDOW, "the neighbour goes on at the pace of its load"
        return settle(fleet, f"one group falls, one outgrows its memory ({kills} times)")


def slowest(fleet: Fleet) -> int:
    """The fewest events that the neighbour ended in a window, while there was load."""
    ends = [line.time for line in fleet.ledger.of("end")]
    windows = int((ends[-1] - ends[0]) / WINDOW)
    counts = [0] * (windows + 1)
    for time in ends:
        counts[int((time - ends[0]) / WINDOW)] += 1
    return min(counts[:windows], default=0)


@faults(beside_falling_groups, slow=True)
def test_a_group_that_falls_slows_no_other(outcomes):
    assert all(one.twice == 0 and one.lost == 0 for one in outcomes)
