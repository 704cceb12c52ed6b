"""A load: one file sent to one topic, which can stop anywhere and go on later without sending an event twice.

Every few thousand entries all is waited for, and a small file notes the line and where each partition's log stood. To
go on, what was written after that is read back from the topic, and entries whose id is there are passed over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from penstock.broker.contract import Broker
from penstock.cli.entries import Entry
from penstock.errors import PenstockError
from penstock.headers import CE_ID, text
from penstock.record import TopicPartition

_HEAD: Final = 1 << 16  # bytes at the front of a file that tell it from another


class Load:
    """One load. `note` is where its progress is kept, under the app's `.penstock/send`."""

    def __init__(self, directory: Path, topic: str, file: Path) -> None:
        name = hashlib.sha256(json.dumps([topic, str(file.resolve())]).encode()).hexdigest()[:16]
        self.note = directory / ".penstock" / "send" / f"{name}.json"
        self.skipped = 0
        self._topic = topic
        self._file = file
        with file.open("rb") as opened:
            self._mark = hashlib.sha256(opened.read(_HEAD)).hexdigest()
        self._line = 0
        self._ends: dict[str, int] = {}

    @property
    def stopped_at(self) -> int | None:
        """The line an earlier load of this file had surely reached; None where there is none to go on with.

        Raises PenstockError where the file is another by now.
        """
        found = self._noted()
        return None if found is None else int(found["line"])

    def forget(self) -> None:
        """Begin anew."""
        self.note.unlink(missing_ok=True)

    async def begin(self, broker: Broker, found: Iterator[Entry]) -> Iterator[Entry]:
        """The entries still to be sent. Notes where the topic ends now, so that even the first of them is found."""
        noted = self._noted()
        ends = {at: end.high for at, end in (await broker.admin().ends(await self._partitions(broker))).items()}
        if noted is None:
            self._ends = {str(at.partition): end for at, end in ends.items()}
            self._write()
            return found
        self._line, self._ends = int(noted["line"]), dict(noted["ends"])
        ranges = {at: (self._ends.get(str(at.partition), 0), end) for at, end in ends.items()}
        there = {text(record.headers, CE_ID) async for record in broker.reader().scan(ranges)}
        return self._rest(found, there)

    def reached(self, line: int, last: Mapping[tuple[str, int], int]) -> None:
        """All entries up to this line are acknowledged; `last` holds the last offset of each partition."""
        self._line = line
        self._ends |= {str(partition): offset + 1 for (_, partition), offset in last.items()}
        self._write()

    def finished(self) -> None:
        """All is sent: nothing to go on with."""
        self.note.unlink(missing_ok=True)

    def _rest(self, found: Iterator[Entry], there: set[str | None]) -> Iterator[Entry]:
        for entry in found:
            if entry.line <= self._line or entry.id in there:
                self.skipped += 1
            else:
                yield entry

    async def _partitions(self, broker: Broker) -> list[TopicPartition]:
        topic = (await broker.admin().topics([self._topic])).get(self._topic)
        return [TopicPartition(self._topic, number) for number in range(topic.partitions if topic else 0)]

    def _noted(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self.note.read_text())
        except FileNotFoundError:
            return None
        if found["mark"] != self._mark:
            hint = "--restart sends this one from its beginning"
            raise PenstockError(f"{self._file} is not the file whose load stopped at line {found['line']}", hint)
        return found

    def _write(self) -> None:
        self.note.parent.mkdir(parents=True, exist_ok=True)
        part = self.note.with_suffix(".part")
        noted = {"file": str(self._file), "topic": self._topic, "mark": self._mark, "line": self._line}
        part.write_text(json.dumps(noted | {"ends": self._ends}))
        part.replace(self.note)
