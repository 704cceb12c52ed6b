"""Texts with `{data.customer_id}` in them, and bare paths alone: what connectors make of an event by declaration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from penstock.event import AnyEvent

_PATH: Final = r"(?:data(?:\.[^.\s{}]+)*|headers\.[^\s{}]+|key|id|type|source|subject|correlation_id|tenant)"
_SELECTOR: Final = re.compile(_PATH)
_PLACE: Final = re.compile(r"\{([A-Za-z_][^{}\s\"':,]*)\}")  # nothing in JSON looks so


class NotThere(ValueError):
    """The event has nothing at a path."""


def is_selector(text: str) -> bool:
    """Whether a text is a bare path: `data.url`, `key`, `headers.x-url`."""
    return _SELECTOR.fullmatch(text) is not None


def mistake(text: str, *, braces: bool = False) -> str:
    """What is wrong with a template; '' for nothing. `braces` True: it may hold others (it is JSON)."""
    for place in _PLACE.findall(text):
        if not is_selector(place):
            return f"{{{place}}} says not where to look"
    rest = _PLACE.sub("", text)
    return "" if braces or not {"{", "}"} & set(rest) else "a brace holds no path"


def select(path: str, event: AnyEvent) -> Any:
    """What stands at a path. Raises NotThere."""
    root, _, rest = path.partition(".")
    found: Any
    if root == "headers":
        found = event.headers.get(rest)
    elif root == "data":
        found = event.data
        for step in rest.split(".") if rest else ():
            found = found.get(step) if isinstance(found, Mapping) else getattr(found, step, None)
    else:
        found = getattr(event, root)
    if found is None:
        raise NotThere(f"the event has no {path}")
    return found


def fill(template: str, event: AnyEvent, spell: Callable[[str], str] = str) -> str:
    """The template with every place filled by `spell` of what stands there. Raises NotThere.

    A template that is nothing but one place, or a bare path, is what stands there itself.
    """
    alone = template if is_selector(template) else template[1:-1] if _PLACE.fullmatch(template) else ""
    if alone:
        return _text(select(alone, event), alone)
    return _PLACE.sub(lambda place: spell(_text(select(place.group(1), event), place.group(1))), template)


def _text(value: Any, path: str) -> str:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise NotThere(f"what stands at {path} is no text and no number")
