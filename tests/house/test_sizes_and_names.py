"""Files of 300 lines and functions of 40 at most, names that say something, and a first sentence in every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from source_tree import ROOT, Module, modules, nodes, tracked

FOLDERS = ("penstock", "processors", "connectors", "demo")
LONGEST_FILE = 300
LONGEST_FUNCTION = 40
EMPTY_NAMES = {"manager", "managers", "util", "utils", "helper", "helpers", "base", "common", "misc", "core", "types"}


def all_modules() -> Iterator[Module]:
    for folder in FOLDERS:
        yield from modules(folder)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from its first statement to its end: signature, decorators and docstring do not count."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_files_are_short():
    long = [f"{one.place}: {lines}" for one in all_modules() if (lines := one.text.count("\n")) > LONGEST_FILE]

    assert long == [], f"more than {LONGEST_FILE} lines: split by responsibility"


def test_functions_are_short():
    long = [
        f"{module.place}:{node.lineno}: {node.name}: {lines}"
        for module in all_modules()
        for node in nodes(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (lines := body_lines(node)) > LONGEST_FUNCTION
    ]

    assert long == [], f"more than {LONGEST_FUNCTION} lines"


def test_names_say_something():
    empty = [one.place for one in all_modules() if EMPTY_NAMES & set(one.path.stem.split("_"))]
    folders = {path.parent.name for path in tracked() if path.is_relative_to(ROOT / "penstock")}

    assert empty == []
    assert folders & EMPTY_NAMES == set()


def test_every_module_begins_with_its_responsibility():
    silent = [one.place for one in all_modules() if not ast.get_docstring(one.tree)]

    assert silent == []


def test_first_lines_are_sentences():
    """One line, and a sign at its end: what a listing of the folder can show."""
    broken = []
    for one in all_modules():
        first = (ast.get_docstring(one.tree) or "").split("\n")[0].strip()
        if first and first[-1] not in ".:!?":
            broken.append(f"{one.place}: {first}")

    assert broken == []


# tests/crash is left out: there real processes are frozen and killed, and how long a fault lasts is its content.
PATIENT = [path for path in tracked() if path.name.startswith("test_") and "crash" not in path.parts]


@pytest.mark.parametrize("test", PATIENT, ids=lambda path: path.name)
def test_no_test_sleeps_on_luck(test):
    """Tests wait for a condition with a deadline, or use a virtual clock; `time.sleep` of a second is neither."""
    tree = ast.parse(test.read_text(encoding="utf-8"))
    sleeps = [
        f"{test.name}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "time.sleep"
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value >= 1
    ]

    assert sleeps == []
