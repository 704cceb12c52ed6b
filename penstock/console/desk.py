"""What every page stands on: the topology, the broker, the rules of access, and how a record is opened and masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from penstock.broker.contract import Broker
from penstock.clock import Clock
from penstock.console.access import Access
from penstock.dead_letter.waiting import LetterCounts
from penstock.deploy import status
from penstock.deploy.status import GroupStatus
from penstock.errors import CodecError, PenstockError
from penstock.record import Record
from penstock.runs.masking import masked
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.topology.model import Processor, Topology


@dataclass(frozen=True, slots=True)
class Opened:
    """A record as it is shown: its data, or why it cannot be decoded and its raw value."""

    record: Record
    id: str
    type: str
    data: Any
    problem: str
    headers: Sequence[tuple[str, str | None]]

    @property
    def key(self) -> str | None:
        """As text."""
        return _text(self.record.key)


class Desk:
    """One console over one topology and one broker."""

    def __init__(self, topology: Topology, broker: Broker, clock: Clock, access: Access, *, path: str) -> None:
        """`path` is the topology file as a command line names it."""
        self.topology = topology
        self.broker = broker
        self.clock = clock
        self.access = access
        self.path = path
        self.codec = codec = Codec(topology)
        self._letters = LetterCounts(broker)
        groups = [processor.group_id for processor in topology.processors.values()]
        self._openers = {group: Opener(topology, group, codec) for group in [*groups, ""]}

    def processor(self, name: str) -> Processor:
        """The processor of this name. Raises NotThere."""
        found = self.topology.processors.get(name)
        if found is None:
            raise NotThere(f"there is no processor {name}", f"there are {', '.join(self.topology.processors)}")
        return found

    async def groups(self) -> tuple[GroupStatus, ...]:
        """Every group now. Raises BrokerUnavailable."""
        return await status.groups(self.topology, self.broker, self._letters)

    def opened(self, record: Record) -> Opened:
        """A record decoded, its data masked as the topology's `runs.mask` says."""
        headers = [(name, _text(value)) for name, value in record.headers]
        try:
            event = self._opener(record.topic).open(record)
        except CodecError as error:
            return Opened(record, "", "", _text(record.value), str(error), headers)
        return Opened(record, event.id, event.type, self.masked(event.data), "", headers)

    def masked(self, data: Any) -> Any:
        """Data without what must not be shown."""
        return masked(data, self.topology.runs.mask)

    def _opener(self, topic: str) -> Opener:
        """In a group's own topics the headers say where an event first stood."""
        owners = [group for group in self._openers if group and topic.startswith(f"{group}.")]
        return self._openers[max(owners, key=len, default="")]

    def command(self, *words: str, **options: str | float | None) -> str:
        """The command line that does the same: what a page's action shows."""
        import shlex

        said = [f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in options.items() if value]
        file = [] if self.path == "topology.yaml" else ["-f", self.path]
        return " ".join(["penstock", shlex.join([*words, *file]), *said])


class NotThere(PenstockError):
    """What a page was asked for does not exist."""


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
