"""Connectors: what their own options say is wrong with their values."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.errors import Problem
from penstock.topology.marks import Marks
from penstock.topology.model import Topology


def check(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """Every problem of one connector at a time; a sink is looked at as the processor that it is, too."""
    for name, connector in topology.connectors.items():
        path = ("connectors", name)
        if not marks.sound(*path):
            continue
        for key, message, hint in connector.problems():
            yield marks.problem(marks.value(*path, key), message, hint)
