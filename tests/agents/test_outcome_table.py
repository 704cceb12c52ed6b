"""One event file through every framework: each event ends in the same outcomes, whichever framework it ran in."""

from __future__ import annotations

import json
import os
from pathlib import Path

from stage import FRAMEWORK, on_stage, outcomes, recovers, until

from penstock.testing import Behaviour, Rule

EVENTS = [json.loads(line) for line in (Path(__file__).parent / "events.jsonl").read_text().splitlines()]
DONE, PUT_OFF, BURIED = ["done"], ["deferred", "done"], ["dead_lettered rejected"]
EXPECTED = [DONE, DONE, *[PUT_OFF] * 6, *[BURIED] * 2]


def ends_of(event: dict) -> list[str]:
    """The outcomes of one event, on a stage of its own: attempts, then how it ended."""
    found: list[str] = []

    async def scenario(app, server):
        await app.send("tickets.new", {"text": event["text"]}, key="c1")
        if "script" in event and not event.get("always"):
            await until(lambda: outcomes(app), "the first attempt", 60)
            recovers(server)
        await app.settled("60s")
        reasons = [(letter.header("penstock-reason") or b"").decode() for letter in app.dead_letters("desk")]
        found.extend(f"{one} {reasons.pop(0)}" if one == "dead_lettered" else one for one in outcomes(app))

    rules = (Rule(then=Behaviour(**event["script"])),) if "script" in event else ()
    on_stage(scenario, *rules, timeout=6.0)
    return found


def test_every_event_ends_as_it_does_in_every_framework():
    ends = [ends_of(event) for event in EVENTS]
    if folder := os.environ.get("PENSTOCK_OUTCOMES"):
        (Path(folder) / f"{FRAMEWORK}.json").write_text(json.dumps(ends))

    assert ends == EXPECTED
