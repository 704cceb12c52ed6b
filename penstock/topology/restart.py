"""How a process is started again: a section of processors and connectors."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.topology.option import option


@dataclass(frozen=True, kw_only=True)
class Restart:
    """How `penstock up` starts a worker again that ended by itself; other groups are not touched by it."""

    initial: float = option(
        "duration", "Wait after the first crash; each further one doubles it.", default=0.5, least=0.01
    )
    max: float = option("duration", "No wait is longer.", default=30.0, least=0.01, most=3600)
    settled: float = option(
        "duration", "After so long a life the next crash counts as the first.", default=30.0, least=1
    )
    max_restarts: int | None = option(
        "count", "So many in a row, then it is left down, and said; absent: no end.", default=None, least=0
    )
