"""The verb dlt mend: one entry run again with other data, after a look at the difference."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli import doors, options
from penstock.cli.dead_letter_filters import position_of, processor_option
from penstock.cli.dead_letter_text import opener_of, payload
from penstock.cli.operator import Audit
from penstock.cli.output import indented, note, say
from penstock.cli.replaying import agreed, finish, processor_of

if TYPE_CHECKING:
    from penstock.broker.contract import Broker
    from penstock.dead_letter.settling import Result


def _json(ctx: click.Context, param: click.Parameter, value: str) -> Any:
    """An option's file as data; a usage error where it holds no JSON."""
    try:
        text = sys.stdin.read() if value == "-" else Path(value).read_text(encoding="utf-8")
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{value} holds no JSON: {error}", ctx, param) from error


@click.command()
@click.argument("position")
@options.file
@options.output
@processor_option
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    callback=_json,
    required=True,
    help="The mended data, JSON in a file; - is stdin.",
)
@options.dry_run
@options.yes
@click.pass_context
def mend(
    ctx: click.Context, position: str, path: Path, form: str, name: str | None, data: Any, *, dry_run: bool, yes: bool
) -> None:
    """Run one entry again with other data. Key, headers and run id stay as they are.

    The difference is shown first. `penstock dlt show POSITION -o json` prints the data as it is.
    """
    from penstock.dead_letter.entries import declared_types, look
    from penstock.dead_letter.mending import replay_mended
    from penstock.errors import PenstockError
    from penstock.schema.codec import Codec

    door = doors.of(ctx)
    topology = door.topology(path)
    processor = processor_of(topology, name)
    at = position_of(processor.group_id, position)
    audit = Audit(door, topology, "replay", processor.name, {"position": str(at), "with": "other data"})

    async def mended(broker: Broker) -> Result | None:
        found = await look(broker, processor.group_id, at, declared_types(topology))
        if found is None:
            raise PenstockError(f"there is no entry at {at}", "`penstock dlt ls` lists what waits")
        letter = found[0]
        before, problem = payload(letter, opener_of(topology, processor.group_id))
        _compare(problem or before, data, form)
        if dry_run:
            return None
        if not agreed("Replay it so?", yes=yes, form=form):
            raise click.Abort
        replay_id = str(uuid.uuid4())
        async with audit.turn(broker, 1, replay_id=replay_id):
            return await replay_mended(broker, Codec(topology), processor.group_id, letter, data, replay_id=replay_id)

    result = door.ask(topology, mended)
    if result is not None:
        finish(ctx, result, "replayed with other data", form)


def _compare(before: Any, after: Any, form: str) -> None:
    """Print what is taken away and what is put in its place."""
    from penstock.dead_letter.mending import difference

    tell = say if form == "table" else note
    for line in difference(indented(before), indented(after)) or ["no difference: the data is as it was"]:
        tell(line)
