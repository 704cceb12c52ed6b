"""The group coordinator: who is a member, who owns which partition, and what is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from penstock.broker import contract
from penstock.broker.contract import Commit, Committed
from penstock.broker.in_memory.assignor import assign
from penstock.broker.in_memory.log import Log
from penstock.broker.progress import METADATA_LIMIT
from penstock.record import TopicPartition

UNKNOWN_MEMBER: Final = "unknown member: it was expelled from the group or never joined"
METADATA_TOO_LARGE: Final = f"offset metadata too large: one in this request has {METADATA_LIMIT} characters or more"


class Peer(Protocol):
    """The member's side of the connection."""

    def wake(self) -> None:
        """Something changed for this member: look again. Must not block or call back."""
        ...


@dataclass(slots=True)
class Seat:
    """One member as the coordinator sees it. `target` is what it should own once all hand-overs are done."""

    client_id: str
    topics: tuple[str, ...]
    peer: Peer
    session: float
    target: list[TopicPartition] = field(default_factory=list)
    silent: asyncio.TimerHandle | None = None


class Group:
    """One consumer group. Partitions move only after their owner released them or was expelled."""

    def __init__(self, group_id: str, log: Log) -> None:
        self.id = group_id
        self._log = log
        self._seats: dict[str, Seat] = {}
        self._owners: dict[TopicPartition, str] = {}
        self.committed: dict[TopicPartition, Committed] = {}
        self.session_timeout: float | None = None
        self._joined = 0
        self._rebalancing = False

    # Membership

    def join(self, client_id: str, topics: Collection[str], peer: Peer, session: float) -> str:
        """Take a seat; returns the member id. `session` seconds of silence end it."""
        self._joined += 1
        member = f"{client_id}-{self._joined}"
        self._seats[member] = Seat(client_id, tuple(topics), peer, session)
        self.rebalance_soon()
        return member

    def subscribe(self, member: str, topics: Collection[str]) -> None:
        """Replace a member's subscription; ignored for one that is no longer seated."""
        if member in self._seats:
            self._seats[member].topics = tuple(topics)
            self.rebalance_soon()

    def seated(self, member: str) -> bool:
        """Whether the coordinator still counts this member."""
        return member in self._seats

    def heard(self, member: str) -> None:
        """A heartbeat came through: the session begins anew."""
        seat = self._seats.get(member)
        if seat is not None and seat.silent is not None:
            seat.silent.cancel()
            seat.silent = None

    def missed(self, member: str) -> None:
        """A heartbeat did not come: the member is expelled unless it is heard within its session timeout."""
        seat = self._seats.get(member)
        if seat is not None and seat.silent is None:
            timeout = self.session_timeout or seat.session
            seat.silent = asyncio.get_running_loop().call_later(timeout, self.remove, member)

    def remove(self, member: str) -> None:
        """End a membership, by leaving or by expulsion; what it owned is free at once. Idempotent."""
        seat = self._seats.pop(member, None)
        if seat is None:
            return
        if seat.silent is not None:
            seat.silent.cancel()
        self._owners = {partition: owner for partition, owner in self._owners.items() if owner != member}
        self.rebalance_soon()

    # Assignment

    def rebalance_soon(self) -> None:
        """Compute who should own what on the next turn of the loop: joins of one turn make one rebalance."""
        if not self._rebalancing:
            self._rebalancing = True
            asyncio.get_running_loop().call_soon(self._rebalance)

    def _rebalance(self) -> None:
        self._rebalancing = False
        promised = {partition: member for member, seat in self._seats.items() for partition in seat.target}
        subscribed = sorted({topic for seat in self._seats.values() for topic in seat.topics})
        partitions = [
            TopicPartition(topic, number)
            for topic in subscribed
            if topic in self._log.topics
            for number in range(len(self._log.topics[topic].partitions))
        ]
        target = assign(partitions, {name: seat.topics for name, seat in self._seats.items()}, promised | self._owners)
        for member, seat in self._seats.items():
            seat.target = target[member]
        self._wake()

    def surplus(self, member: str) -> list[TopicPartition]:
        """What this member owns and should hand over."""
        target = self._seats[member].target
        return [partition for partition in self.owned(member) if partition not in target]

    def release(self, member: str, partitions: Collection[TopicPartition]) -> None:
        """The member has handed these over: others may claim them."""
        for partition in partitions:
            if self._owners.get(partition) == member:
                del self._owners[partition]
        self._wake()

    def claim(self, member: str) -> list[TopicPartition]:
        """Give the member what it should own and nobody owns now; returns just that, without what was deleted."""
        free = [partition for partition in self._seats[member].target if partition not in self._owners]
        gained = [partition for partition in free if self._log.partition(partition) is not None]
        self._owners.update(dict.fromkeys(gained, member))
        return gained

    def owned(self, member: str) -> list[TopicPartition]:
        """What the member owns, what it is about to hand over included."""
        return [partition for partition, owner in self._owners.items() if owner == member]

    def _wake(self) -> None:
        for seat in self._seats.values():
            seat.peer.wake()

    # Offsets

    def commit(self, member: str, commits: Sequence[Commit]) -> Mapping[TopicPartition, str]:
        """Commit; returns what was refused and why.

        As Kafka does (measured), it asks for membership and not for ownership. One metadata text that is too long is
        blamed on every partition of the request, as the client reports it, though the others are committed.
        """
        if member not in self._seats:
            return {commit.partition: UNKNOWN_MEMBER for commit in commits}
        refused = {}
        if any(_too_long(commit) for commit in commits):
            refused = {commit.partition: METADATA_TOO_LARGE for commit in commits}
        for commit in commits:
            if self._log.partition(commit.partition) is None:
                refused[commit.partition] = "unknown topic or partition"
            elif not _too_long(commit):
                self.committed[commit.partition] = Committed(commit.offset, commit.metadata, 0)
        return refused

    def forget_missing_topics(self) -> None:
        """Drop what was committed for topics that were deleted, and look who should own what now."""
        self.committed = {at: found for at, found in self.committed.items() if at.topic in self._log.topics}
        if self._seats:
            self.rebalance_soon()

    # Description

    @property
    def alive(self) -> bool:
        """Whether there is anything to know about this group."""
        return bool(self._seats or self.committed)

    @property
    def has_members(self) -> bool:
        """Whether anyone is seated."""
        return bool(self._seats)

    def describe(self) -> contract.GroupDescription:
        """State and members, as the administrator sees them."""
        members = tuple(
            contract.Member(name, seat.client_id, "in-memory", tuple(self.owned(name)))
            for name, seat in self._seats.items()
        )
        settled = all(set(self.owned(name)) == set(seat.target) for name, seat in self._seats.items())
        state = "dead" if not self.alive else "empty" if not members else "stable" if settled else "reconciling"
        return contract.GroupDescription(self.id, state, "consumer" if self.alive else "", members)


def _too_long(commit: Commit) -> bool:
    return len(commit.metadata) >= METADATA_LIMIT  # measured on Kafka 4.3: 4,095 characters pass, 4,096 do not


class Coordinator:
    """All groups of one broker, made when first asked for."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.groups: dict[str, Group] = {}
        log.on_topics_changed.append(self._topics_changed)

    def group(self, group_id: str) -> Group:
        """The group of this id."""
        if group_id not in self.groups:
            self.groups[group_id] = Group(group_id, self._log)
        return self.groups[group_id]

    def _topics_changed(self) -> None:
        for group in self.groups.values():
            group.forget_missing_topics()
