"""Which group protocol a member speaks: KIP-848 where it notices a dead worker soon enough, else classic.

A KIP-848 group's session timeout is the broker's (45 s unless lowered for the group): a killed worker blocks its
partitions for that long. And a live group must not be joined in the other protocol against its members.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from penstock.broker.kafka.codes import COORDINATOR_SEARCHES, SETTLING, TIMED_OUT, UNANSWERED
from penstock.durations import spell
from penstock.errors import BrokerError, BrokerUnavailable

CONSUMER: Final = "consumer"
CLASSIC: Final = "classic"
_PAUSE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Choice:
    """The protocol a member is to speak, and why, as a sentence."""

    protocol: str
    reason: str


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """What the broker says of a group: the protocol its live members speak ('' without members), its session timeout.

    `session_timeout` is in seconds, None where the broker does not know KIP-848 or does not let us read it.
    """

    live: str = ""
    session_timeout: float | None = None


def choose(explicit: str, facts: GroupFacts, failover: float) -> Choice:
    """The protocol by, in order: the setting `group.protocol`, the live group, the session timeout."""
    if explicit:
        if explicit.lower() not in (CONSUMER, CLASSIC):
            raise BrokerError(f"group.protocol cannot be {explicit!r}", "write consumer or classic")
        return Choice(explicit.lower(), f"group.protocol says {explicit.lower()}.")
    if facts.live:
        return Choice(facts.live, f"The group has members, and they speak {facts.live}.")
    if facts.session_timeout is None:
        return Choice(
            CLASSIC, "The broker does not tell the group's KIP-848 session timeout (too old, or not authorised)."
        )
    session, wanted = spell(facts.session_timeout), spell(failover)
    if facts.session_timeout <= failover:
        return Choice(CONSUMER, f"A dead worker is noticed after {session}, within the failover of {wanted}.")
    return Choice(
        CLASSIC, f"KIP-848 would notice a dead worker only after {session}; the failover asked for is {wanted}."
    )


def read_facts(admin: AdminClient, group_id: str, timeout: float = 10.0) -> GroupFacts:
    """Ask the broker. Blocks. Raises BrokerUnavailable where there is no answer at all."""
    return GroupFacts(_live_protocol(admin, group_id, timeout), _session_timeout(admin, group_id, timeout))


def members_of(admin: AdminClient, group_id: str, timeout: float = 5.0) -> tuple[str, ...]:
    """The members of a live group as `client id@host`, for an error message; empty where they cannot be read."""
    try:
        found = admin.describe_consumer_groups([group_id], request_timeout=timeout)[group_id].result(timeout + 1)
    except (KafkaException, TimeoutError):
        return ()
    return tuple(f"{member.client_id}@{member.host}" for member in found.members)


def _live_protocol(admin: AdminClient, group_id: str, timeout: float) -> str:
    share = timeout / COORDINATOR_SEARCHES
    found = _ask(
        lambda: admin.describe_consumer_groups([group_id], request_timeout=share)[group_id],
        timeout - share,
        again=SETTLING | {TIMED_OUT},
    )
    if found is None or not found.members:
        return ""
    return {"CONSUMER": CONSUMER, "CLASSIC": CLASSIC}.get(found.type.name, "")


def _session_timeout(admin: AdminClient, group_id: str, timeout: float) -> float | None:
    resource = ConfigResource(ResourceType.GROUP, group_id)
    found = _ask(lambda: admin.describe_configs([resource], request_timeout=timeout)[resource], timeout)
    entry = found.get("consumer.session.timeout.ms") if found is not None else None
    return int(entry.value) / 1000 if entry is not None and entry.value else None


def _ask(question: Callable[[], Future[Any]], timeout: float, again: Collection[int] = SETTLING) -> Any:
    """The answer, or None where the broker refuses one; codes of `again` are asked anew for `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return question().result(timeout + 1)
        except (KafkaException, TimeoutError) as error:
            code = error.args[0].code() if isinstance(error, KafkaException) else TIMED_OUT
            if code not in UNANSWERED:
                return None
            if code not in again or time.monotonic() > deadline:
                raise BrokerUnavailable(
                    f"no broker answered in time: {error}", "is bootstrap.servers right, and the broker up?"
                ) from error
            time.sleep(_PAUSE)
