"""Do what a plan says, step by step: a step that fails is reported and the others go on; doing it twice is harmless."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from penstock.broker.contract import Admin, NewTopic
from penstock.deploy.observe import observe
from penstock.deploy.plan import ChangeConfig, CreateTopic, Plan, RegisterSchema
from penstock.durations import spell
from penstock.errors import BrokerError, PenstockError
from penstock.schema.registry import Registry
from penstock.topology.model import SchemaRegistry

Result = Literal["done", "failed", "refused"]


class PlanOutdated(PenstockError):
    """The cluster is no longer what a saved plan rests on."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing apply did or could not do. `refused` is the broker's right: nothing is wrong then."""

    what: str
    result: Result
    reason: str = ""


Report = Callable[[Step], None]


async def check_current(plan: Plan, admin: Admin) -> None:
    """Raise PlanOutdated, naming every topic that moved, unless the cluster is as the plan saw it."""
    settings = {name: () if topic is None else tuple(topic.configs) for name, topic in plan.observed.topics.items()}
    moved = plan.observed.moved(await observe(admin, settings))
    if moved:
        raise PlanOutdated(
            "the cluster moved since this plan was saved:\n  " + "\n  ".join(moved),
            "make a new plan with `penstock plan --out FILE`",
        )


async def apply(plan: Plan, admin: Admin, report: Report, registry: SchemaRegistry | None = None) -> tuple[Step, ...]:
    """Carry the plan out in its order: topics, partitions, settings, schemas, sessions. Raises BrokerUnavailable.

    Each step is reported as it ends. Topics come before partitions and settings, sources before what derives from
    them, so that stopping anywhere leaves a cluster that a new plan completes.
    """
    steps: list[Step] = []

    def ended(step: Step) -> None:
        steps.append(step)
        report(step)

    await _create(plan.creates, admin, ended)
    for addition in plan.additions:
        what = f"{addition.topic}: {addition.before} → {addition.after} partitions"
        await _try(what, lambda a=addition: admin.add_partitions(a.topic, a.after), ended)  # type: ignore[misc]
    for topic, changes in _by_topic(plan.changes):
        what = f"{topic}: " + ", ".join(f"{one.key} = {one.after}" for one in changes)
        values: dict[str, str | None] = {one.key: one.after for one in changes}
        await _try(what, lambda t=topic, v=values: admin.alter_configs(t, v), ended)  # type: ignore[misc]
    if plan.schemas and registry is not None:
        await asyncio.to_thread(_register, plan.schemas, Registry(registry), ended)
    for ask in plan.sessions:
        reason = await admin.set_group_session_timeout(ask.group, ask.after)
        what = f"{ask.group}: session timeout {spell(ask.before)} → {spell(ask.after)}"
        ended(Step(what, "refused" if reason else "done", reason))
    return tuple(steps)


async def _create(topics: Iterable[CreateTopic], admin: Admin, ended: Report) -> None:
    ordered = sorted(topics, key=lambda topic: topic.derived)
    if not ordered:
        return
    wishes = [NewTopic(topic.topic, topic.partitions, topic.replication_factor, topic.configs) for topic in ordered]
    refused = await admin.create_topics(wishes)
    for topic in ordered:
        what = f"{topic.topic}: created with {topic.partitions} partitions"
        reason = refused.get(topic.topic, "")
        ended(Step(what if not reason else f"{topic.topic}: not created", "failed" if reason else "done", reason))


def _register(schemas: Iterable[RegisterSchema], registry: Registry, ended: Report) -> None:
    for one in schemas:
        what = f"{one.subject}: schema of {one.type} registered"
        try:
            number = registry.register(one.subject, one.language, one.text)
        except PenstockError as error:
            ended(Step(what, "failed", str(error)))
        else:
            ended(Step(f"{what} as {number}", "done"))


async def _try(what: str, act: Callable[[], Awaitable[None]], ended: Report) -> None:
    from penstock.errors import BrokerUnavailable

    try:
        await act()
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        ended(Step(what, "failed", str(error)))
    else:
        ended(Step(what, "done"))


def _by_topic(changes: Iterable[ChangeConfig]) -> Iterable[tuple[str, list[ChangeConfig]]]:
    ordered = sorted(changes, key=lambda change: change.topic)
    return [(topic, list(found)) for topic, found in groupby(ordered, key=lambda change: change.topic)]
