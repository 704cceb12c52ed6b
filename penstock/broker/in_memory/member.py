"""One member of a consumer group: it hands over, takes, reads and commits, one assignment call at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Mapping, Sequence

from penstock.broker.contract import Commit, GroupListener, GroupSettings
from penstock.broker.in_memory.beginnings import resolve_starts
from penstock.broker.in_memory.delivery import Delivery
from penstock.broker.in_memory.faults import FINE, Fate, Faults, Outcome
from penstock.broker.in_memory.group import UNKNOWN_MEMBER, Group
from penstock.broker.in_memory.line import Line
from penstock.broker.in_memory.log import Log
from penstock.errors import BrokerError, BrokerUnavailable
from penstock.record import TopicPartition


class InMemoryMember:
    """See contract.GroupMember.

    While the listener is inside `assigned` or `revoked` nothing is delivered, and staying there for longer than
    `max_poll_interval` costs the membership: both as a Kafka consumer behaves, whose poll thread waits meanwhile.
    An expelled member reads on until it hears of it (fetching needs no membership), is told `lost`, and joins anew.
    """

    def __init__(self, settings: GroupSettings, group: Group, log: Log, faults: Faults | None) -> None:
        self._settings = settings
        self._group = group
        self._log = log
        self._faults = faults
        self._delivery = Delivery(settings.client_id, log, faults)
        self._commits = Line()
        self._woken = asyncio.Event()
        self._topics: tuple[str, ...] = ()
        self._missing: tuple[str, ...] = ()
        self._id = ""
        self._task: asyncio.Task[None] | None = None
        self._leaving = False
        self._crashed = False

    @property
    def protocol(self) -> str:
        """Always `consumer`: partitions move one by one, as in KIP-848."""
        return "consumer"

    # The contract

    async def join(self, topics: Collection[str], listener: GroupListener) -> None:
        """Subscribe and start receiving; once only. Raises BrokerError after `leave`."""
        if self._task is not None or self._leaving or self._crashed:
            raise BrokerError("a member joins once", "ask the broker for a new one")
        self._topics = tuple(topics)
        self._delivery.begin(listener)
        self._take_seat()
        self._task = asyncio.create_task(self._follow(listener), name=f"member {self._id}")
        if self._faults is not None:
            asyncio.get_running_loop().call_later(self.heartbeat_interval, self._beat, self._faults)

    def subscribe(self, topics: Collection[str]) -> None:
        """Replace the subscription."""
        self._topics = tuple(topics)
        self._group.subscribe(self._id, self._topics)
        self.wake()

    def demand(self, records: int) -> None:
        """How many more records may be delivered."""
        self._delivery.demand(records)

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Deliver nothing of these."""
        self._delivery.pause(partitions)

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Deliver them again."""
        self._delivery.resume(partitions)

    async def commit(self, commits: Sequence[Commit]) -> Mapping[TopicPartition, str]:
        """Commit as the member one is at this moment; commits are made in the order they were asked for."""
        if self._crashed:
            raise BrokerUnavailable("this member has crashed")
        fate = self._faults.commit(self._settings.client_id, commits) if self._faults else FINE
        answer: asyncio.Future[Mapping[TopicPartition, str]] = asyncio.get_running_loop().create_future()
        request = (self._id, tuple(commits))
        self._commits.add(lambda: self._carry_out(request, fate, answer), fate.delay)
        return await answer

    def ends(self) -> Mapping[TopicPartition, int]:
        """The log end of each assigned partition."""
        return self._delivery.ends()

    def problem(self) -> str:
        """Nothing can be wrong with it: there is no thread."""
        return ""

    async def leave(self) -> None:
        """Hand over everything through `revoked`, then leave."""
        self._leaving = True
        if self._task is not None:
            self.wake()
            await asyncio.wait([self._task])

    # What others do to it

    @property
    def heartbeat_interval(self) -> float:
        """Seconds between two heartbeats: several fit into a session."""
        return self._settings.failover / 5

    def wake(self) -> None:
        """The coordinator may want something of this member."""
        self._woken.set()

    def crash(self) -> None:
        """Vanish: no call back from now on, no farewell. The coordinator finds out after the session timeout."""
        self._crashed = True
        self._delivery.end()
        if self._task is not None:
            self._task.cancel()
            self._group.missed(self._id)

    def expire(self) -> None:
        """Be expelled, as after a long silence; the member finds out with its next heartbeat or commit."""
        self._group.remove(self._id)
        asyncio.get_running_loop().call_later(self.heartbeat_interval, self.wake)

    # Following the coordinator

    def _take_seat(self) -> None:
        settings = self._settings
        self._id = self._group.join(settings.client_id, self._topics, self, settings.failover)

    async def _follow(self, listener: GroupListener) -> None:
        try:
            while not self._leaving or self._delivery.partitions:
                self._woken.clear()
                self._report_missing_topics(listener)
                if not await self._step(listener):
                    await self._woken.wait()
        except Exception as error:  # noqa: BLE001 - the listener's own error: the contract has a call for it
            listener.failed(error)
        finally:
            self._delivery.end()
            if not self._crashed:
                self._group.remove(self._id)

    async def _step(self, listener: GroupListener) -> bool:
        """Do one thing the coordinator waits for; whether there was any."""
        if not self._group.seated(self._id):
            self._lose_all(listener)
            return True
        surplus = self._delivery.partitions if self._leaving else self._group.surplus(self._id)
        if surplus:
            await self._in_callback(listener.revoked(surplus))
            self._delivery.remove(surplus)
            self._group.release(self._id, surplus)
            return True
        gained = [] if self._leaving else self._group.claim(self._id)
        if gained:
            await self._take(gained, listener)
        return bool(gained)

    async def _take(self, gained: list[TopicPartition], listener: GroupListener) -> None:
        found = resolve_starts(self._settings, self._group, self._log, gained)
        for one in found:
            self._delivery.add(one.partition, one.start)
        await self._in_callback(listener.assigned(found))

    async def _in_callback(self, call: Awaitable[None]) -> None:
        self._delivery.hold()  # nothing comes before `assigned` or after the call of `revoked`
        loop = asyncio.get_running_loop()
        limit = loop.call_later(self._settings.max_poll_interval, self._group.remove, self._id)
        try:
            await call
        finally:
            limit.cancel()
            self._delivery.go_on()

    def _lose_all(self, listener: GroupListener) -> None:
        gone = self._delivery.partitions
        self._delivery.remove(gone)
        if gone:
            listener.lost(gone)
        if not self._leaving:
            self._take_seat()

    def _report_missing_topics(self, listener: GroupListener) -> None:
        missing = tuple(sorted(topic for topic in self._topics if topic not in self._log.topics))
        if missing != self._missing:
            self._missing = missing
            if missing:
                listener.disturbed(f"missing topics: {', '.join(missing)}")

    def _beat(self, faults: Faults) -> None:
        if self._crashed or self._task is None or self._task.done():
            return
        if not faults.heartbeat(self._settings.client_id):
            self._group.missed(self._id)
        elif self._group.seated(self._id):
            self._group.heard(self._id)
        else:
            self.wake()
        asyncio.get_running_loop().call_later(self.heartbeat_interval, self._beat, faults)

    def _carry_out(
        self, request: tuple[str, Sequence[Commit]], fate: Fate, answer: asyncio.Future[Mapping[TopicPartition, str]]
    ) -> None:
        refused: Mapping[TopicPartition, str] = {}
        if fate.outcome is not Outcome.FAILED:
            refused = self._group.commit(*request)
        if UNKNOWN_MEMBER in refused.values():
            self.wake()
        if answer.done():
            return
        if fate.outcome is Outcome.DONE:
            answer.set_result(refused)
        else:
            answer.set_exception(BrokerUnavailable("the commit was not answered", "it may or may not have been made"))
