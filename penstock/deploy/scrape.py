"""What the workers of this host say of themselves: their metrics, asked over loopback."""

from __future__ import annotations

import re
import urllib.request
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from penstock.deploy.local_workers import LocalWorker

_WITHIN: Final = 1.0  # seconds
_SAMPLE: Final = re.compile(r"^penstock_([a-z_]+?)(?:_total)?\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_STATES: Final = ("closed", "half open", "open")  # by the numbers of penstock_breaker_state


@dataclass(frozen=True, slots=True)
class Gauges:
    """Of all workers of one processor on this host that answered: how many, what runs, breakers that are not closed.

    `slots` are how many may run at once, `outcomes` the attempts since the workers started. `breakers` are texts like
    "openai open" or "openai half open": the worst that any worker says of each.
    """

    workers: int
    running: float
    breakers: tuple[str, ...]
    slots: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


def scrape(workers: Iterable[LocalWorker]) -> dict[str, Gauges]:
    """By processor. Those that do not answer within a second are left out. It blocks: not for a loop."""
    found: dict[str, list[str]] = {}
    for worker in workers:
        if worker.port is None:
            continue
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=_WITHIN) as answer:
                found.setdefault(worker.processor, []).append(answer.read().decode())
        except (OSError, ValueError):
            continue
    return {processor: _gauges(texts) for processor, texts in found.items()}


def _gauges(texts: list[str]) -> Gauges:
    running, slots, worst, outcomes = 0.0, 0, dict[str, int](), Counter[str]()
    for name, labels, value in (sample for text in texts for sample in _SAMPLE.findall(text)):
        if name == "in_flight":
            running += float(value)
        elif name == "concurrency":
            slots += int(float(value))
        elif name == "runs":
            outcomes[dict(_LABEL.findall(labels))["outcome"]] += int(float(value))
        elif name == "breaker_state":
            breaker = dict(_LABEL.findall(labels))["breaker"]
            worst[breaker] = max(worst.get(breaker, 0), int(float(value)))
    breakers = tuple(f"{breaker} {_STATES[state]}" for breaker, state in sorted(worst.items()) if state)
    return Gauges(len(texts), running, breakers, slots, outcomes)
