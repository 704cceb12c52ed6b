"""Where each topic, processor and connector stands in the picture of a topology: columns from left to right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from penstock.topology.model import Topology

Kind = Literal["topic", "processor"]
WIDTHS: Final = {"topic": 170, "processor": 220}
HEIGHTS: Final = {"topic": 44, "processor": 108}
_GAP_X, _GAP_Y, _MARGIN = 72, 22, 12


@dataclass(frozen=True, slots=True)
class Node:
    """One box; `x` and `y` are its upper left corner in the picture's own units."""

    kind: Kind
    name: str
    x: int
    y: int

    @property
    def width(self) -> int:
        """By its kind."""
        return WIDTHS[self.kind]

    @property
    def height(self) -> int:
        """By its kind."""
        return HEIGHTS[self.kind]


@dataclass(frozen=True, slots=True)
class Edge:
    """From a topic to a processor that reads it (`processor` says which), or from one to a topic it writes."""

    path: str
    processor: str
    reads: bool
    label_x: int
    label_y: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The whole picture."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    width: int
    height: int


_Name = tuple[Kind, str]


def graph_of(topology: Topology) -> Graph:
    """The picture of a topology: a topic stands left of who reads it and right of who writes it."""
    arrows = list(_arrows(topology))
    columns = _columns(topology, arrows)
    nodes = _placed(columns)
    edges = tuple(_edge(nodes[start], nodes[end]) for start, end in arrows)
    width = max((node.x + node.width for node in nodes.values()), default=0) + _MARGIN
    height = max((node.y + node.height for node in nodes.values()), default=0) + _MARGIN
    return Graph(tuple(nodes.values()), edges, width, height)


def _arrows(topology: Topology) -> list[tuple[_Name, _Name]]:
    found: list[tuple[_Name, _Name]] = []
    for processor in topology.processors.values():
        me: _Name = ("processor", processor.name)
        found += [(("topic", topic), me) for topic in processor.topics]
        written = [*([processor.output] if processor.output else []), *processor.emits]
        found += [(me, ("topic", topic)) for topic in dict.fromkeys(written)]
    return found


def _columns(topology: Topology, arrows: list[tuple[_Name, _Name]]) -> list[list[_Name]]:
    """Each node one column right of what leads to it; where topics and processors form a circle, as far as it goes."""
    names: list[_Name] = [("topic", name) for name in topology.topics]
    names += [("processor", name) for name in topology.processors]
    depth: dict[_Name, int] = dict.fromkeys([*names, *(one for arrow in arrows for one in arrow)], 0)
    for _ in range(len(depth)):
        moved = False
        for start, end in arrows:
            if depth[end] <= depth[start] < len(depth):
                depth[end] = depth[start] + 1
                moved = True
        if not moved:
            break
    levels = sorted(set(depth.values()))
    return [[name for name, found in depth.items() if found == level] for level in levels]


def _placed(columns: list[list[_Name]]) -> Mapping[_Name, Node]:
    tallest = max((_height(column) for column in columns), default=0)
    placed: dict[_Name, Node] = {}
    x = _MARGIN
    for column in columns:
        y = _MARGIN + (tallest - _height(column)) // 2
        for kind, name in column:
            placed[kind, name] = Node(kind, name, x, y)
            y += HEIGHTS[kind] + _GAP_Y
        x += max(WIDTHS[kind] for kind, _ in column) + _GAP_X
    return placed


def _height(column: list[_Name]) -> int:
    return sum(HEIGHTS[kind] + _GAP_Y for kind, _ in column) - _GAP_Y


def _edge(start: Node, end: Node) -> Edge:
    x1, y1 = start.x + start.width, start.y + start.height // 2
    x2, y2 = end.x, end.y + end.height // 2
    bend = max((x2 - x1) // 2, 36)
    reads = end.kind == "processor"
    path = f"M {x1} {y1} C {x1 + bend} {y1}, {x2 - bend} {y2}, {x2} {y2}"
    return Edge(path, end.name if reads else start.name, reads, (x1 + x2) // 2, (y1 + y2) // 2 - 6)
