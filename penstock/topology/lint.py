"""What a topology must mean, beyond its form. Needs no broker and imports no handler; every rule is one function."""

from __future__ import annotations

from penstock.errors import Problem
from penstock.topology import (
    lint_connectors,
    lint_http,
    lint_kafka,
    lint_memory,
    lint_names,
    lint_processors,
    lint_schemas,
)
from penstock.topology.marks import Marks
from penstock.topology.model import Topology

_FAMILIES = (lint_names, lint_connectors, lint_http, lint_kafka, lint_processors, lint_schemas, lint_memory)


def check(topology: Topology, marks: Marks) -> list[Problem]:
    """Every problem of meaning, in file order. What could not be read (`marks.spoiled`) is not judged twice."""
    problems: set[Problem] = set()
    for family in _FAMILIES:
        problems.update(family.check(topology, marks))
    return sorted(problems)
