"""What an agent is asked: the text, the conversation and the event behind them, chosen by the processor's settings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from penstock.context import Context
from penstock.errors import HandlerError
from penstock.event import AnyEvent
from penstock.signals import Reject

_PATH: Final = re.compile(r"(data|key|id|type|subject|tenant|correlation_id|headers)(\.[\w-]+)*")
_IN_BRACES: Final = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Question:
    """One turn: `text` in the conversation `conversation`. `event` and `ctx` are the run's own."""

    text: str
    conversation: str
    event: AnyEvent
    ctx: Context


@dataclass(frozen=True, slots=True)
class Selector:
    """A path (`data.text`, `key`, `headers.x`), or a text with paths in braces (`Ticket {data.id}: {data.text}`)."""

    said: str

    def __post_init__(self) -> None:
        paths = _IN_BRACES.findall(self.said) if "{" in self.said else [self.said]
        wrong = [path for path in paths if not _PATH.fullmatch(path)]
        if wrong:
            raise HandlerError(f"{wrong[0]!r} selects nothing", "write data, data.<field>, key, headers.<name> ...")

    def of(self, event: AnyEvent) -> str:
        """The text it selects. Raises Reject where the event has nothing there: it will not have it next time."""
        if "{" not in self.said:
            return _text(self._found(self.said, event))
        return _IN_BRACES.sub(lambda match: _text(self._found(match.group(1), event)), self.said)

    @staticmethod
    def _found(path: str, event: AnyEvent) -> Any:
        root, *steps = path.split(".")
        found: Any = getattr(event, root)
        for step in steps:
            found = found.get(step) if isinstance(found, Mapping) else getattr(found, step, None)
        if found is None:
            raise Reject(f"the event has no {path}, which the agent's settings ask for")
        return found


def _text(found: Any) -> str:
    if isinstance(found, bytes):
        return found.decode(errors="replace")
    return found if isinstance(found, str) else json.dumps(found, default=str, ensure_ascii=False)
