"""The options that say which dead letters are meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from penstock.cli.replaying import as_time

if TYPE_CHECKING:
    from penstock.dead_letter.entries import Filters
    from penstock.record import Position

Verb = TypeVar("Verb", bound=Callable[..., Any])
_REASONS: Final = ("exhausted", "rejected", "undecodable", "unsendable", "expired", "crashed")
processor_option = click.option(
    "-p", "--processor", "name", help="The processor, or a source; needed where there are several."
)


def filters_options(verb: Verb) -> Verb:
    """The options that say which entries are meant."""
    declared = [
        click.option("--reason", type=click.Choice(_REASONS), metavar="REASON", help=f"One of {', '.join(_REASONS)}."),
        click.option("--error", help="Error type, with or without its module."),
        click.option("--fingerprint", help="Fingerprint of the error."),
        click.option("--type", "event_type", help="Event type."),
        click.option("--key", help="Key, as text."),
        click.option(
            "--since", metavar="TIME", callback=as_time, help="Given up at or after this time (RFC 3339) or age (2h)."
        ),
        click.option("--until", metavar="TIME", callback=as_time, help="Given up before."),
        click.option("--id", "event_id", help="Event id or run id."),
        click.option("--position", help="Position in the dead letter topic, as `dlt ls` prints it."),
        click.option("--limit", type=click.IntRange(min=1), help="No more than so many, the oldest first."),
    ]
    for option in reversed(declared):
        verb = option(verb)
    return verb


def filters_of(group_id: str, asked: Mapping[str, Any]) -> Filters:
    """The filters that the options ask for."""
    from penstock.dead_letter.entries import Filters

    key, position = asked["key"], asked["position"]
    return Filters(
        reason=asked["reason"],
        error=asked["error"],
        fingerprint=asked["fingerprint"],
        type=asked["event_type"],
        key=None if key is None else key.encode(),
        since=asked["since"],
        until=asked["until"],
        id=asked["event_id"],
        position=None if position is None else position_of(group_id, position),
        limit=asked["limit"],
    )


def position_of(group_id: str, said: str) -> Position:
    """`topic/0@12`, `0@12` or `12`. A usage error for anything else."""
    from penstock.record import parse_position
    from penstock.topology.derived import dead_letter_topic

    topic = dead_letter_topic(group_id)
    place = said if "@" in said else f"0@{said}"
    found = parse_position(place if "/" in place else f"{topic}/{place}")
    if found is None or found.topic != topic:
        raise click.UsageError(f"{said!r} is no position in {topic}; write {topic}/0@12, 0@12 or 12")
    return found
