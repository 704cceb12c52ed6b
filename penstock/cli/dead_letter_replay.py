"""The verb dlt replay: what will be replayed and what it may cost, a few first where asked, then the rest."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli import doors, options
from penstock.cli.dead_letter_filters import filters_of, filters_options, processor_option
from penstock.cli.dead_letter_text import announce, opener_of, planned
from penstock.cli.operator import Audit
from penstock.cli.output import note, say, structured
from penstock.cli.replaying import agreed, bar, counts, entries, finish, processor_of, report

if TYPE_CHECKING:
    from penstock.broker.contract import Broker
    from penstock.dead_letter.canary import CarefulResult
    from penstock.dead_letter.entries import Filters
    from penstock.dead_letter.replay import ReplayPlan
    from penstock.dead_letter.settling import Result
    from penstock.dead_letter.verdict import Verdict
    from penstock.topology.model import Topology


def _share(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """An option's share (10% or 0.1) as a number from 0 to 1; a usage error where it is none."""
    text = value.strip()
    try:
        found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise click.BadParameter(f"{text!r} is no share; write 10% or 0.1", ctx, param)
    return found


@click.command()
@options.file
@options.output
@processor_option
@filters_options
@click.option("--cluster", metavar="ID", help="Only this cluster (`penstock dlt ls --clusters`); the first digits do.")
@click.option("--canary", type=click.IntRange(min=1), help="So many first; the rest only if they go well.")
@click.option(
    "--max-failure-rate",
    callback=_share,
    metavar="SHARE",
    default="0%",
    show_default=True,
    help="With --canary: stop above.",
)
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Records a second, at most.")
@click.option("--max-replays", type=click.IntRange(min=1), default=3, show_default=True, help="Loop guard.")
@options.dry_run
@options.yes
@click.pass_context
def replay(
    ctx: click.Context,
    /,
    path: Path,
    form: str,
    name: str | None,
    cluster: str | None,
    canary: int | None,
    max_failure_rate: float,
    *,
    rate: float | None,
    max_replays: int,
    dry_run: bool,
    yes: bool,
    **asked: Any,
) -> None:
    """Run entries again, through the group's own replay topic. Interrupted, it may be given again.

    With --canary the oldest few are replayed and awaited first; an attempt that fails counts, also where a retry
    follows. Where more than --max-failure-rate fails, it stops, and the rest waits on.
    """
    door = doors.of(ctx)
    topology = door.topology(path)
    processor = processor_of(topology, name)
    filters = filters_of(processor.group_id, asked)
    audit = Audit(door, topology, "replay", processor.name, {**asked, "cluster": cluster, "canary": canary})

    async def replayed(broker: Broker) -> Result | CarefulResult | None:
        chosen = await _cluster(broker, topology, processor.group_id, filters, cluster)
        plan = await _plan(broker, topology, processor.name, chosen, max_replays)
        announce(f"replays {entries(plan.count)} to {plan.topic}", plan.selection, form)
        await _expect(broker, topology, processor.name, plan.count, form)
        if plan.count and not plan.workers:
            note(f"no worker of {processor.name} runs now: they wait in the replay topic until one does")
        if dry_run or not plan.count:
            planned(plan.selection, form)
            return None
        if not agreed("Replay them?", yes=yes, form=form):
            raise click.Abort
        replay_id = str(uuid.uuid4())
        async with audit.turn(broker, plan.count, replay_id=replay_id):
            return await _replay(broker, plan, replay_id, canary, max_failure_rate, rate)

    result = door.ask(topology, replayed)
    if result is not None:
        _finish(ctx, result, form)


async def _cluster(broker: Broker, topology: Topology, group: str, filters: Filters, said: str | None) -> Filters:
    """The filters, narrowed to a cluster where one is named."""
    from penstock.dead_letter.clusters import UNNAMED, cluster_of, clusters
    from penstock.dead_letter.entries import declared_types

    if said is None:
        return filters
    found = cluster_of(await clusters(broker, group, filters=filters, declared=declared_types(topology)), said)
    note(
        f"cluster {found.id}: {found.error_type}: {found.error_message.splitlines()[0] if found.error_message else ''}"
    )
    return dataclasses.replace(filters, fingerprint="" if found.id == UNNAMED else found.id)


async def _plan(broker: Broker, topology: Topology, name: str, filters: Filters, max_replays: int) -> ReplayPlan:
    from penstock.dead_letter.entries import declared_types
    from penstock.dead_letter.replay import plan_replay, unknown_schema

    processor = topology.processors[name]
    return await plan_replay(
        broker,
        processor.group_id,
        filters=filters,
        declared=declared_types(topology),
        max_replays=max_replays,
        objection=unknown_schema(opener_of(topology, processor.group_id)),
    )


async def _expect(broker: Broker, topology: Topology, processor: str, count: int, form: str) -> None:
    from penstock.clock import SystemClock
    from penstock.runs.costs import expected_cost

    if count:
        tell = say if form == "table" else note
        tell(f"  expected cost: {await expected_cost(topology, broker, processor, count, SystemClock().now())}")


async def _replay(
    broker: Broker, plan: ReplayPlan, replay_id: str, canary: int | None, most: float, rate: float | None
) -> Result | CarefulResult:
    from penstock.dead_letter import replay as replaying
    from penstock.dead_letter.canary import replay_carefully

    with bar("replaying", plan.count) as progress:
        if canary is None:
            return await replaying.replay(broker, plan, replay_id=replay_id, rate=rate, progress=progress)
        return await replay_carefully(
            broker,
            plan,
            replay_id=replay_id,
            canary=canary,
            max_failure_rate=most,
            rate=rate,
            progress=progress,
            told=lambda verdict: note(f"the first {canary}: {_verdict(verdict)}"),
        )


def _verdict(verdict: Verdict) -> str:
    return counts({"went well": verdict.well, "failed": verdict.failed, "have not ended": verdict.open})


def _finish(ctx: click.Context, result: Result | CarefulResult, form: str) -> None:
    from penstock.dead_letter.canary import CarefulResult

    if not isinstance(result, CarefulResult):
        finish(ctx, result, "replayed", form)
        return
    if form != "table":
        structured(result, form)
    tell = say if form == "table" else note
    for line in report(result.result, "replayed", "the same command, given again,"):
        tell(line)
    tell(f"so far: {_verdict(result.verdict)}")
    if result.stopped:
        tell(f"stopped: {result.stopped}; what was not replayed waits on")
    ctx.exit(1 if result.stopped or result.result.tally.refusals else 0)
