"""What the workers on this host say of themselves: their own metrics, asked over loopback."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from penstock.deploy.local_workers import LocalWorker, running
from penstock.topology.model import Topology

_PATIENCE: Final = 1.0  # seconds for one worker
_LINE: Final = re.compile(r"penstock_(\w+)\{([^}]*)\} (\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(slots=True)
class LocalFigures:
    """The workers of one processor here: runs executing, their slots, and attempts since they started, by outcome."""

    running: int = 0
    slots: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


async def local_figures(topology: Topology) -> Mapping[str, LocalFigures]:
    """By processor; a worker that does not answer within a second is left out."""
    workers = [worker for worker in running(topology) if worker.port]
    texts = await asyncio.gather(*(asyncio.to_thread(_ask, worker) for worker in workers))
    found: dict[str, LocalFigures] = {}
    for worker, text in zip(workers, texts, strict=True):
        if text:
            _add(found.setdefault(worker.processor, LocalFigures()), text)
    return found


def _add(figures: LocalFigures, text: str) -> None:
    for name, labels, value in _LINE.findall(text):
        if name == "in_flight":
            figures.running += int(float(value))
        elif name == "concurrency":
            figures.slots += int(float(value))
        elif name == "runs_total":
            figures.outcomes[dict(_LABEL.findall(labels)).get("outcome", "")] += int(float(value))


def _ask(worker: LocalWorker) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=_PATIENCE) as answer:
            text: str = answer.read().decode()
            return text
    except (OSError, ValueError):
        return ""  # it ends, or is busy: the next look is two seconds away
