"""Letters: tickets that other offices leave as JSON files in a folder; each is taken once, in the order of names."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from penstock.extensions import Incoming, Outlet, SourceOptions, option


@dataclass(frozen=True, kw_only=True)
class LettersOptions(SourceOptions):
    """Where the letters lie."""

    folder: Path = option("path", "The folder; names must grow, as 2026-01-31-0007.json does.")
    every: float = option("duration", "How often to look.", default=1.0, least=0.05)


class Letters:
    """The cursor is the name of the last letter that was taken; the files stay where they are."""

    Options = LettersOptions

    def __init__(self, options: LettersOptions) -> None:
        self._options = options

    async def run(self, outlet: Outlet) -> None:
        """Bring in what is there, then look again now and then."""
        taken = outlet.cursor or ""
        while not outlet.stopping.is_set():
            for letter in await asyncio.to_thread(self._after, taken):
                taken = letter.name
                await self._bring(letter, outlet)
            with suppress(TimeoutError):
                await asyncio.wait_for(outlet.stopping.wait(), self._options.every)

    def _after(self, name: str) -> list[Path]:
        return sorted(letter for letter in self._options.folder.glob("*.json") if letter.name > name)

    async def _bring(self, letter: Path, outlet: Outlet) -> None:
        raw = await asyncio.to_thread(letter.read_bytes)
        try:
            ticket = json.loads(raw)
            event = Incoming(data=ticket, id=f"letter-{letter.name}", key=ticket["customer_id"])
        except (ValueError, KeyError, TypeError) as error:
            await outlet.refuse(raw, f"{letter.name} is no ticket: {error!r}", id=letter.name, cursor=letter.name)
            return
        await outlet.deliver([event], cursor=letter.name)
