"""Which group protocol a member speaks: KIP-848 where it notices a dead worker soon enough, else classic.

A KIP-848 group's session timeout is the broker's (45 s unless lowered for the group): a killed worker blocks its
partitions for that long. And a live group must not be joined in the other protocol against its members.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from penstock.broker.kafka.codes import QUESTION_TRIES, SETTLING, TIMED_OUT, UNANSWERED
from penstock.broker.kafka.questions import Questions
from penstock.durations import spell
from penstock.errors import BrokerError, BrokerUnavailable

CONSUMER: Final = "consumer"
CLASSIC: Final = "classic"
_PAUSE: Final = 0.1
_AGAIN: Final = SETTLING | {TIMED_OUT}


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


def read_facts(questions: Questions, group_id: str, timeout: float = 10.0) -> GroupFacts:
    """Ask the broker. Blocks. Raises BrokerUnavailable where there is no answer at all."""
    return GroupFacts(_live_protocol(questions, group_id, timeout), _session_timeout(questions, group_id, timeout))


def members_of(questions: Questions, group_id: str, timeout: float = 5.0) -> tuple[str, ...]:
    """The members of a live group as `client id@host`, for an error message; empty where they cannot be read."""
    try:
        found = questions.each(lambda client: _group(client, group_id, timeout), timeout)[group_id]
    except (KafkaException, TimeoutError):
        return ()
    return tuple(f"{member.client_id}@{member.host}" for member in found.members)


def _live_protocol(questions: Questions, group_id: str, timeout: float) -> str:
    found = _ask(questions, lambda client, within: _group(client, group_id, within), timeout)
    if found is None or not found.members:
        return ""
    return {"CONSUMER": CONSUMER, "CLASSIC": CLASSIC}.get(found.type.name, "")


def _session_timeout(questions: Questions, group_id: str, timeout: float) -> float | None:
    resource = ConfigResource(ResourceType.GROUP, group_id)
    found = _ask(questions, lambda client, within: client.describe_configs([resource], request_timeout=within), timeout)
    entry = found.get("consumer.session.timeout.ms") if found is not None else None
    return int(entry.value) / 1000 if entry is not None and entry.value else None


def _group(client: AdminClient, group_id: str, within: float) -> dict[str, Future[Any]]:
    return client.describe_consumer_groups([group_id], request_timeout=within)


def _ask(questions: Questions, ask: Callable[[AdminClient, float], Mapping[Any, Future[Any]]], timeout: float) -> Any:
    """The one answer, or None where the broker refuses one. Asked anew without an answer, `timeout` seconds in all."""
    share = timeout / QUESTION_TRIES
    deadline = time.monotonic() + timeout - share
    while True:
        try:
            (answer,) = questions.each(lambda client: ask(client, share), share).values()
            return answer
        except (KafkaException, TimeoutError) as error:
            code = error.args[0].code() if isinstance(error, KafkaException) else TIMED_OUT
            if code not in UNANSWERED:
                return None
            if code not in _AGAIN or time.monotonic() > deadline:
                raise BrokerUnavailable(
                    f"no broker answered in time: {error}", "is bootstrap.servers right, and the broker up?"
                ) from error
            time.sleep(_PAUSE)
