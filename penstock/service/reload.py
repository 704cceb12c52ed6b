"""Watching an app's files: what changed since the last look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

_SUFFIXES: Final = frozenset({".py", ".yaml", ".yml", ".avsc", ".json"})
_LEFT_OUT: Final = frozenset({".venv", ".venvs", ".git", ".penstock", "__pycache__", "node_modules", "docs", "tests"})


def stamps(folder: Path) -> dict[Path, int]:
    """The modification times (ns) of the files that make an app."""
    found = {}
    for path in folder.rglob("*"):
        if path.suffix in _SUFFIXES and not _LEFT_OUT.intersection(path.relative_to(folder).parts):
            try:
                found[path] = path.stat().st_mtime_ns
            except FileNotFoundError:
                continue  # removed between the listing and the look
    return found


def changed(before: Mapping[Path, int], after: Mapping[Path, int]) -> list[Path]:
    """The files that are new, gone or other."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


async def changes(folder: Path, interval: float = 0.5) -> AsyncIterator[list[Path]]:
    """Each time files changed, once they have been quiet for one interval: which."""
    before = stamps(folder)
    pending: set[Path] = set()
    while True:
        await asyncio.sleep(interval)
        after = stamps(folder)
        now = changed(before, after)
        before = after
        if now:
            pending.update(now)
        elif pending:
            yield sorted(pending)
            pending.clear()
