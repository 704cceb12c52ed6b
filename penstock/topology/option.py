"""How one option of the topology is declared: once, for the parser, the linter, the docs and the JSON Schema."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal[
    "text",
    "name",
    "flag",
    "count",
    "duration",
    "size",
    "number",
    "rate",
    "share",
    "start",
    "choice",
    "texts",
    "path",
    "paths",
    "settings",
    "secret",
    "secrets",
    "free",
    "section",
    "sections",
    "connectors",
    "memories",
]
_KEY: Final = "penstock"


@dataclass(frozen=True, slots=True)
class Option:
    """What is known of one key: its kind, its sentence, and what bounds it."""

    kind: Kind
    doc: str
    choices: tuple[str, ...] = ()
    section: type | None = None  # the dataclass of a `section`, or of the values of `sections`
    required: bool = False
    least: float | None = None
    most: float | None = None
    example: str = ""


def option(
    kind: Kind,
    doc: str,
    *,
    default: Any = dataclasses.MISSING,
    factory: Any = dataclasses.MISSING,
    choices: tuple[str, ...] = (),
    section: type | None = None,
    least: float | None = None,
    most: float | None = None,
    example: str = "",
) -> Any:
    """A dataclass field that carries its own declaration; without default and factory it is required."""
    required = default is dataclasses.MISSING and factory is dataclasses.MISSING
    declared = Option(kind, doc, choices, section, required, least, most, example)
    metadata = {_KEY: declared}
    if default is not dataclasses.MISSING:
        return dataclasses.field(default=default, metadata=metadata)
    if factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(metadata=metadata)


def options(section: type) -> dict[str, Option]:
    """The declared options of a section, by key, in their order. Fields without a declaration are derived ones."""
    found = {}
    for declared in dataclasses.fields(section):
        if _KEY in declared.metadata:
            found[declared.name] = declared.metadata[_KEY]
    return found


def same(section: type, key: str, **changed: Any) -> Any:
    """The declaration of `section`'s `key` once more, in another section; `changed` replaces parts of it.

    `default` is the field's default, the rest are parts of the Option. Raises KeyError for an unknown key.
    """
    declared = {found.name: found for found in dataclasses.fields(section)}[key]
    default = changed.pop("default", declared.default)
    option = dataclasses.replace(declared.metadata[_KEY], **changed)
    if default is not dataclasses.MISSING:
        option = dataclasses.replace(option, required=False)
        return dataclasses.field(default=default, metadata={_KEY: option})
    if declared.default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=declared.default_factory, metadata={_KEY: option})
    return dataclasses.field(metadata={_KEY: option})
