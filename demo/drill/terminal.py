"""The night shift at a terminal: only commands of the documentation, each printed with what it said, and counted."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from typing import Any

from demo.drill.stage import Stage


class Terminal:
    """Types commands. `typed` are those given so far."""

    def __init__(self, stage: Stage, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._say = say
        self.typed: list[str] = []

    def looks(self) -> None:
        """Stop the bleeding, and find out what it is: the causes, and an entry of each."""
        self._type("penstock dlt ls -p triage --clusters")
        self._type("penstock pause triage --reason 'release 7 fails'")
        for cause in self._causes():
            self._type(f"penstock dlt show {cause['sample'].rpartition('/')[2]} -p triage", lines=12)

    def resumes(self) -> None:
        """The mended release is out: take records again."""
        self._type("penstock resume triage")

    def replays(self) -> list[str]:
        """Each cause, five first; returns those whose first five failed again."""
        return [cause["id"] for cause in self._causes() if not self._replay(cause["id"])]

    def replays_again(self, causes: list[str]) -> None:
        """The rest, after the next release."""
        for cause in causes:
            self._replay(cause)

    def looks_back(self) -> None:
        """Nothing waits, and who did what."""
        self._type("penstock dlt ls -p triage --clusters")
        self._type("penstock audit")

    def _replay(self, cause: str) -> bool:
        said = self._type(
            f"penstock dlt replay -p triage --cluster {cause[:6]} --canary 5 --max-failure-rate 10% --rate 100 --yes",
            may_fail=True,
        )
        return "stopped:" not in said

    def _causes(self) -> list[dict[str, Any]]:
        """What the operator reads in the table of clusters: no further command."""
        found: list[dict[str, Any]] = json.loads(
            self._stage.penstock("dlt", "ls", "-p", "triage", "--clusters", "-o", "json")
        )
        return found

    def _type(self, line: str, *, lines: int | None = None, may_fail: bool = False) -> str:
        """One command; prints it and the first lines of what it said."""
        self.typed.append(line)
        said = self._stage.penstock(*shlex.split(line)[1:], may_fail=may_fail)
        self._say(f"\n$ {line}")
        shown = [re.sub(r"\s+$", "", one) for one in said.splitlines()]
        for one in shown[:lines]:
            self._say(f"  {one}"[:190])
        if lines is not None and len(shown) > lines:
            self._say(f"  ... {len(shown) - lines} more lines")
        return said
