"""How a plan and its steps read on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from penstock.cli.output import say, table
from penstock.deploy.apply import Step
from penstock.deploy.plan import Plan
from penstock.durations import spell

_MARKS: Final = {"done": ("✓", "good"), "failed": ("✗", "bad"), "refused": ("·", "dim")}


def show(plan: Plan) -> None:
    """The whole plan: changes first, then what stays, what drains, the groups, and the problems last."""
    for line, style in _lines(plan):
        say(line, style=style)
    if plan.groups:
        say("")
        table(
            ("PROCESSOR", "GROUP", "STATE", "PROTOCOL", "MEMBERS", "LAG", "RETRY TOPICS"),
            [
                (g.processor, g.group, g.state, g.protocol or None, g.members, g.lag, _retries(g.group, g.retry_topics))
                for g in plan.groups
            ],
        )
        say("")
    for problem in plan.problems:
        say(f"problem: {problem}", style="bad")
    say(_summary(plan), style="head")


def show_step(step: Step) -> None:
    """One line as a step ends."""
    mark, style = _MARKS[step.result]
    said = {"failed": f": {step.reason}", "refused": f": not set, the broker says: {step.reason}"}
    say(f"{mark} {step.what}{said.get(step.result, '')}", style=style)


def _lines(plan: Plan) -> Iterator[tuple[str, str]]:
    for new in plan.creates:
        replicas = f", replication {new.replication_factor}" if new.replication_factor else ""
        owner = f"  ({new.owner})" if new.owner else ""
        yield f"+ {new.topic}  {new.partitions} partitions{replicas}{owner}", "good"
        for key, value in new.configs.items():
            yield f"    {key} = {value}", "dim"
    for more in plan.additions:
        yield f"~ {more.topic}  partitions {more.before} → {more.after}", "warn"
        if more.reorders:
            moved = "    new records of a key may land in another partition: until the present ones are done, "
            yield f"{moved}{', '.join(more.reorders)} (ordering: key) may run a key's events side by side", "warn"
    for change in plan.changes:
        before = "unset" if change.before is None else change.before
        yield f"~ {change.topic}  {change.key}: {before} → {change.after}", "warn"
    for one in plan.schemas:
        yield f"+ schema of {one.type}  registered under {one.subject}", "good"
    for ask in plan.sessions:
        yield f"? {ask.group}  session timeout {spell(ask.before)} → {spell(ask.after)}, where the broker allows it", ""
    for kept in plan.kept:
        yield f"= {kept.topic}  {kept.what}: left as it is", "warn"
        yield f"    {kept.instead}", "dim"
    for drain in plan.draining:
        reader = f"{drain.group} drains it" if drain.group else "no processor reads it any more"
        yield f"- {drain.topic}  no policy uses it; {drain.waiting} records wait, {reader}. Never deleted here", "warn"


def _retries(group: str, names: tuple[str, ...]) -> str:
    tiers = " ".join(name.removeprefix(f"{group}.retry.") for name in names)
    return f"{len(names)} ({tiers})" if names else "none"


def _summary(plan: Plan) -> str:
    if not plan.has_changes:
        return "Nothing to do." if not plan.problems else "Nothing that can be done."
    parts = (
        (len(plan.creates), "topic(s) to create"),
        (len(plan.additions), "topic(s) get partitions"),
        (len(plan.changes), "setting(s) to change"),
        (len(plan.schemas), "schema(s) to register"),
    )
    return "Plan: " + ", ".join(f"{count} {what}" for count, what in parts if count) + "."
