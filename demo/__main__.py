"""`python -m demo`: choose the stage, play, and end with 0 only if every claim held."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from demo import model, outage, verdict
from demo.board import Board
from demo.kafka_stage import KafkaStage
from demo.memory_stage import BANNER, MemoryStage
from demo.play import Play
from demo.screen import Screen, summary
from demo.stage import Stage
from demo.tickets import from_csv, generated
from penstock import PenstockError, local_kafka
from penstock.cli.local_broker import VARIABLE, usual_port
from penstock.errors import LocalKafkaError
from penstock.testing.model_server import ModelServer
from penstock.topology.reader import read
from processors import model as agents_model

ROOT: Final = Path(__file__).parents[1]
DATA: Final = ROOT / ".penstock" / "kafka"
LOGS: Final = ROOT / ".penstock" / "demo"
COUNT: Final = 1000
BROKEN: Final = 3
WATCHED: Final = "triage"
NEXT: Final = r"""Three commands to try next:
  make up     (the same desk, left running until Ctrl-C; the other two in a second terminal)
  .venv/bin/penstock send tickets.new --key c-1 \
      '{"ticket_id": "t-1", "customer_id": "c-1", "text": "When does my new card arrive?"}'
  .venv/bin/penstock tap tickets.answered --from 5m"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--tickets", type=Path, metavar="FILE", help="a CSV with a column text (and category)")
    parser.add_argument("--in-memory", action="store_true", help="do without Kafka, in this one process")
    chosen = parser.parse_args(arguments)
    console = Console()
    try:
        return asyncio.run(_until_stopped(_demonstrate(console, chosen.tickets, in_memory=chosen.in_memory)))
    except PenstockError as error:
        console.print(f"error: {error.message}", style="red", markup=False, soft_wrap=True)
        console.print(f"  {error.hint}", markup=False, soft_wrap=True)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("stopped; everything that was started has ended")
        return 130


async def _until_stopped(work: Coroutine[Any, Any, int]) -> int:
    """Do the work; SIGTERM ends it as Ctrl-C does, so that nothing is left running."""
    doing = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, doing.cancel)
    return await doing


async def _demonstrate(console: Console, path: Path | None, *, in_memory: bool) -> int:
    run = secrets.token_hex(3)
    tickets, left_out = from_csv(path, run) if path else (generated(run, COUNT, BROKEN), 0)
    board = Board(WATCHED)
    screen = Screen(board, console)
    with _kafka(board.say, in_memory=in_memory) as found:
        async with _model(needed=path is None) as server, screen.shown():
            if path:
                by = f"the model {agents_model.name()}" if agents_model.configured() else "rules; no model key is set"
                board.say(f"{len(tickets):,} tickets of {path.name} ({left_out} rows without text); triage is by {by}")
            stage = _stage(console, board, in_memory=not found)
            try:
                board.say("starting the desk's workers")
                await stage.start()
                outcome = await Play(stage, board, tickets, server).perform()
            finally:
                board.say("draining the workers")
                await stage.stop()
    partitions = stage.topology.topics[stage.topology.processors[WATCHED].topics[0]].partitions or 1
    table = [*verdict.rows(outcome), *(verdict.accounts(outcome) if path else ())]
    failed = verdict.broken_claims(outcome, partitions=partitions, expected_dead=None if path else BROKEN)
    summary(console, "4  What stands in the topics now", table)
    away = await asyncio.to_thread(outage.perform, read(ROOT / "topology.yaml", os.environ))
    summary(console, "5  The model's provider is away for ten minutes (the same engine, in virtual time)", away.rows())
    failed = [*failed, *away.broken_claims()]
    return _farewell(console, failed, in_memory=not found)


def _farewell(console: Console, failed: Sequence[str], *, in_memory: bool) -> int:
    for claim in failed:
        console.print(f"did not hold: {claim}", style="red", markup=False, soft_wrap=True)
    if not failed:
        console.print("Every claim held.", style="green")
    if not in_memory:
        console.print(f"The workers' logs: {LOGS}", soft_wrap=True, highlight=False)
    console.print(NEXT, markup=False, highlight=False, soft_wrap=True)
    return 1 if failed else 0


def _stage(console: Console, board: Board, *, in_memory: bool) -> Stage:
    topology = read(ROOT / "topology.yaml", os.environ)
    agents = {name: one for name, one in topology.processors.items() if one.sink is None}  # nobody is paged by a show
    topology = dataclasses.replace(topology, processors=agents)
    if in_memory:
        console.print(BANNER, style="yellow", highlight=False, soft_wrap=True)
        return MemoryStage(topology, board)
    return KafkaStage(topology, board, LOGS)


@contextlib.asynccontextmanager
async def _model(*, needed: bool) -> AsyncIterator[ModelServer | None]:
    """The scripted model, asked by every agent while inside; None where it is not needed."""
    if not needed:
        yield None
        return
    async with model.fine() as server:
        with model.asked_at(server.base_url):
            yield server


@contextlib.contextmanager
def _kafka(say: Callable[[str], None], *, in_memory: bool) -> Iterator[bool]:
    """A Kafka at KAFKA_BOOTSTRAP_SERVERS while inside: one's own, or the local one; False where there is none."""
    if in_memory or os.environ.get(VARIABLE):
        yield not in_memory
        return
    was_running = local_kafka.status(DATA) is not None
    try:
        kafka = local_kafka.start(DATA, usual_port(DATA), say=say)
    except LocalKafkaError as error:
        say(f"no Kafka here: {error.message.splitlines()[0]:.150}")
        if error.hint:
            say(f"  {error.hint}")
        yield False
        return
    say(f"Kafka at {kafka.bootstrap}, data in {kafka.data}")
    os.environ[VARIABLE] = kafka.bootstrap  # for the workers, which are processes of their own
    try:
        yield True
    finally:
        del os.environ[VARIABLE]
        if not was_running:
            say("stopping Kafka")
            local_kafka.stop(DATA)


if __name__ == "__main__":
    sys.exit(main())
