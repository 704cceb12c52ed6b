"""How an attempt ends: a value, never an exception."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from penstock.record import Outgoing

Reason = Literal["exhausted", "rejected", "undecodable", "unsendable", "expired", "crashed"]


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, as it is written to headers and the log. `error` is the exception, where there was one."""

    type: str
    message: str
    fingerprint: str
    error: BaseException | None = field(default=None, compare=False, repr=False)

    @property
    def trace(self) -> str:
        """The traceback, spelled out when asked for: that costs more than all the rest of a failed attempt."""
        return "".join(traceback.format_exception(self.error)) if self.error is not None else ""


@dataclass(frozen=True, slots=True)
class Done:
    """The handler returned; `emitted` is what it sends."""

    emitted: tuple[Outgoing, ...] = ()


@dataclass(frozen=True, slots=True)
class Retried:
    """The attempt failed and another follows after `delay` seconds."""

    delay: float
    failure: Failure


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: another start of the same attempt after `delay` seconds."""

    delay: float
    failure: Failure


@dataclass(frozen=True, slots=True)
class DeadLettered:
    """No further attempt. `attempted`: an attempt was made and counts; else it is the event that cannot be run."""

    reason: Reason
    failure: Failure
    attempted: bool = True


@dataclass(frozen=True, slots=True)
class Skipped:
    """Finished without running, or by the handler's own word, for an explicit reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The partition went to another worker, or the process stops: no attempt spent, nothing handed off."""


Outcome: TypeAlias = Done | Retried | Deferred | DeadLettered | Skipped | Abandoned

DONE: Final = Done()
ABANDONED: Final = Abandoned()


def name_of(outcome: Outcome) -> str:
    """The outcome's word for logs and metrics: done, retried, deferred, dead_lettered, skipped, abandoned."""
    return _NAMES[type(outcome)]


_NAMES: Final[dict[type, str]] = {
    Done: "done",
    Retried: "retried",
    Deferred: "deferred",
    DeadLettered: "dead_lettered",
    Skipped: "skipped",
    Abandoned: "abandoned",
}
