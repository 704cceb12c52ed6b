"""What the house tests read: the modules of the repository, and who imports whom. Nothing is imported to find out."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, eq=False)
class Module:
    """One source file: its dotted name, its path, its text and its tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def place(self) -> str:
        return str(self.path.relative_to(ROOT))


@dataclass(frozen=True)
class Import:
    """`module` imports `target` (a dotted name), on this line; `names` are what it takes from it."""

    module: str
    target: str
    place: str
    names: tuple[str, ...] = ()


@cache
def modules(folder: str) -> tuple[Module, ...]:
    """Every module below a folder of the repository; none where the folder is not there."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found.append(Module(name, path, text, ast.parse(text, filename=str(path))))
    return tuple(found)


@cache
def nodes(module: Module) -> tuple[ast.AST, ...]:
    """All nodes of its tree, each behind what it stands in."""
    return tuple(ast.walk(module.tree))


def imports_of(module: Module, known: frozenset[str]) -> Iterator[Import]:
    """All its imports, those inside functions and under TYPE_CHECKING too.

    `from package import module` counts as an import of the module where `known` has it.
    """
    for node in nodes(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module.name, alias.name, f"{module.place}:{node.lineno}")
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module.place}:{node.lineno}: a relative import"
            place, source = f"{module.place}:{node.lineno}", node.module or ""
            for alias in node.names:
                dotted = f"{source}.{alias.name}"
                if dotted in known:
                    yield Import(module.name, dotted, place)
                else:
                    yield Import(module.name, source, place, (alias.name,))


@cache
def imports(folder: str) -> tuple[Import, ...]:
    """Every import made below a folder."""
    known = frozenset(module.name for module in modules(folder))
    return tuple(one for module in modules(folder) for one in imports_of(module, known))


@cache
def tracked() -> tuple[Path, ...]:
    """The files git knows, or, where there is no git (an unpacked sdist), every file that is nobody's cache."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not _hidden(path)]
    return tuple(path for name in listed if name and (path := ROOT / name).is_file())


def _hidden(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return "__pycache__" in parts or any(part.startswith(".") for part in parts)


def metric_names() -> set[str]:
    """Every metric a worker serves, with the endings that Prometheus adds."""
    source = (ROOT / "penstock" / "service" / "metrics.py").read_text(encoding="utf-8")
    known = set(re.findall(r'"(penstock_[a-z_]+)"', source))
    return known | {f"{name}{suffix}" for name in known for suffix in ("_total", "_bucket", "_sum", "_count")}
