"""Which options a memory has, by its `type`."""

from __future__ import annotations

from penstock.errors import Problem
from penstock.topology.document import MapNode, Node, ScalarNode
from penstock.topology.marks import Mark, Marks
from penstock.topology.memory_options import MEMORIES, MemoryOptions
from penstock.topology.scalars import is_null
from penstock.topology.wording import did_you_mean, listed, quoted


def memory_kind(name: str, node: Node, mark: Mark, marks: Marks) -> type[MemoryOptions] | Problem | None:
    """The options of a memory, or what is wrong with its `type`; None: said already."""
    said = node.entries.get("type") if isinstance(node, MapNode) else None
    if said is None or not isinstance(said[1], ScalarNode) or is_null(said[1]):
        return marks.problem(mark, f"memory {quoted(name)} has no type", "write { type: sqlite }")
    if said[1].unread:
        return None
    found = MEMORIES.get(said[1].text)
    if found is None:
        hint = did_you_mean(said[1].text, MEMORIES, f"there are {listed(MEMORIES)}")
        return marks.problem(said[1].mark, f"unknown memory type {quoted(said[1].text)}", hint)
    return found
