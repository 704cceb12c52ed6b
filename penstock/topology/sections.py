"""Nodes into the dataclasses of model.py, guided by their options: unknown, missing and misfitting keys show here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from penstock.errors import Problem
from penstock.secret import Secret
from penstock.topology.built_in import Load
from penstock.topology.connector_kind import ConnectorKinds
from penstock.topology.connector_options import SinkOptions, processor_of
from penstock.topology.document import ListNode, MapNode, Node, ScalarNode
from penstock.topology.kafka_secrets import FILE, SECRETS, KafkaSettings
from penstock.topology.marks import START, Mark, Marks
from penstock.topology.memory_kind import memory_kind
from penstock.topology.model import Processor, Topology
from penstock.topology.option import Option, options
from penstock.topology.scalars import Unfit, is_null, plain_value, read_scalar
from penstock.topology.wording import did_you_mean, label, listed

_Path = tuple[str, ...]


class Sections:
    """Reads nodes into the dataclasses of model.py, guided by their options; collects problems as it goes."""

    def __init__(self, marks: Marks, directory: Path, load: Load | None = None) -> None:
        """`load` imports the app's own connectors; without it their own keys are not looked at."""
        self.problems: list[Problem] = []
        self._kinds = ConnectorKinds(marks, directory, load)
        self._marks = marks
        self._directory = directory
        self._defaults: Any = None
        self._readers: Mapping[str, Callable[[Option, Node, _Path, Any], Any]] = MappingProxyType(
            {
                "section": self._section_value,
                "sections": self._sections,
                "texts": self._texts,
                "paths": self._paths,
                "settings": self._settings,
                "secrets": self._paths,
                "free": self._free_map,
                "connectors": self._connectors,
                "memories": self._memories,
            }
        )

    def topology(self, root: Node, path: Path) -> Topology:
        """The whole file."""
        found: Topology = self._section(Topology, root, (), START, None)
        group = f"{found.name}." if found.name else ""
        processors = {
            name: dataclasses.replace(processor, group_id=f"{group}{name}")
            for name, processor in found.processors.items()
        }
        connectors = {
            name: dataclasses.replace(connector, group_id=f"{group}{name}", directory=self._directory)
            for name, connector in found.connectors.items()
        }
        sinks = {name: processor_of(one) for name, one in connectors.items() if isinstance(one, SinkOptions)}
        return dataclasses.replace(
            found,
            processors={**sinks, **processors},
            connectors=connectors,
            path=path,
            directory=self._directory,
        )

    def _section(self, kind: type, node: Node, path: _Path, mark: Mark, base: Any, *, closed: bool = True) -> Any:
        """An instance of `kind`; what the node does not say comes from `base`, then from the declared default.

        `closed` False: keys that are not declared are left alone.
        """
        declared = options(kind)
        entries = self._entries(node, path, f"its keys: {listed(declared)}")
        if closed:
            self._report_unknown(entries, declared, path)
        values: dict[str, Any] = {}
        for key, option in declared.items():
            inherited = getattr(base, key, None)
            if key in entries:
                values[key] = self._value(option, key, entries[key], path, inherited)
            elif inherited is not None:
                values[key] = inherited
            elif option.required:
                self._report_missing(key, option, path, mark)
                values[key] = _placeholder(option)
            if key == "defaults":
                self._defaults = values.get(key)
        if path and any(field.name == "name" for field in dataclasses.fields(kind)):
            values["name"] = path[-1]
        return kind(**{key: value for key, value in values.items() if value is not _ABSENT})

    def _value(self, option: Option, key: str, entry: tuple[Mark, Node], path: _Path, inherited: Any) -> Any:
        """The value of one key; _ABSENT, or a placeholder, where it cannot be read."""
        mark, node = entry
        path = (*path, key)
        self._marks.keys[path] = mark
        self._marks.values[path] = node.mark
        if isinstance(node, ScalarNode) and node.unread:
            found = self._spoil(path)
        elif option.kind in self._readers:
            found = self._readers[option.kind](option, node, path, inherited)
        else:
            found = self._scalar(option, node, path)
        return _placeholder(option) if found is _ABSENT and option.required else found

    def _scalar(self, option: Option, node: Node, path: _Path) -> Any:
        if not isinstance(node, ScalarNode):
            shape = "a list" if isinstance(node, ListNode) else "a map"
            return self._report(node.mark, path, f"must be {_WANTED[option.kind]}, not {shape}")
        if node.unread:
            return self._spoil(path)
        try:
            found = read_scalar(node, option)
        except Unfit as unfit:
            return self._report(node.mark, path, unfit.message, unfit.hint)
        if isinstance(found, Secret):
            return found.beside(self._directory)
        return self._directory / found if option.kind in {"path", "paths"} else found

    def _section_value(self, option: Option, node: Node, path: _Path, inherited: Any) -> Any:
        assert option.section is not None
        return self._section(option.section, node, path, self._marks.key(*path), inherited)

    def _sections(self, option: Option, node: Node, path: _Path, _inherited: Any) -> Any:
        assert option.section is not None
        base = self._defaults if option.section is Processor else None
        found = {}
        for name, (mark, value) in self._entries(node, path).items():
            inner = (*path, name)
            self._marks.keys[inner] = mark
            self._marks.values[inner] = value.mark
            found[name] = self._section(option.section, value, inner, mark, base)
        return found

    def _connectors(self, _option: Option, node: Node, path: _Path, _inherited: Any) -> Any:
        found = {}
        for name, (mark, value) in self._entries(node, path).items():
            inner = (*path, name)
            self._marks.keys[inner] = mark
            self._marks.values[inner] = value.mark
            kind = self._kinds.of(name, value, mark)
            if isinstance(kind, tuple):
                found[name] = self._section(kind[0], value, inner, mark, self._defaults, closed=kind[1])
                continue
            self._marks.spoiled.add(inner)
            self.problems += [kind] if kind else []
        return found

    def _memories(self, _option: Option, node: Node, path: _Path, _inherited: Any) -> Any:
        found = {}
        for name, (mark, value) in self._entries(node, path).items():
            inner = (*path, name)
            self._marks.keys[inner] = mark
            self._marks.values[inner] = value.mark
            kind = memory_kind(name, value, mark, self._marks)
            if isinstance(kind, type):
                found[name] = self._section(kind, value, inner, mark, None)
                continue
            self._marks.spoiled.add(inner)
            self.problems += [kind] if kind else []
        return found

    def _texts(self, option: Option, node: Node, path: _Path, _inherited: Any) -> Any:
        if isinstance(node, ScalarNode):
            hint = f"write [{node.text}]" if node.text and not is_null(node) else "write [one, two]"
            return self._report(node.mark, path, "must be a list", hint)
        if isinstance(node, MapNode):
            return self._report(node.mark, path, "must be a list, not a map", "write [one, two]")
        found = []
        for index, item in enumerate(node.items):
            inner = (*path, str(index))
            self._marks.values[inner] = item.mark
            found.append(self._scalar(option, item, inner))
        return tuple(item for item in found if item is not _ABSENT)

    def _paths(self, option: Option, node: Node, path: _Path, _inherited: Any) -> Any:
        return self._map_of(path, node, lambda value, inner: self._scalar(option, value, inner))

    def _settings(self, option: Option, node: Node, path: _Path, _inherited: Any) -> Any:
        found = self._map_of(path, node, lambda value, inner: self._setting(option, value, inner))
        return KafkaSettings(found) if isinstance(found, dict) else found

    def _setting(self, option: Option, node: Node, path: _Path) -> Any:
        if isinstance(node, MapNode) and node.entries:
            hint = f"Kafka's keys are dotted: {path[-1]}.{next(iter(node.entries))}"
            return self._report(node.mark, path, "must be one value, not a map", hint)
        if isinstance(node, ListNode):
            return self._report(node.mark, path, "must be one value, not a list", "write one text: a,b")
        ours = path[0] in {"kafka", "schema_registry"} and path[-1] in SECRETS
        if ours and isinstance(node, ScalarNode) and not node.unread:
            return self._client_secret(node, path)
        return self._scalar(option, node, path)

    def _client_secret(self, node: ScalarNode, path: _Path) -> Any:
        """A password among a client's settings: from the environment, or the file that is read when it connects."""
        if node.text.startswith(FILE):
            return f"{FILE}{self._directory / node.text.removeprefix(FILE).strip()}"
        if not node.replaced:
            hint = "write ${NAME}, or file:/run/secrets/NAME"
            return self._report(node.mark, path, "is a secret and must not stand in this file", hint)
        return node.text

    def _free_map(self, _option: Option, node: Node, path: _Path, _inherited: Any) -> Any:
        return self._map_of(path, node, self._free)

    def _free(self, node: Node, path: _Path) -> Any:
        if isinstance(node, ScalarNode):
            return self._spoil(path) if node.unread else plain_value(node)
        if isinstance(node, MapNode):
            return self._map_of(path, node, self._free)
        found = []
        for index, item in enumerate(node.items):
            inner = (*path, str(index))
            self._marks.values[inner] = item.mark
            found.append(self._free(item, inner))
        return [item for item in found if item is not _ABSENT]

    def _map_of(self, path: _Path, node: Node, read_value: Callable[[Node, _Path], Any]) -> dict[str, Any]:
        found = {}
        for key, (mark, value) in self._entries(node, path).items():
            inner = (*path, key)
            self._marks.keys[inner] = mark
            self._marks.values[inner] = value.mark
            found[key] = read_value(value, inner)
        return {key: value for key, value in found.items() if value is not _ABSENT}

    def _entries(self, node: Node, path: _Path, hint: str = "write <name>: <value>") -> Mapping[str, tuple[Mark, Node]]:
        """The entries of a map; of nothing at all too, since `topics:` alone is natural."""
        if isinstance(node, MapNode):
            return node.entries
        if isinstance(node, ScalarNode) and (node.unread or is_null(node)):
            if node.unread:
                self._spoil(path)
            return {}
        shape = "a list" if isinstance(node, ListNode) else "a single value"
        self._marks.spoiled.add(path)
        self.problems.append(self._marks.problem(node.mark, f"{label(path)} must be a map, not {shape}", hint))
        return {}

    def _report_unknown(
        self, entries: Mapping[str, tuple[Mark, Node]], declared: Mapping[str, Option], path: _Path
    ) -> None:
        for key, (mark, _) in entries.items():
            if key in declared:
                continue
            hint = did_you_mean(key, declared, f"known keys: {listed(declared)}")
            if "." in key:
                where = "configs:" if "configs" in declared else "kafka: at the top"
                hint = f"Kafka's own settings go under {where}"
            place = f" in {label(path)}" if path else ""
            self.problems.append(self._marks.problem(mark, f'unknown key "{label((key,))}"{place}', hint))

    def _report_missing(self, key: str, option: Option, path: _Path, mark: Mark) -> None:
        self._marks.spoiled.add((*path, key))
        if path in self._marks.spoiled:
            return  # not a map at all: said already
        example = f": {option.example}" if option.example else ""
        self.problems.append(self._marks.problem(mark, f"{label(path)} has no {key}", f"add {key}{example}"))

    def _report(self, mark: Mark, path: _Path, message: str, hint: str = "") -> Any:
        self.problems.append(self._marks.problem(mark, f"{label(path)} {message}", hint))
        return self._spoil(path)

    def _spoil(self, path: _Path) -> Any:
        self._marks.spoiled.add(path)
        return _ABSENT


def _placeholder(option: Option) -> Any:
    return () if option.kind == "texts" else ""


_ABSENT: Final = object()
_WANTED: Final = MappingProxyType(
    {
        "text": "a text",
        "texts": "a text",
        "name": "a name",
        "flag": "true or false",
        "count": "a whole number",
        "duration": "a duration",
        "size": "a size",
        "number": "a number",
        "rate": "a rate",
        "share": "a share",
        "start": "earliest, latest or a time",
        "choice": "one word",
        "path": "a path",
        "paths": "a path",
        "settings": "one value",
        "secret": "one reference",
        "secrets": "one reference",
    }
)
