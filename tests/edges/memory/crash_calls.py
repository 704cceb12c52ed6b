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
    began: set[Turn] = field(default_factory=set)
    ended: set[Turn] = field(default_factory=set)
    at_work: set[int] = field(default_factory=set)  # processes in which a call has ended
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
            what, process, conversation, turn = json.loads(line)
            if what == "began":
                self.began.add((conversation, turn))
            else:
                self.ended.add((conversation, turn))
                self.at_work.add(process)
                self.finished += 1
        return self

    @property
    def under_way(self) -> set[Turn]:
        """Turns whose call began and has never ended."""
        return self.began - self.ended
