"""A trace as people and programs read it: a tree with times, attempts and what they cost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.cli.output import console, say
from penstock.cli.runs_text import attempt_view, clock_time, money, span

if TYPE_CHECKING:
    from rich.tree import Tree

    from penstock.runs.decoding import RanAttempt
    from penstock.runs.lineage import TracedEvent, TracedRun
    from penstock.runs.trace import Trace

_STYLES = {"done": "green", "dead_lettered": "red", "retried": "yellow", "deferred": "yellow"}


def print_trace(found: Trace) -> None:
    """Print the tree, then what all of it took and cost."""
    from rich.tree import Tree

    for event in found.events:
        tree = Tree(_event_line(event, found.asked), guide_style="dim")
        _add_runs(tree, event, found.asked)
        console().print(tree)
    attempts = found.attempts
    if attempts:
        took = max(one.ended for one in attempts) - min(one.started for one in attempts)
        runs = len({one.run_id for one in attempts})
        cost = f", cost {money(found.cost)}" if found.cost is not None else ""
        say(f"{_count(runs, 'run')}, {_count(len(attempts), 'attempt')}, {span(took)} from first to last{cost}")
    if not found.complete:
        say("not the whole chain: what is missing is older than the record, or was left out of it", style="warn")
    if found.unreadable:
        say(f"{found.unreadable} batches are not of this version of penstock and were left out", style="warn")


def trace_view(found: Trace) -> dict[str, Any]:
    """The tree for programs."""
    return {
        "asked": found.asked,
        "complete": found.complete,
        "unreadable": found.unreadable,
        "cost": found.cost,
        "attempts": len(found.attempts),
        "events": [_event_view(event) for event in found.events],
    }


def _event_view(event: TracedEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "position": event.position,
        "source": event.source,
        "cost": event.cost,
        "readers": list(event.readers),
        "runs": [
            {
                "run_id": run.run_id,
                "processor": run.processor,
                "outcome": run.outcome,
                "replays": run.replays,
                "attempts": [attempt_view(one) for one in run.attempts],
                "sent": [_event_view(child) for child in run.sent],
            }
            for run in event.runs
        ],
    }


def _add_runs(tree: Tree, event: TracedEvent, asked: str) -> None:
    for run in event.runs:
        branch = tree.add(_run_line(run, asked))
        for one in run.attempts:
            branch.add(_attempt_line(one, asked))
        for child in run.sent:
            _add_runs(branch.add(_event_line(child, asked)), child, asked)


def _event_line(event: TracedEvent, asked: str) -> Any:
    from rich.text import Text

    line = Text()
    line.append(event.type or "event", "bold")
    line.append(f" {event.id or '(unknown)'}  {event.position}")
    if event.written is not None:
        line.append(f"  {clock_time(event.written)}", "dim")
    if event.source:
        line.append(f"  from {event.source}", "dim")
    if not event.runs:
        waits = f"waits for {', '.join(event.readers)}" if event.readers else "no processor of this topology reads it"
        line.append(f"  {waits}", "yellow" if event.readers else "dim")
    return _marked(line, asked in (event.id, event.position))


def _run_line(run: TracedRun, asked: str) -> Any:
    from rich.text import Text

    line = Text()
    line.append(run.processor, "bold")
    line.append(f" {run.outcome}", _STYLES.get(run.outcome, ""))
    line.append(f"  {_count(len(run.attempts), 'attempt')}, {span(run.ended - run.started)}")
    costs = [cost for one in run.attempts if (cost := one.cost) is not None]
    if costs:
        line.append(f", cost {money(sum(costs))}")
    if run.replays:
        line.append(f", replayed {run.replays} time{'s' if run.replays > 1 else ''}")
    line.append(f"  run {run.run_id}", "dim")
    return _marked(line, asked == run.run_id)


def _attempt_line(one: RanAttempt, asked: str) -> Any:
    from rich.text import Text

    line = Text()
    line.append(f"{datetime.fromtimestamp(one.started, tz=UTC):%H:%M:%S.%f}"[:-3], "dim")
    line.append(f" attempt {one.attempt} ")
    line.append(one.outcome, _STYLES.get(one.outcome, ""))
    line.append(f" in {span(one.duration)}")
    if one.queued >= 0.001:
        line.append(f" after {span(one.queued)} in the queue", "dim")
    if one.cost is not None:
        tokens = one.tokens
        line.append(f", {tokens[0]}+{tokens[1]} tokens, cost {money(one.cost)}")
    if one.steps:
        line.append(f"  [{', '.join(f'{step.name} {span(step.duration)}' for step in one.steps[:8])}]", "dim")
    if one.replayed_from:
        line.append(f"  replayed from {one.replayed_from}", "cyan")
    problem = f"{one.error.type}: {one.error.message}".splitlines()[0] if one.error else one.reason
    if problem:
        line.append(f"  {problem[:100]}", "red")
    if one.outcome != "done" and one.sent:
        line.append(f"  → {one.sent[0]}")
    return _marked(line, asked == one.at and asked != one.origin)


def _marked(line: Any, asked: bool) -> Any:  # noqa: FBT001 - a mark or none
    if asked:
        line.append("  ◀", "bold")
    return line


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
