"""The calls that a play's handlers have written down: which began, which ended, in which process."""

from __future__ import annotations

import json
from collections.abc import Callable
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

    def up_to_the_last_begun(self, partition_of: Callable[[str], int]) -> set[Turn]:
        """Where a call is under way: each turn of its partition before the last that began there, and that one."""
        last = dict[int, int]()
        for conversation, turn in self.began:
            at = partition_of(conversation)
            last[at] = max(turn, last.get(at, 0))
        under_way = {partition_of(conversation) for conversation, _ in self.began - self.ended}
        known = {conversation for conversation, _ in self.began if partition_of(conversation) in under_way}
        return {(one, turn) for one in known for turn in range(last[partition_of(one)])} | (self.began - self.ended)
