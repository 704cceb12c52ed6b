"""YAML text to a tree of nodes that know their places: duplicate keys, aliases, merges and syntax are settled here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.composer import ComposerError

from penstock.errors import Problem
from penstock.topology.interpolation import Unset, interpolate
from penstock.topology.marks import START, Mark, Marks
from penstock.topology.wording import quoted

_DEEPEST: Final = 40
_MOST_NODES: Final = 50_000  # after aliases are followed: a small text can expand without end


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One scalar, `${...}` already replaced. `unread`: it has a problem already, and no value."""

    mark: Mark
    text: str
    plain: bool = True
    replaced: bool = False
    unread: bool = False


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapNode:
    """A map; each entry is the key's place and the value."""

    mark: Mark
    entries: Mapping[str, tuple[Mark, Node]]


Node = ScalarNode | ListNode | MapNode


class _Refused(Exception):
    """The document cannot be used at all."""

    def __init__(self, mark: Mark, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.mark, self.message, self.hint = mark, message, hint


def parse(text: str, marks: Marks, environ: Mapping[str, str]) -> tuple[Node | None, list[Problem]]:
    """The document's root (None where it is empty or unusable) and every problem of its form. Never raises."""
    builder = _Builder(marks, environ)
    try:
        root = _compose(text, builder)
        return (None if root is None else builder.build(root)), builder.problems
    except _Refused as refused:
        return None, [*builder.problems, marks.problem(refused.mark, refused.message, refused.hint)]


class _Loader(yaml.SafeLoader):
    """Composes nodes, bounded in depth; notes every explicit tag, since the declared kind of a key is its type."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.depth = 0
        self.tags: list[tuple[Mark, str]] = []

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        tag = getattr(event, "tag", None)
        if tag not in {None, "!"}:
            self.tags.append((_mark(event.start_mark), tag))
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ComposerError(None, None, f"nested more than {_DEEPEST} levels deep", event.start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark else START


def _compose(text: str, builder: _Builder) -> yaml.Node | None:
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = Mark(before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1)
        raise _Refused(mark, "a character that YAML does not allow", "remove control characters") from error
    except yaml.MarkedYAMLError as error:
        mark = _mark(error.problem_mark or error.context_mark)
        reason = error.problem or error.context or "syntax"
        if error.context and reason.startswith("but "):
            reason = f"{error.context}, {reason}"
        raise _Refused(mark, f"not YAML: {reason}", _syntax_hint(text, mark, reason)) from error
    except Exception as error:  # PyYAML trips over some texts (an escape beyond Unicode): the file is at fault
        mark = _mark(loader.get_mark()) if loader else START
        raise _Refused(mark, "not YAML: what stands here cannot be read", "check the escapes before it") from error
    for mark, tag in loader.tags:
        builder.report(mark, f"the tag {quoted(tag)} is not known", "tags are not used here; put a text in quotes")
    return root


def _syntax_hint(text: str, mark: Mark, reason: str) -> str:
    lines = text.split("\n")
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    if "${" in line and "{" in line.replace("${", ""):
        return 'inside { } put ${...} in quotes: "${NAME:-default}"'
    if "\t" in line or "\\t" in reason:
        return "YAML indents with spaces, never with tabs"
    if "mapping values" in reason:
        return "check the indentation, and put texts that hold ': ' in quotes"
    return ""


class _Builder:
    """Turns composed YAML nodes into ours; follows aliases, applies merges, fills in variables."""

    def __init__(self, marks: Marks, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._marks = marks
        self._environ = environ
        self._open: list[yaml.Node] = []
        self._count = 0

    def report(self, mark: Mark, message: str, hint: str = "") -> None:
        self.problems.append(self._marks.problem(mark, message, hint))

    def build(self, node: yaml.Node) -> Node:
        mark = _mark(node.start_mark)
        self._count += 1
        if self._count > _MOST_NODES:
            raise _Refused(mark, f"the file has more than {_MOST_NODES} values once its aliases are followed")
        if any(node is parent for parent in self._open):
            self.report(mark, "this value contains itself", "an alias may not stand inside its own anchor")
            return ScalarNode(mark, "", unread=True)
        if len(self._open) > _DEEPEST:
            raise _Refused(mark, f"nested more than {_DEEPEST} levels deep once aliases are followed")
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return MapNode(mark, self._entries(node))
            if isinstance(node, yaml.SequenceNode):
                return ListNode(mark, tuple(self.build(item) for item in node.value))
            return self._scalar(node)
        finally:
            self._open.pop()

    def _scalar(self, node: yaml.Node) -> ScalarNode:
        mark, raw = _mark(node.start_mark), str(node.value)
        plain = getattr(node, "style", None) is None
        try:
            text = interpolate(raw, self._environ)
        except Unset as unset:
            self.report(mark, unset.message, unset.hint)
            return ScalarNode(mark, "", unread=True)
        if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text):
            self.report(mark, "a character that no text may hold", "remove NUL characters and lone surrogates")
            return ScalarNode(mark, "", unread=True)
        return ScalarNode(mark, text, plain, replaced=text != raw)

    def _entries(self, node: yaml.MappingNode) -> dict[str, tuple[Mark, Node]]:
        own: dict[str, tuple[Mark, Node]] = {}
        merged: dict[str, tuple[Mark, Node]] = {}
        for key_node, value_node in node.value:
            mark = _mark(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self.report(mark, "a key must be a text, not a list or a map", "write key: value")
                continue
            if key_node.value == "<<" and key_node.style is None:
                for name, entry in self._merge(value_node):
                    merged.setdefault(name, entry)
                continue
            key = self._scalar(key_node)
            if key.unread:
                continue
            if key.text in own:
                first = own[key.text][0].line
                self.report(mark, f"the key {quoted(key.text)} is written twice", f"the first is on line {first}")
                self.build(value_node)  # its problems are worth knowing too
                continue
            own[key.text] = (mark, self.build(value_node))
        return {**merged, **own}

    def _merge(self, node: yaml.Node) -> Iterator[tuple[str, tuple[Mark, Node]]]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            built = self.build(source)
            if isinstance(built, MapNode):
                yield from built.entries.items()
            elif not (isinstance(built, ScalarNode) and built.unread):
                self.report(built.mark, "<< takes a map, or a list of maps", "write <<: *anchor")
