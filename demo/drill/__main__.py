"""`python -m demo.drill`: a bad deploy gives up 500 of 5,000 runs; from the alert to all of them done, and the books.

Ends with 0 only if the books say so. `--console` does it in a browser alone, which needs Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

from demo.drill import browser, tickets
from demo.drill.alerts import Pager
from demo.drill.stage import Stage, staged
from demo.drill.terminal import Terminal
from demo.drill.tickets import ALL, BROKEN, CAUSES
from penstock import PenstockError

APP: Final = Path(__file__).parent / "desk"
FOLDER: Final = Path(__file__).parents[2] / ".penstock" / "drill"


class Operator(Protocol):
    """Who mends it: at a terminal or in a browser."""

    typed: list[str]

    def looks(self) -> None:
        """Stop the bleeding and find the causes."""
        ...

    def resumes(self) -> None:
        """Take records again."""
        ...

    def replays(self) -> list[str]:
        """Each cause, a few first; returns the causes that failed again."""
        ...

    def replays_again(self, causes: list[str]) -> None:
        """Those, once more."""
        ...

    def looks_back(self) -> None:
        """See that nothing waits."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo.drill", description=__doc__)
    parser.add_argument("--console", action="store_true", help="only in the console, in a real Chromium")
    chosen = parser.parse_args(arguments)
    try:
        with ExitStack() as stack:
            stage = stack.enter_context(staged(APP, FOLDER, _say))
            operator: Operator
            if chosen.console:
                operator = stack.enter_context(browser.opened(stage.open_console(), _say))
            else:
                operator = Terminal(stage, _say)
            failed = drill(stage, operator)
    except PenstockError as error:
        _say(f"error: {error.message}\n  {error.hint}")
        return 1
    for claim in failed:
        _say(f"did not hold: {claim}")
    if not failed:
        _say("Every claim held.")
    return 1 if failed else 0


def drill(stage: Stage, operator: Operator) -> Sequence[str]:
    """All of it; returns the claims that did not hold."""
    pager = Pager(stage)
    try:
        _goes_wrong(stage, pager)
        began = time.monotonic()
        _is_mended(stage, pager, operator)
        stage.until("everything to be done", stage.finished)
        took = time.monotonic() - began
    finally:
        pager.stop()
    books = stage.books()
    clicked = getattr(operator, "clicked", None)
    if clicked is None:
        done = f"{len(operator.typed)} commands"
    else:
        done = f"{len(clicked)} clicks, {len(operator.typed)} fields filled in"
    _say(f"\n{done}, two deploys; {took:.0f} s from the alert until everything was done")
    _say(books.line())
    return books.broken_claims()


def _goes_wrong(stage: Stage, pager: Pager) -> None:
    _say(f"release 6 works; {ALL:,} tickets will come in all. Logs: {FOLDER}")
    for name, text in zip(("before", "during", "after"), tickets.lines(), strict=True):
        (stage.folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    stage.deploy(6)
    pager.begin()
    _say(f"alerts are looked at by {pager.by}")
    stage.send("before")
    stage.until("the first tickets to be done", stage.finished)
    _say(f"firing: {pager.firing() or 'nothing'}")
    _say("release 7 is deployed, and the tickets go on coming")
    stage.deploy(7)
    pager.look_at_workers()
    stage.send("during")
    stage.until("the alert", pager.firing)
    stage.until(f"{BROKEN} dead letters", lambda: stage.letters() == BROKEN)
    stage.send("after", rate=20)  # healthy traffic goes on while somebody mends
    _say("\nALERT")
    for line in stage.until("the alert", pager.firing):
        _say(f"  {line}")


def _is_mended(stage: Stage, pager: Pager, operator: Operator) -> None:
    operator.looks()
    _say(f"\nrelease 8 mends two of the {len(CAUSES)} causes, and is deployed")
    stage.deploy(8)
    pager.look_at_workers()
    operator.resumes()
    again = operator.replays()
    _say("\nrelease 9 mends the last one, and is deployed")
    stage.deploy(9)
    operator.replays_again(again)
    stage.sent()
    operator.looks_back()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
