"""The live screen: bars and counts that move in place on a terminal, plain lines, one a second at most, elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final

from demo.board import Board, Look

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_BAR: Final = 28  # it must fit into 80 columns


class Screen:
    """Shows one board until closed. What was said stays on the terminal afterwards."""

    def __init__(self, board: Board, console: Console) -> None:
        self._board = board
        self._console = console
        self._live = console.is_terminal
        self._last = ""
        board.say = self.say

    def say(self, sentence: str) -> None:
        """One thing that happened, with its time."""
        line = f"{self._board.elapsed:6.1f} s  {sentence}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=not self._live)

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Show the board while inside."""
        showing = asyncio.create_task(self._on_terminal() if self._live else self._in_lines())
        try:
            yield
        finally:
            showing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await showing

    async def _in_lines(self) -> None:
        while True:
            await asyncio.sleep(1)
            line = self._board.line()
            if self._board.looks and line != self._last:
                self._last = line
                self._console.print(f"{self._board.elapsed:6.1f} s  {line}", highlight=False, soft_wrap=True)

    async def _on_terminal(self) -> None:
        from rich.live import Live

        with Live(self._picture(), console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                live.update(self._picture(), refresh=True)
                await asyncio.sleep(0.25)

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table

        board = self._board
        grid = Table.grid(padding=(0, 2))
        for name, look in board.looks.items():
            grid.add_row(name, _bar(look), _beside(look), f"pid {look.pid}" if look.pid else "")
        if board.target:
            grid.add_row("done", _progress(board), f"{board.counted('done')} runs for {board.target} tickets")
        counts = _counts(board)
        return Panel(Group(grid, counts), title=board.title or "penstock", title_align="left", border_style="cyan")


def _bar(look: Look) -> str:
    if not look.up:
        return "[red]" + "x" * _BAR + "[/]"
    filled = round(_BAR * min(look.in_flight / max(look.concurrency, 1), 1))
    return f"[green]{'█' * filled}[/][dim]{'░' * (_BAR - filled)}[/]"


def _beside(look: Look) -> str:
    if not look.up:
        return "[red]down[/]"
    return f"{look.in_flight} in flight, {look.partitions} partitions"


def _progress(board: Board) -> str:
    filled = round(_BAR * min(board.counted("done") / board.target, 1))
    return f"[cyan]{'█' * filled}[/][dim]{'░' * (_BAR - filled)}[/]"


def _counts(board: Board) -> str:
    return (
        f"[bold]{board.in_flight}[/] in flight (most: {board.peak})   {board.counted('retried', '')} retried   "
        f"{board.counted('dead_lettered', '')} dead letters   {board.elapsed:.0f} s"
    )


def summary(console: Console, title: str, rows: Sequence[tuple[str, str]]) -> None:
    """The table at the end."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
