"""`--watch`: a verb that looks is asked again every two seconds; on a terminal each look replaces the one before."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import click

from penstock.cli.output import note
from penstock.errors import PenstockError

EVERY: Final = 2.0  # seconds
_CLEAR: Final = "\x1b[H\x1b[2J"


class _Page(io.StringIO):
    """One look, held back until it is whole, so that the screen is never seen half empty."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        """As the terminal it is for: colours and width are chosen by that."""
        return self._terminal


def watch(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--watch` to a verb. While it watches, a broker that is away is said, and asked again."""

    @click.option("--watch", "watching", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
    @functools.wraps(verb)
    def watched(*args: Any, watching: bool, **given: Any) -> Any:
        if not watching:
            return verb(*args, **given)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                _look(functools.partial(verb, *args, **given))
                time.sleep(EVERY)

    return watched


def _look(verb: Callable[[], Any]) -> None:
    terminal = sys.stdout.isatty()
    page = _Page(terminal=terminal)
    try:
        with contextlib.redirect_stdout(page), contextlib.suppress(click.exceptions.Exit):
            verb()
    except PenstockError as error:
        note(f"{time.strftime('%H:%M:%S')} {error.message}")
        return
    sys.stdout.write(f"{_CLEAR}{time.strftime('%H:%M:%S')}\n\n{page.getvalue()}" if terminal else page.getvalue())
    sys.stdout.flush()
