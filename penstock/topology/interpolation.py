"""`${VAR}`, `${VAR:-default}` and `${VAR:?message}` in a scalar; `$${` stands for `${` itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from penstock.topology.wording import quoted

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEEPEST: Final = 8


class Unset(ValueError):
    """The text cannot be filled in; `message` and `hint` say why, in the words of a Problem."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def interpolate(text: str, environ: Mapping[str, str], depth: int = 0) -> str:
    """The text with every `${...}` replaced from `environ`. Raises Unset.

    An empty variable counts as unset where a default or a message is given, as in a shell.
    """
    if depth > _DEEPEST:
        raise Unset("${...} is nested too deeply")
    filled: list[str] = []
    at = 0
    while (found := text.find("${", at)) >= 0:
        if found > at and text[found - 1] == "$":
            filled.append(text[at : found - 1] + "${")
            at = found + 2
            continue
        end = _closing_brace(text, found)
        filled.extend((text[at:found], _expand(text[found + 2 : end], environ, depth)))
        at = end + 1
    return "".join(filled) + text[at:]


def _closing_brace(text: str, start: int) -> int:
    depth = 0
    for index in range(start, len(text)):
        if text.startswith("${", index):
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
    raise Unset(f"{quoted(text[start:])} is not closed", "write ${NAME}, or $${ for the characters themselves")


def _expand(inside: str, environ: Mapping[str, str], depth: int) -> str:
    match = _NAME.match(inside)
    name = match.group(0) if match else ""
    operator, rest = inside[len(name) : len(name) + 2], inside[len(name) + 2 :]
    if not name or operator not in {"", ":-", ":?"}:
        raise Unset(
            f"{quoted('${' + inside + '}')} cannot be read",
            "write ${NAME}, ${NAME:-default} or ${NAME:?message}; $${ for the characters themselves",
        )
    value = environ.get(name)
    if operator == ":-":
        return value or interpolate(rest, environ, depth + 1)
    if operator == ":?" and not value:
        raise Unset(f"the environment variable {name} is not set", rest.strip())
    if value is None:
        raise Unset(f"the environment variable {name} is not set", f"set it, or give a default: ${{{name}:-default}}")
    return value
