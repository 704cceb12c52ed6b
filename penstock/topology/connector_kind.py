"""Which options a connector has, by its `type`: one of ours, or the app's own, which is imported only where asked."""

from __future__ import annotations

from pathlib import Path

from penstock.errors import PenstockError, Problem
from penstock.topology.built_in import BUILT_IN, Load
from penstock.topology.connector_options import ConnectorOptions, SinkOptions, SourceOptions
from penstock.topology.document import MapNode, Node, ScalarNode
from penstock.topology.marks import Mark, Marks
from penstock.topology.scalars import is_null
from penstock.topology.wording import did_you_mean, listed, quoted

Kind = type[ConnectorOptions]


class ConnectorKinds:
    """Finds the options of connectors. `load` imports the app's own; without it their own keys are not looked at."""

    def __init__(self, marks: Marks, directory: Path, load: Load | None) -> None:
        self._marks = marks
        self._directory = directory
        self._load = load

    def of(self, name: str, node: Node, mark: Mark) -> tuple[Kind, bool] | Problem | None:
        """The options, and whether they are all the keys there are; or what is wrong; None: said already."""
        said = node.entries.get("type") if isinstance(node, MapNode) else None
        if said is None or not isinstance(said[1], ScalarNode) or is_null(said[1]):
            return self._marks.problem(
                mark, f"connector {quoted(name)} has no type", "write { type: http_source, ... }"
            )
        type_ = said[1]
        if type_.unread:
            return None
        if type_.text in BUILT_IN:
            return BUILT_IN[type_.text], True
        if ":" not in type_.text:
            hint = did_you_mean(type_.text, BUILT_IN, f"there are {listed(BUILT_IN)}; your own is module:attribute")
            return self._marks.problem(type_.mark, f"unknown connector type {quoted(type_.text)}", hint)
        if self._load is None:
            assert isinstance(node, MapNode)
            return (SinkOptions if "topics" in node.entries else SourceOptions), False
        try:
            return self._load(type_.text, self._directory), True
        except PenstockError as error:
            return self._marks.problem(type_.mark, error.message, error.hint)
