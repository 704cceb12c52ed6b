"""Where everything in the topology file stands, so that a problem can name its line and column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from penstock.errors import Problem
from penstock.topology.wording import one_line

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in the file: line and column, both from 1."""

    line: int = 1
    column: int = 1


START: Final = Mark()


@dataclass(slots=True)
class Marks:
    """The places of keys and values by path (`("processors", "triage", "timeout")`; list items by index).

    Filled by the reader, asked by the linter. `spoiled` holds the paths whose value could not be read, so that the
    linter does not draw conclusions from what was put in their place.
    """

    file: str = "topology.yaml"
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    spoiled: set[Path] = field(default_factory=set)

    def says(self, *path: str) -> bool:
        """Whether the file itself says this, rather than a default."""
        return path in self.values

    def sound(self, *path: str) -> bool:
        """Whether everything at, under and above this path could be read."""
        return not any(spoiled[: len(path)] == path or path[: len(spoiled)] == spoiled for spoiled in self.spoiled)

    def value(self, *path: str) -> Mark:
        """Where the value stands; for what the file does not say, its nearest parent's key."""
        return self.values.get(path) or self.key(*path)

    def key(self, *path: str) -> Mark:
        """Where the key stands, or the nearest parent's."""
        for end in range(len(path), 0, -1):
            mark = self.keys.get(path[:end]) or self.values.get(path[:end])
            if mark:
                return mark
        return START

    def problem(self, mark: Mark, message: str, hint: str = "") -> Problem:
        """A problem of this file at `mark`."""
        return Problem(self.file, mark.line, mark.column, one_line(message), one_line(hint))
