"""Who sits at the terminal, and the line of the audit for what the dead letter and replay verbs are about to do."""

from __future__ import annotations

import getpass
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from penstock.cli.output import note

if TYPE_CHECKING:
    from penstock.broker.contract import Broker
    from penstock.cli.doors import Doors
    from penstock.control.commands import Deed
    from penstock.topology.model import Topology

OPERATOR: Final = "PENSTOCK_OPERATOR"


def operator(door: Doors) -> str:
    """The name in PENSTOCK_OPERATOR, else user@host."""
    return door.environ.get(OPERATOR) or f"{getpass.getuser()}@{socket.gethostname()}"


@dataclass(frozen=True)
class Audit:
    """One verb's deed: what is done to what, by whom, and its options as they were given."""

    door: Doors
    topology: Topology
    action: Deed
    target: str
    asked: dict[str, Any]

    @asynccontextmanager
    async def turn(self, broker: Broker, count: int, **more: Any) -> AsyncIterator[None]:
        """Do it while inside, alone and on record. Raises NotYourTurn.

        Where there is no topic for that the deed goes on all the same, and that is said.
        """
        from penstock.clock import SystemClock
        from penstock.control.commands import Command
        from penstock.control.turns import recorded_turn

        asked = {name: value for name, value in (self.asked | more).items() if value not in (None, (), False)}
        said = ", ".join(f"{name.replace('_', ' ')} {_text(name, value)}" for name, value in asked.items())
        clock = SystemClock()
        at = round(clock.now() * 1000)
        command = Command(str(uuid.uuid4()), self.action, self.target, operator(self.door), at, "", count, said)
        async with recorded_turn(self.topology, broker, command, clock, note):
            yield


def _text(name: str, value: Any) -> str:
    from penstock.cli.replaying import moment
    from penstock.dead_letter.ranges import At, Offset

    if isinstance(value, At) or name in ("since", "until"):
        return str(moment(value.millis if isinstance(value, At) else value))
    if isinstance(value, Offset):
        return str(value.offset)
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
