"""The calls that a play's handlers have written down: which began, which ended, in which process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

Turn = tuple[str, int]  # of a conversation


@dataclass
class Calls:
    """Read on from where the last look ended. A turn that was called twice has ended twice."""

    path: Path
    ended: set[Turn] = field(default_factory=set)
    at_work: set[int] = field(default_factory=set)  # processes in which a call has ended
    highest: dict[int, int] = field(default_factory=dict)  # offset whose call has begun, of each partition
    finished: int = 0
    _read: int = 0

    def look(self) -> Calls:
        """The same, up to now."""
        if not self.path.exists():
            return self
        with self.path.open("rb") as file:
            file.seek(self._read)
            lines = file.read().rpartition(b"\n")[0]
        self._read += len(lines) + bool(lines)
        for line in lines.splitlines():
            what, process, conversation, turn, partition, offset = json.loads(line)
            if what == "began":
                self.highest[partition] = max(offset, self.highest.get(partition, -1))
            else:
                self.ended.add((conversation, turn))
                self.at_work.add(process)
                self.finished += 1
        return self
