"""Actions that take a while: each goes on when its page is left, and says how it went."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from penstock.errors import PenstockError

_KEPT = 100


@dataclass
class Deed:
    """One action under way or ended. `done` of `total`; `result` or `problem` once it has ended; `remark` beside it."""

    id: str
    what: str
    total: int
    command: str
    back: str
    done: int = 0
    result: str = ""
    problem: str = ""
    remark: str = ""
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def ended(self) -> bool:
        """Whether there is an outcome."""
        return bool(self.result or self.problem)

    def advance(self, count: int) -> None:
        """So many more are done."""
        self.done += count

    def remarked(self, text: str) -> None:
        """Something to say beside the outcome."""
        self.remark = text


class Deeds:
    """The actions of one console; the newest hundred are kept."""

    def __init__(self) -> None:
        self._deeds: dict[str, Deed] = {}

    def get(self, deed_id: str) -> Deed | None:
        """The deed of this id."""
        return self._deeds.get(deed_id)

    def begin(self, what: str, total: int, command: str, back: str, act: Callable[[Deed], Awaitable[str]]) -> Deed:
        """Start `act`, which returns in words how it went; an error of ours becomes the deed's problem."""
        deed = Deed(uuid.uuid4().hex, what, total, command, back)
        deed.task = asyncio.ensure_future(_carry_out(deed, act))
        self._deeds[deed.id] = deed
        while len(self._deeds) > _KEPT:
            oldest = next((one for one in self._deeds.values() if one.ended), None)
            if oldest is None:
                break
            del self._deeds[oldest.id]
        return deed


async def _carry_out(deed: Deed, act: Callable[[Deed], Awaitable[str]]) -> None:
    try:
        deed.result = await act(deed)
    except PenstockError as error:
        deed.problem = str(error)
    except asyncio.CancelledError:
        deed.problem = "the console was stopped; what was written stays, and it can be given again"
        raise
    finally:
        deed.problem = deed.problem or ("" if deed.result else "it broke off: see the console's log")
