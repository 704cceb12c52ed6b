"""The reference of the topology file as Markdown, derived from the options: `docs/topology.md` is its output."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any, Final

from penstock.durations import spell
from penstock.topology.json_schema import default_of, sections
from penstock.topology.kinds import KINDS, title
from penstock.topology.lint_kafka import OWNED
from penstock.topology.model import Topology
from penstock.topology.option import Option, options

_OPENING: Final = """\
# The topology file

<!-- Generated: python -m penstock.topology.reference > docs/topology.md -->

One YAML file declares topics, processors and connectors. Everything goes by name, Kafka's own keys are written as
Kafka writes them (dotted), and every mistake is reported at once, as `file:line:column: message (hint)`.
`penstock lint` checks the file without a broker.

```yaml
version: 1
name: support-desk
kafka:
  bootstrap.servers: ${KAFKA_BOOTSTRAP_SERVERS:-localhost:9092}
topics:
  tickets.new: { partitions: 12, type: ticket.created, schema: schemas/ticket.created.avsc }
  tickets.triaged: { partitions: 12, type: ticket.triaged }
processors:
  triage:
    handler: processors.triage:triage
    topics: [tickets.new]
    output: tickets.triaged
```

## Variables

`${NAME}` stands for an environment variable, `${NAME:-default}` gives a default for one that is unset or empty, and
`${NAME:?message}` says what to do about it. `$${` stands for the characters `${`. Inside `{ }` and `[ ]` a variable
must stand in quotes: `{ bootstrap.servers: "${BROKERS}" }`. YAML anchors, aliases and `<<` merges work; tags do not.

## Names

The consumer group of a processor is `<name>.<processor>`. Its derived topics begin with the group:
`<group>.retry.<delay>`, `<group>.dlt`, `<group>.replay`; progress goes to `<name>.progress`. A sink is a processor and
has the same; a source has `<group>.dlt`, and its cursor stands in `<name>.cursors`. To read a dead letter or
progress topic with a processor, declare it under `topics` without `partitions`. No two names may be equal once `.`
becomes `_`.
"""


def reference() -> str:
    """The whole page."""
    parts = [_OPENING, *(_section(section) for section in sections(Topology)), _kinds(), _owned()]
    return "\n".join(parts)


def _section(section: type) -> str:
    heading = "The file" if section is Topology else title(section).capitalize()
    lines = [f"## {heading}", "", (section.__doc__ or "").strip().split("\n\n")[0], ""]
    lines += ["| key | kind | default | meaning |", "|---|---|---|---|"]
    lines += [_row(section, key, option) for key, option in options(section).items()]
    return "\n".join([*lines, ""])


def _row(section: type, key: str, option: Option) -> str:
    meaning = f"{option.doc}{_bounds(option)}"
    if option.example:
        meaning += f" For example `{option.example}`."
    return f"| `{key}` | {_kind(option)} | {_default(section, key, option)} | {meaning} |"


def _kind(option: Option) -> str:
    if option.choices:
        return " or ".join(f"`{choice}`" for choice in option.choices)
    word = KINDS[option.kind].word
    if option.section is None:
        return word
    anchor = title(option.section).replace(" ", "-")
    return f"[{word}](#{anchor})"


def _default(section: type, key: str, option: Option) -> str:
    if option.required:
        return "**required**"
    default = default_of(section, key)
    if default is dataclasses.MISSING or default is None or default == ():
        return ""
    return f"`{_spelled(default, option)}`"


def _spelled(value: Any, option: Option) -> str:
    if option.kind == "duration":
        return spell(value)
    if option.kind == "share":
        return f"{value:.0%}"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bounds(option: Option) -> str:
    if option.least is not None and option.least == option.most:
        return ""
    words = (("at least", option.least), ("at most", option.most))
    limits = [f"{word} `{_spelled(limit, option)}`" for word, limit in words if limit]
    joined = ", ".join(limits)
    return f" {joined[0].upper()}{joined[1:]}." if joined else ""


def _kinds() -> str:
    lines = ["## Kinds", "", "| kind | written |", "|---|---|"]
    lines += [f"| {shape.word} | {shape.sentence} |" for shape in KINDS.values()]
    return "\n".join([*lines, ""])


def _owned() -> str:
    return "\n".join(["## Settings the engine owns", "", "Under `kafka` these are refused:", "", *_owned_rows(), ""])


def _owned_rows() -> Iterator[str]:
    yield "| setting | why |"
    yield "|---|---|"
    for key, why in OWNED.items():
        yield f"| `{key}` | {why.replace('<', '`<').replace('>', '>`').replace('`.`', '.')} |"


if __name__ == "__main__":
    sys.stdout.write(reference())
