"""The recipes of docs/producing.md: code blocks whose first line is a comment with a file's name."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "producing.md"
_BLOCK = re.compile(r"^```\w+\n(?:#|//) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def recipes() -> dict[str, str]:
    """The text of each recipe by its file's name."""
    return dict(_BLOCK.findall(PAGE.read_text(encoding="utf-8")))


def write(folder: Path) -> None:
    """Every recipe as a file, as a reader of the page would make them."""
    for name, text in recipes().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
