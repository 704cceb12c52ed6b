"""Fills the books by reading the topics from where they ended when the demonstration began."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from demo.ledger import Ledger
from demo.tickets import Ticket
from penstock import headers as wire
from penstock.broker.contract import Broker
from penstock.deploy.frontier import position_of
from penstock.record import Record, TopicPartition
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.topology.derived import dead_letter_topic, replay_topic, retry_prefix
from penstock.topology.model import Processor, Topology

Offsets = Mapping[TopicPartition, int]


async def ends_now(broker: Broker, topology: Topology) -> Offsets:
    """Where every topic of the topology ends now, derived ones included."""
    names = await _names(broker, topology)
    described = await broker.admin().topics(names)
    partitions = [TopicPartition(one.name, number) for one in described.values() for number in range(one.partitions)]
    return {partition: ends.high for partition, ends in (await broker.admin().ends(partitions)).items()}


async def _names(broker: Broker, topology: Topology) -> Collection[str]:
    groups = tuple(f"{processor.group_id}." for processor in topology.processors.values())
    return [name for name in await broker.admin().topics() if name in topology.topics or name.startswith(groups)]


async def lag_of(broker: Broker, topology: Topology) -> int:
    """Records that any group of the topology has not finished: sources, retry and replay topics."""
    found = 0
    names = await broker.admin().topics()
    for processor in topology.processors.values():
        retries = [name for name in names if name.startswith(retry_prefix(processor.group_id))]
        own = (replay_topic(processor.group_id), *retries)
        standing = await position_of(
            broker.admin(), processor.group_id, processor.topics, processor.start_from, always_earliest=own
        )
        found += standing.lag
    return found


async def read_books(broker: Broker, topology: Topology, since: Offsets, tickets: Iterable[Ticket]) -> Ledger:
    """The ledger of these tickets, of everything written after `since`."""
    now = await ends_now(broker, topology)
    books = Books(topology, tickets)
    for topics in books.order(now):
        ranges = {one: (since.get(one, 0), end) for one, end in now.items() if one.topic in topics}
        ranges = {one: bounds for one, bounds in ranges.items() if bounds[0] < bounds[1]}
        if ranges:
            async for record in broker.reader().scan(ranges):
                books.enter(record)
    return books.ledger


class Books:
    """Enters records into a ledger. A ticket is known by its event id, and downstream by the id triage gave it."""

    def __init__(self, topology: Topology, tickets: Iterable[Ticket]) -> None:
        self.ledger = Ledger(tickets)
        self._triage = topology.processors["triage"]
        self._opener = Opener(topology, "", Codec(topology))
        self._groups = [processor.group_id for processor in topology.processors.values()]
        self._ends = _outputs(topology.processors.values()) - {self._triage.output}
        self._ticket_of: dict[str, str] = {}  # triage's event id -> ticket

    def order(self, offsets: Offsets) -> tuple[Collection[str], ...]:
        """The topics in the order in which they must be entered: what names tickets by triage's ids comes last."""
        first = set(self._triage.topics)
        output = {self._triage.output} if self._triage.output else set()
        return first, output, {one.topic for one in offsets} - first - output

    def enter(self, record: Record) -> None:
        """Take one record in; records of other tickets are passed over."""
        if record.header(wire.DISCARDED) is not None:
            return
        topic, id = record.topic, wire.text(record.headers, wire.CE_ID) or ""
        if topic in self._triage.topics:
            self._sent(record, id)
        elif topic == self._triage.output:
            self._triaged(record, id)
        elif topic in self._ends:
            self._ended(record)
        else:
            self._own(record, self._ticket_of.get(id, id))

    def _sent(self, record: Record, id: str) -> None:
        account = self.ledger.accounts.get(id)
        if account is not None and account.sent is None:
            account.sent, account.partition = record.timestamp, record.partition

    def _triaged(self, record: Record, id: str) -> None:
        data = self._opener.open(record).data
        account = self.ledger.accounts.get(data["ticket_id"])
        if account is not None:
            self._ticket_of[id] = data["ticket_id"]
            account.triaged.append(record.timestamp)
            account.areas.add(data["area"])

    def _ended(self, record: Record) -> None:
        account = self.ledger.accounts.get(self._opener.open(record).data["ticket_id"])
        if account is not None:
            account.ended.append(record.timestamp)

    def _own(self, record: Record, id: str) -> None:
        """A record of a group's own topics."""
        account = self.ledger.accounts.get(id)
        if account is None:
            return
        account.retries += record.topic.startswith(tuple(retry_prefix(group) for group in self._groups))
        account.dead += record.topic in {dead_letter_topic(group) for group in self._groups}
        account.replayed += record.topic in {replay_topic(group) for group in self._groups}


def _outputs(processors: Iterable[Processor]) -> set[str]:
    return {topic for one in processors for topic in (one.output, *one.emits) if topic}
