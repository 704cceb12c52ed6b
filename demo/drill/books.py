"""The books of the drill: what became of every ticket, by what stands in the topics and by nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from demo.drill.tickets import ALL, BROKEN
from penstock import headers as wire
from penstock.broker.contract import Broker
from penstock.record import Record, TopicPartition
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.topology.model import Topology


@dataclass(frozen=True, slots=True)
class Books:
    """Tickets by what happened to them. `lost` have no answer, `twice` more than one."""

    sent: int
    done: int
    lost: int
    given_up: int
    replayed: int
    twice: int

    def line(self) -> str:
        """For a person."""
        return (
            f"sent {self.sent:,}, done {self.done:,}, lost {self.lost}, given up {self.given_up}, "
            f"replayed {self.replayed}, twice {self.twice}"
        )

    def broken_claims(self) -> Sequence[str]:
        """Each claim that did not hold, as a sentence."""
        claims = {
            f"every ticket is answered ({self.done} of {ALL})": self.sent == self.done == ALL,
            f"nothing is lost ({self.lost})": self.lost == 0,
            f"the bad deploy gave up {BROKEN} ({self.given_up})": self.given_up == BROKEN,
            f"all of them were replayed ({self.replayed})": self.replayed == BROKEN,
            f"nothing is answered twice ({self.twice})": self.twice == 0,
        }
        return [claim for claim, held in claims.items() if not held]


async def read_books(topology: Topology, broker: Broker) -> Books:
    """All topics from their beginning. A ticket is known by its id, in whatever topic it stands."""
    opener = Opener(topology, "", Codec(topology))
    sent = set(await _tickets(broker, "tickets.new", opener))
    answers = Counter(await _tickets(broker, "tickets.answered", opener))
    letters = await _records(broker, "drill.triage.dlt")
    replays = await _records(broker, "drill.triage.replay")
    return Books(
        sent=len(sent),
        done=len(sent & answers.keys()),
        lost=len(sent - answers.keys()),
        given_up=len({wire.text(one.headers, wire.CE_ID) for one in letters}),
        replayed=len({wire.text(one.headers, wire.CE_ID) for one in replays}),
        twice=sum(count > 1 for count in answers.values()),
    )


async def _tickets(broker: Broker, topic: str, opener: Opener) -> list[str]:
    return [opener.open(one).data["ticket_id"] for one in await _records(broker, topic)]


async def _records(broker: Broker, topic: str) -> list[Record]:
    described = (await broker.admin().topics([topic]))[topic]
    ends = await broker.admin().ends([TopicPartition(topic, number) for number in range(described.partitions)])
    ranges = {place: (one.low, one.high) for place, one in ends.items() if one.high > one.low}
    return [record async for record in broker.reader().scan(ranges)] if ranges else []
