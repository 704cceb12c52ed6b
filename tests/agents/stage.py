"""What the contract of all adapters runs on: an example's topology, the real engine, a scripted model, real time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.agents.http_client import http_client
from penstock.broker.in_memory import InMemoryBroker
from penstock.clock import SystemClock
from penstock.durations import rate
from penstock.testing import Behaviour, ModelServer, Rule, Script, TestApp
from penstock.testing.model_script import ToolCall
from penstock.topology.model import Backoff, Breaker, Limit, Retry, Topology
from penstock.topology.reader import read

ROOT = Path(__file__).parents[2]
FRAMEWORK = os.environ.get("PENSTOCK_TEST_FRAMEWORK", "chat")
HAS_TOOLS = FRAMEWORK in {"langchain", "agno", "adk", "omnicore"}
TELLS_USAGE = FRAMEWORK != "omnidaemon"

_LOOP = asyncio.Runner()  # one for all tests, as in a worker: some clients are kept by their libraries, with their loop
LOOKS_UP = Rule(match="order", then=Behaviour(calls=(ToolCall("look_up", (("order", "A1"),)),)))


def echo(_system: str, user: str) -> str:
    """An answer that names what was asked."""
    return f"you said: {user}"


def example(**changes: Any) -> Topology:
    """The example's topology with short delays; `changes` are of its one processor."""
    topology = read(ROOT / "examples" / FRAMEWORK / "topology.yaml", os.environ)
    retry = Retry(max_attempts=3, backoff=Backoff(initial=0.5, multiplier=2, max=2))
    limit = Limit(name="model", requests=rate("100k/s"), breaker=Breaker(open_for=1.0))
    processor = replace(topology.processors["desk"], retry=retry, **changes)
    return replace(topology, processors={"desk": processor}, limits={"model": limit})


def on_stage(
    scenario: Callable[[TestApp, ModelServer], Awaitable[None]],
    *rules: Rule,
    latency: float = 0.0,
    within: float = 90.0,
    **changes: Any,
) -> None:
    """Run the example against a model with these rules. Raises TimeoutError after `within` seconds."""

    async def main() -> None:
        async with ModelServer(Script((*rules, LOOKS_UP), echo), latency=latency) as server, http_client() as client:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = "none"
            clock: Any = SystemClock()
            app = TestApp(example(**changes), InMemoryBroker(clock), clock, {}, lambda: client)
            await app.create_topics()
            async with app.running(("desk",), 1):
                await scenario(app, server)

    _LOOP.run(asyncio.wait_for(main(), within))


def warm_up() -> None:
    """Have the framework imported, and one event answered."""

    async def scenario(app: TestApp, _server: ModelServer) -> None:
        await app.send("tickets.new", {"text": "hello"}, key="c1")
        await app.settled("280s")

    on_stage(scenario, within=300)


def recovers(server: ModelServer) -> None:
    """From now on the model answers everything."""
    server.script = Script((LOOKS_UP,), echo)


async def until(holds: Callable[[], bool], what: str, within: float = 20.0) -> None:
    """Wait for a condition."""
    end = asyncio.get_running_loop().time() + within
    while not holds():
        assert asyncio.get_running_loop().time() < end, f"waited {within:g} s in vain for {what}"
        await asyncio.sleep(0.02)


def outcomes(app: TestApp) -> list[str]:
    """Of all attempts so far."""
    return [one.outcome for one in app.attempts]
