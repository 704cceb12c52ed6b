"""What each feature costs on the loop: the real engine, records in memory, no Kafka; one part taken away or added.

`python -m benchmarks.features` prints the table; µs of the loop per event, the median of several rounds.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

from benchmarks.load import value_of
from benchmarks.memory_stage import Stage

ROUNDS = 3
EVENTS = 100_000
WHOLE = "all defaults on"


@dataclass(frozen=True)
class Feature:
    """One variant. `added` says that it is more than the default; `without` describes what is missing otherwise."""

    name: str
    added: bool = False
    processor: dict[str, Any] = field(default_factory=dict)
    change: Callable[[Any], None] = lambda _: None  # what is replaced in the worker once it is built
    handler: str = "noop"
    observed: bool = False


def _no_tracker(worker: Any) -> None:
    class Nothing:
        frontier = position = unfinished = top = 0

        def begin_all(self, records: Any) -> Any:
            return records

        def finish(self, _: object) -> None: ...

        def runs(self) -> tuple[tuple[int, int], ...]:
            return ()

    import penstock.engine.partition as home

    home.OffsetTracker = lambda *_: Nothing()  # type: ignore[assignment,misc]


def _no_histogram(worker: Any) -> None:
    worker.parts.counters.duration = SimpleNamespace(
        observe=lambda _: None, observe_all=lambda _: None, total=0.0, count=0
    )


def _no_deadlines(worker: Any) -> None:
    worker._deadlines.sweep = lambda: None  # noqa: SLF001


def _no_decoding(worker: Any) -> None:
    import penstock.schema.envelope as home

    data = json.loads(value_of(0))
    home._loads = lambda _: data  # type: ignore[misc,assignment]  # noqa: SLF001


def _no_opening(worker: Any) -> None:
    from penstock.event import Event

    event = Event(SimpleNamespace(), {}, "")  # type: ignore[arg-type]
    worker.parts.executor._open = lambda _: event  # noqa: SLF001


def _no_fresh_context(worker: Any) -> None:
    import penstock.engine.pool as home

    pool = worker.parts.pool
    home.contextvars = SimpleNamespace(copy_context=lambda: pool._context)  # type: ignore[assignment] # noqa: SLF001


FEATURES: tuple[Feature, ...] = (
    Feature(WHOLE),
    Feature("key order (lanes)", processor={"ordering": "none"}),
    Feature("frontier and completed-above map (tracker)", change=_no_tracker),
    Feature("duration histogram", change=_no_histogram),
    Feature("deadline sweep", change=_no_deadlines),
    Feature("fresh context for each run", change=_no_fresh_context),
    Feature("JSON decoded (512 B, orjson)", change=_no_decoding),
    Feature("the event opened, JSON included", change=_no_opening),
    Feature("a filter on types", added=True, processor={"types": ("bench",)}),
    Feature("data checked and converted (Event[dataclass])", added=True, handler="typed"),
    Feature("run_id read", added=True, handler="named"),
    Feature("one output, acknowledged at once", added=True, processor={"output": "out"}, handler="answer"),
    Feature("a log line per attempt, text, to nowhere", added=True, observed=True),
)


def main() -> None:
    """All variants, interleaved, each in a process of its own."""
    if len(sys.argv) > 1:
        print(json.dumps(_measure(FEATURES[int(sys.argv[1])])))
        return
    print("\n".join(lines(measure(ROUNDS, print))))


def measure(rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """µs per event of every variant, one value a round; `feeding` is what handing records over costs without us."""
    found: dict[str, list[float]] = {feature.name: [] for feature in FEATURES}
    for number in range(rounds):
        say(f"features, round {number + 1} of {rounds}")
        for place, feature in enumerate(FEATURES):
            command = [sys.executable, "-m", "benchmarks.features", str(place)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)
            if done.returncode:
                say(f"{feature.name} cannot be measured: {done.stderr.strip().splitlines()[-1]}")
                continue
            found[feature.name].append(float(done.stdout))
    return found


def lines(found: dict[str, list[float]]) -> list[str]:
    """A table in Markdown: each feature by what the whole costs more or less without it, in the same round."""
    whole = found[WHOLE]
    if not whole:
        return ["Not measured: the engine could not be run on records in memory."]
    rows = ["| part | µs per event |", "|---|---|", f"| **{WHOLE}** | **{median(whole):.2f}** |"]
    for feature in FEATURES[1:]:
        if len(found[feature.name]) < len(whole):
            rows.append(f"| {feature.name} | not measured |")
            continue
        sign = 1 if feature.added else -1
        costs = [sign * (one - all_) for one, all_ in zip(found[feature.name], whole, strict=True)]
        kind = "+ " if feature.added else "of which: "
        rows.append(f"| {kind}{feature.name} | {median(costs):.2f} |")
    return rows


def _measure(feature: Feature) -> float:
    import uvloop

    gc.collect()
    return uvloop.run(_run(feature))


async def _run(feature: Feature) -> float:
    from penstock.clock import SystemClock
    from penstock.engine.assembly import build
    from penstock.engine.handler import adapt
    from penstock.service import logs
    from penstock.topology.model import Processor, Topic, Topology

    over = asyncio.Event()
    handlers = _handlers(over)
    processor = Processor(name="p", group_id="g", handler="x:y", topics=("in",), **feature.processor)
    topology = Topology(
        name="bench", topics={"in": Topic(name="in"), "out": Topic(name="out")}, processors={"p": processor}
    )
    stage = Stage(EVENTS)
    handler = adapt(handlers[feature.handler], processor)
    observe = None
    if feature.observed:
        with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
            sys.stderr = open(nowhere.name, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        logs.configure("text")
        observe = logs.log_attempt
    else:
        logging.disable(logging.CRITICAL)
    worker = await build(topology, processor, handler, stage, SystemClock(), observe=observe)  # type: ignore[arg-type]
    feature.change(worker)
    task = asyncio.create_task(worker.run())
    before = time.thread_time()
    waiting = asyncio.create_task(over.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    spent = time.thread_time() - before - stage.feeding
    worker.stop()
    await task
    return spent / EVENTS * 1e6


def _handlers(over: asyncio.Event) -> dict[str, Any]:
    from penstock import Context, Event

    seen = 0

    @dataclass
    class Data:
        n: int
        t: int
        user: str
        tags: list[str]
        text: str

    def one() -> None:
        nonlocal seen
        seen += 1
        if seen == EVENTS:
            over.set()

    async def noop(event: Any, ctx: Any) -> None:
        one()

    async def typed(event: Event[Data], ctx: Context) -> None:
        one()

    typed.__annotations__ = {"event": Event[Data], "ctx": Context}

    async def named(event: Any, ctx: Any) -> None:
        _ = ctx.run_id
        one()

    async def answer(event: Any, ctx: Any) -> Any:
        one()
        return event.data

    return {"noop": noop, "typed": typed, "named": named, "answer": answer}


if __name__ == "__main__":
    main()
