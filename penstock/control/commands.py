"""A command of an operator, how it is written, and the state that all commands together leave.

Two records per command: one under the key of what it is about (`processor/triage/paused`), which compaction keeps the
last of, and one under a key of its own (`audit/...`), which is kept for ever. Commands say how things shall be, not
what to do; so a command that is given twice, or heard twice, changes nothing.

What is done to dead letters (replay, discard, purge) is a line of the audit and nothing else: no worker hears it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, cast, get_args

from penstock.record import Outgoing, Record

Lever = Literal["pause", "resume", "set", "cancel"]
Deed = Literal["replay", "discard", "purge"]
Action = Lever | Deed
VERSION: Final = 1
_LEVERS: Final = frozenset(get_args(Lever))
_ACTIONS: Final = _LEVERS | frozenset(get_args(Deed))
AUDIT: Final = "audit/"
TURN: Final = "turn/"  # claims, see turns.py


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `target` is a processor, or a run where the action is cancel; `at` is epoch milliseconds.

    `value` is the concurrency of a `set` (None returns to the topology's own), and of a deed how many entries or
    records it was about to touch; `detail` says which.
    """

    id: str
    action: Action
    target: str
    by: str
    at: int
    reason: str = ""
    value: int | None = None
    detail: str = ""

    @property
    def key(self) -> str:
        """What it is about: of all commands with this key the last one holds."""
        if self.action == "cancel":
            return f"run/{self.target}/cancelled"
        return f"processor/{self.target}/{'concurrency' if self.action == 'set' else 'paused'}"

    def records(self, topic: str) -> tuple[Outgoing, Outgoing]:
        """What is written of a lever: the state, then the line of the audit."""
        line = self.line(topic)
        return Outgoing(topic, self.key.encode(), line.value, partition=0), line

    def line(self, topic: str) -> Outgoing:
        """The line of the audit."""
        value = json.dumps({"v": VERSION, **asdict(self)}, ensure_ascii=False).encode()
        return Outgoing(topic, f"{AUDIT}{self.at:013d}/{self.id}".encode(), value, partition=0)


def read_command(record: Record) -> Command | None:
    """The command in a record; None for a tombstone and for what is none, or of another version."""
    try:
        found: Mapping[str, Any] = json.loads(record.value or b"null")
        if found["v"] != VERSION or found["action"] not in _ACTIONS:
            return None
        value = found.get("value")
        return Command(
            str(found["id"]),
            cast("Action", found["action"]),
            str(found["target"]),
            str(found["by"]),
            int(found["at"]),
            str(found.get("reason", "")),
            None if value is None else int(value),
            str(found.get("detail", "")),
        )
    except (ValueError, KeyError, TypeError):
        return None


@dataclass
class ControlState:
    """How things shall be: the last command under each key, and every command that was ever given, oldest first."""

    holds: dict[str, Command] = field(default_factory=dict)
    audit: list[Command] = field(default_factory=list)
    unreadable: int = 0

    def hear(self, record: Record) -> Command | None:
        """Take one record in; returns the command that now holds where it changed something."""
        key = (record.key or b"").decode(errors="replace")
        if key.startswith(TURN):
            return None
        command = read_command(record)
        if command is None:
            self.unreadable += record.value is not None
            return None
        if key.startswith(AUDIT):
            self.audit.append(command)
            return None
        if command.action not in _LEVERS:
            self.unreadable += 1
            return None
        known = self.holds.get(command.key)
        self.holds[command.key] = command
        return None if known is not None and known.id == command.id else command

    def paused(self, processor: str) -> Command | None:
        """The command that paused a processor; None where it is not paused."""
        found = self.holds.get(f"processor/{processor}/paused")
        return found if found is not None and found.action == "pause" else None

    def concurrency(self, processor: str) -> Command | None:
        """The command that set another concurrency; None where the topology's own holds."""
        found = self.holds.get(f"processor/{processor}/concurrency")
        return found if found is not None and found.value is not None else None

    def cancelled(self) -> Iterable[Command]:
        """Every cancelled run."""
        return [command for command in self.holds.values() if command.action == "cancel"]

    def same(self, command: Command) -> Command | None:
        """A former command that already says what this one says; None where this one would change something."""
        known = self.holds.get(command.key)
        if known is None:
            untold = command.action == "resume" or (command.action == "set" and command.value is None)
            return command if untold else None
        return known if (known.action, known.value) == (command.action, command.value) else None
