"""The verb replay: a stretch of a source topic run again, from the log itself."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli import doors, options
from penstock.cli.operator import Audit
from penstock.cli.output import note, say, structured
from penstock.cli.replaying import agreed, as_point, bar, counts, finish, moment, processor_of

if TYPE_CHECKING:
    from penstock.broker.contract import Broker
    from penstock.dead_letter.from_log import LogReplayPlan, Stretch
    from penstock.dead_letter.ranges import Point
    from penstock.dead_letter.settling import Result


@click.command()
@click.argument("topic")
@options.file
@options.output
@click.option("-p", "--processor", "name", help="Who runs them again; needed where there are several processors.")
@click.option(
    "--from",
    "first",
    metavar="TIME|OFFSET",
    callback=as_point,
    help="Time, age (2h) or offset; else from the beginning.",
)
@click.option(
    "--to",
    "last",
    metavar="TIME|OFFSET",
    callback=as_point,
    help="Up to before this time or offset; else to the end as it is now.",
)
@click.option("--partition", type=click.IntRange(min=0), help="Only this partition; offsets need it.")
@click.option("--type", "types", multiple=True, help="Only these event types.")
@click.option("--key", help="Only this key, as text.")
@click.option("--limit", type=click.IntRange(min=1), help="No more than so many.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Records a second, at most.")
@click.option("--same-run", is_flag=True, help="Keep the run ids of the first time; else the runs are new ones.")
@click.option("--resume", metavar="REPLAY_ID", help="Go on with an interrupted replay (give the same options).")
@options.dry_run
@options.yes
@click.pass_context
def replay(
    ctx: click.Context,
    /,
    topic: str,
    path: Path,
    form: str,
    name: str | None,
    rate: float | None,
    resume: str | None,
    *,
    same_run: bool,
    dry_run: bool,
    yes: bool,
    **asked: Any,
) -> None:
    """Run events of TOPIC again, for one processor only, through its replay topic."""
    from penstock.dead_letter import from_log

    door = doors.of(ctx)
    topology = door.topology(path)
    processor = processor_of(topology, name)
    stretch = _stretch(topic, **asked)
    replay_id = resume or str(uuid.uuid4())
    audit = Audit(door, topology, "replay", processor.name, {"topic": topic, **asked, "same_run": same_run})

    async def replayed(broker: Broker) -> Result | None:
        plan = await from_log.plan_log_replay(broker, topology, processor, stretch)
        _announce(plan, form, same_run=same_run)
        if dry_run or not plan.count:
            _planned(plan, form)
            return None
        if not agreed("Replay them?", yes=yes, form=form):
            raise click.Abort
        note(f"replay id {replay_id}; interrupted, it goes on with --resume {replay_id}")
        go_on = resume is not None
        async with audit.turn(broker, plan.count, replay_id=replay_id):
            with bar("replaying", plan.count) as progress:
                return await from_log.replay_log(
                    broker, plan, replay_id=replay_id, same_run=same_run, resume=go_on, rate=rate, progress=progress
                )

    result = door.ask(topology, replayed)
    if result is not None:
        finish(ctx, result, "replayed", form, again=f"the same command with --resume {replay_id}")


def _stretch(
    topic: str,
    first: Point | None,
    last: Point | None,
    partition: int | None,
    types: tuple[str, ...],
    key: str | None,
    limit: int | None,
) -> Stretch:
    from penstock.dead_letter.from_log import Stretch

    return Stretch(topic, first, last, partition, types, None if key is None else key.encode(), limit)


def _announce(plan: LogReplayPlan, form: str, *, same_run: bool) -> None:
    tell = say if form == "table" else note
    runs = "the same runs" if same_run else "new runs"
    records = "1 record" if plan.count == 1 else f"{plan.count} records"
    tell(f"replays {records} of {plan.stretch.topic} for {plan.group_id}, as {runs}")
    if plan.count:
        tell(f"  types: {counts(plan.by_type)}")
        tell(f"  written from {moment(plan.oldest)} to {moment(plan.newest)}")
    if plan.left_out:
        tell(f"  left out: {plan.left_out} of other types or keys")
    if plan.count and not plan.workers:
        note(f"no worker of {plan.group_id} runs now: they wait in the replay topic until one does")


def _planned(plan: LogReplayPlan, form: str) -> None:
    """The result of a dry run, for programs."""
    if form == "table":
        return
    ranges = {str(partition): {"from": first, "to": last} for partition, (first, last) in plan.ranges.items()}
    times = {"oldest": moment(plan.oldest), "newest": moment(plan.newest)}
    counted = {"count": plan.count, "left_out": plan.left_out, "by_type": plan.by_type}
    structured({"topic": plan.stretch.topic, "group": plan.group_id, **counted, **times, "ranges": ranges}, form)
