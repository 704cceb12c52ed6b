"""How a problem is worded: quoted values, dotted paths, did-you-mean."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

_LONGEST_QUOTE: Final = 80
_LONGEST_GUESS: Final = 120  # matching is quadratic; nobody mistypes a longer word by a letter


def one_line(text: str) -> str:
    """The text with line breaks and other control characters escaped: a problem is one line."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char) or f"\\u{ord(char):04x}"


def clean(text: str) -> str:
    """The text on one line, and never too long for a line of a terminal."""
    printable = one_line(text[: _LONGEST_QUOTE + 1])
    return printable if len(printable) <= _LONGEST_QUOTE else f"{printable[:_LONGEST_QUOTE]}..."


def quoted(text: str) -> str:
    """The text as a problem shows it: in quotes, cleaned."""
    return f'"{clean(text)}"'


def shown(path: Path, directory: Path) -> str:
    """A path as the topology says it: relative to its folder where it lies there; never shortened."""
    return str(path.relative_to(directory) if path.is_relative_to(directory) else path)


def label(path: Sequence[str]) -> str:
    """A path into the file as a problem names it: `processors.triage.timeout`."""
    return ".".join(clean(step) for step in path) or "the file"


def listed(words: Iterable[str]) -> str:
    """Words in a row: `a, b, c`."""
    return ", ".join(clean(word) for word in words)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    if len(word) > _LONGEST_GUESS:
        return None
    folded = {candidate.lower().replace("-", "_"): candidate for candidate in known}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), folded, n=1)
    return folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """The hint for a word that is not known: the nearest one, or `otherwise` where none is near."""
    meant = nearest(word, known)
    return f"did you mean {clean(meant)}?" if meant else otherwise
