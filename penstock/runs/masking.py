"""Hides values in data before they are written down: by dotted path, through lists, wherever the path leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

HIDDEN: Final = "***"


def masked(data: Any, paths: Sequence[str]) -> Any:
    """A copy of `data` with the value at each path replaced; `data.` in front of a path is allowed."""
    for path in paths:
        data = _hide(data, tuple(path.removeprefix("data.").split(".")))
    return data


def _hide(data: Any, path: tuple[str, ...]) -> Any:
    if isinstance(data, list | tuple):
        return [_hide(item, path) for item in data]
    if not isinstance(data, dict) or path[0] not in data:
        return data
    below = HIDDEN if len(path) == 1 else _hide(data[path[0]], path[1:])
    return {**data, path[0]: below}
