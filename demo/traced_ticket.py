"""One ticket through four processors, two retries, a dead letter and a replay; prints its trace.

`python -m demo.traced_ticket` plays it in virtual time, with an hour before the replay; `--kafka` on a real Kafka, by
`penstock up`, `send`, `dlt replay` and `trace`, in a minute: docs/tracing.md shows what that printed.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from demo.drill.stage import staged
from penstock import Context, Event, Reject
from penstock.cli.trace_text import print_trace
from penstock.dead_letter.replay import plan_replay, replay
from penstock.runs.trace import Trace, trace
from penstock.testing import TestApp, run_topology
from penstock.topology.model import Backoff, Processor, Retry, Topic, Topology

TICKET = "ticket-4711"
ROOT = Path(__file__).parents[1]
CHAIN = (("triage", "tickets"), ("research", "triaged"), ("draft", "researched"), ("notify", "drafted"))
_RETRY = Retry(max_attempts=3, backoff=Backoff(initial=5.0, multiplier=6.0, max=300.0))


def topology() -> Topology:
    """Four processors in a row."""
    topics = [topic for _, topic in CHAIN]
    outputs = [*topics[1:], None]
    processors = {
        name: Processor(name=name, group_id=f"desk.{name}", handler="x:y", topics=(topic,), output=output, retry=_RETRY)
        for (name, topic), output in zip(CHAIN, outputs, strict=True)
    }
    declared = {name: Topic(name=name, partitions=1, type=f"ticket.{name}") for name in topics}
    return Topology(name="desk", topics=declared, processors=processors)


class Desk:
    """The handlers. `knows_customer` is what the operator mends before the replay."""

    knows_customer = False

    async def triage(self, event: Event[Any], ctx: Context) -> Any:
        """The model is away at first."""
        async with ctx.step("classify"):
            await asyncio.sleep(0.4)
            if ctx.attempt == 1:
                raise ConnectionError("model answered 503")
        ctx.usage.add("gpt-5-mini", tokens_in=412, tokens_out=9, cost=0.0004)
        return event.data

    async def research(self, event: Event[Any], ctx: Context) -> Any:
        """The search times out once; then the customer is not known, until somebody adds it."""
        async with ctx.step("look up customer"):
            await asyncio.sleep(0.05)
        async with ctx.step("search"):
            await asyncio.sleep(1.2)
            if ctx.attempt == 1 and not self.knows_customer:
                raise TimeoutError("search took longer than 1 s")
        ctx.usage.add("gpt-5", tokens_in=3120, tokens_out=402, cost=0.0123, tool_calls=2)
        if not self.knows_customer:
            raise Reject("customer 88 is not known")
        return event.data

    async def draft(self, event: Event[Any], ctx: Context) -> Any:
        """A longer answer."""
        async with ctx.step("write"):
            await asyncio.sleep(3.5)
        ctx.usage.add("gpt-5", tokens_in=2210, tokens_out=640, cost=0.0191)
        return event.data

    async def notify(self, event: Event[Any], ctx: Context) -> None:
        """No model here."""
        async with ctx.step("send mail"):
            await asyncio.sleep(0.1)


async def story(app: TestApp, desk: Desk) -> None:
    """The ticket comes in and dies; an hour later somebody mends the cause and replays it."""
    await app.send("tickets", {"customer": 88, "text": "my card was swallowed"}, key="customer-88", id=TICKET)
    await app.settled()
    await asyncio.sleep(3600)
    desk.knows_customer = True
    plan = await plan_replay(app.broker, "desk.research")
    await replay(app.broker, plan, replay_id="mended-lookup", clock=app.clock)
    await app.settled()
    await asyncio.sleep(1)


def traced(asked: str = TICKET) -> Trace:
    """The trace of the ticket after all of it."""
    desk = Desk()

    async def scenario(app: TestApp) -> Trace:
        await story(app, desk)
        return await trace(app.topology, app.broker, asked)

    handlers = {name: getattr(desk, name) for name, _ in CHAIN}
    return run_topology(topology(), scenario, handlers=handlers, record_runs=True)


def printed(found: Trace) -> str:
    """As `penstock trace` prints it."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        print_trace(found)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def on_kafka() -> str:
    """The same story by commands, and what the last of them printed. Raises PenstockError."""
    with staged(ROOT / "demo" / "traced", ROOT / ".penstock" / "traced", lambda _line: None) as stage:
        stage.deploy(1)
        ticket = json.dumps({"id": TICKET, "customer": 88, "text": "my card was swallowed"})
        (stage.folder / "ticket.jsonl").write_text(ticket + "\n", encoding="utf-8")
        stage.penstock("send", "tickets", "--file", "ticket.jsonl", "--id-field", "id", "--key", "customer-88")
        stage.until("a dead letter", lambda: stage.letters("research"))
        stage.deploy(2)  # the customer is known
        stage.penstock("dlt", "replay", "-p", "research", "--yes")
        stage.until("the ticket to be answered", lambda: "notify done" in stage.penstock("trace", TICKET))
        return stage.penstock("trace", TICKET).rstrip()


def main() -> None:
    """Print it."""
    sys.stdout.write((printed(traced()) if "--kafka" not in sys.argv else on_kafka()) + "\n")


if __name__ == "__main__":
    main()
