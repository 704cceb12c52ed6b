"""From YAML text to a Topology, or to every problem in it at once; which keys exist is declared in model.py alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.errors import Problem, TopologyError
from penstock.topology import lint
from penstock.topology.built_in import Load
from penstock.topology.document import parse
from penstock.topology.marks import START, Marks
from penstock.topology.model import Topology
from penstock.topology.sections import Sections

_LARGEST: Final = 4 << 20  # bytes; a topology is written by hand


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: the topology, where its parts stand, and every problem, in file order.

    With problems, the topology is only good for looking at: defaults stand where something could not be read.
    """

    topology: Topology
    marks: Marks
    problems: tuple[Problem, ...]


def read(path: Path, environ: Mapping[str, str], load: Load | None = None) -> Topology:
    """The topology in the file at `path`. Raises TopologyError with every problem, also where there is no such file.

    `load` imports the app's own connectors, so that their own keys are read too; without it those are not looked at.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problem = Problem(str(path), 1, 1, f"cannot be read: {reason}", "name the topology file with -f/--file")
        raise TopologyError([problem]) from error
    if len(content) > _LARGEST:
        raise TopologyError([Problem(str(path), 1, 1, f"larger than {_LARGEST >> 20} MiB", "is this the topology?")])
    return read_text(_decode(content, path), path, environ, load)


def read_text(text: str, path: Path, environ: Mapping[str, str], load: Load | None = None) -> Topology:
    """The topology written in `text`, as if it stood at `path`. Raises TopologyError with every problem."""
    reading = inspect(text, path, environ, load)
    if reading.problems:
        raise TopologyError(reading.problems)
    return reading.topology


def inspect(text: str, path: Path, environ: Mapping[str, str], load: Load | None = None) -> Reading:
    """Everything there is to know about `text`, problems included. Raises nothing."""
    marks = Marks(str(path))
    directory = path.absolute().parent
    root, problems = parse(text, marks, environ)
    sections = Sections(marks, directory, load)
    if root is None:
        if not problems:
            problems.append(marks.problem(START, "the file is empty", "begin with version: 1 and name: <a name>"))
        topology = Topology(name="", path=path, directory=directory)
    else:
        topology = sections.topology(root, path)
        problems += sections.problems
        problems += lint.check(topology, marks)
    return Reading(topology, marks, tuple(sorted(set(problems))))


def _decode(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        problem = Problem(str(path), line, column, "not UTF-8 text", "save the file as UTF-8")
        raise TopologyError([problem]) from error
