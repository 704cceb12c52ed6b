"""A command of an operator, how it is written, and the state that all commands together leave.

Two records per command: one under the key of what it is about (`processor/triage/paused`), which compaction keeps the
last of, and one under a key of its own (`audit/...`), which is kept for ever. Commands say how things shall be, not
what to do; so a command that is given twice, or heard twice, changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, cast

from penstock.record import Outgoing, Record

Action = Literal["pause", "resume", "set", "cancel"]
VERSION: Final = 1
AUDIT: Final = "audit/"


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `target` is a processor, or a run where the action is cancel; `at` is epoch milliseconds.

    `value` is the concurrency of a `set`; None returns to the topology's own.
    """

    id: str
    action: Action
    target: str
    by: str
    at: int
    reason: str = ""
    value: int | None = None

    @property
    def key(self) -> str:
        """What it is about: of all commands with this key the last one holds."""
        if self.action == "cancel":
            return f"run/{self.target}/cancelled"
        return f"processor/{self.target}/{'concurrency' if self.action == 'set' else 'paused'}"

    def records(self, topic: str) -> tuple[Outgoing, Outgoing]:
        """What is written: the state, then the line of the audit."""
        value = json.dumps({"v": VERSION, **asdict(self)}, ensure_ascii=False).encode()
        audit = f"{AUDIT}{self.at:013d}/{self.id}"
        return (
            Outgoing(topic, self.key.encode(), value, partition=0),
            Outgoing(topic, audit.encode(), value, partition=0),
        )


def read_command(record: Record) -> Command | None:
    """The command in a record; None for a tombstone and for what is none, or of another version."""
    try:
        found: Mapping[str, Any] = json.loads(record.value or b"null")
        if found["v"] != VERSION or found["action"] not in ("pause", "resume", "set", "cancel"):
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
        command = read_command(record)
        if command is None:
            self.unreadable += record.value is not None
            return None
        key = (record.key or b"").decode(errors="replace")
        if key.startswith(AUDIT):
            self.audit.append(command)
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
