"""The administrator's questions and changes about consumer groups, their offsets and their session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, ConsumerGroupType, KafkaError
from confluent_kafka import TopicPartition as RawPartition
from confluent_kafka.admin import ConfigResource, MemberDescription, ResourceType

from penstock.broker.contract import Committed, GroupDescription, Member
from penstock.broker.kafka.admin_calls import AdminCalls, is_silence, spoken
from penstock.broker.kafka.admin_topics import alter_resource
from penstock.broker.kafka.settings import OWN_SEAT
from penstock.errors import BrokerError, BrokerUnavailable
from penstock.record import TopicPartition

SESSION: Final = "consumer.session.timeout.ms"
HEARTBEAT: Final = "consumer.heartbeat.interval.ms"
_PROTOCOLS: Final = {ConsumerGroupType.CONSUMER: "consumer", ConsumerGroupType.CLASSIC: "classic"}
_DEAD: Final = "dead"
_RECONCILING: Final = "reconciling"


async def list_groups(calls: AdminCalls) -> list[str]:
    """The ids of all consumer groups."""
    found = await calls.one(lambda client: client.list_consumer_groups(request_timeout=calls.timeout))
    if found.errors and not found.valid:
        error = found.errors[0]
        raise calls.unavailable(error) if is_silence(error) else spoken(error, "listing the consumer groups")
    return [group.group_id for group in found.valid]


async def describe_group(calls: AdminCalls, group_id: str) -> GroupDescription:
    """State and members; one that does not exist is "dead"."""
    answers = await calls.each_of_groups(
        lambda client, within: client.describe_consumer_groups([group_id], request_timeout=within)
    )
    answer = answers[group_id]
    if isinstance(answer, KafkaError):
        if answer.code() == KafkaError.GROUP_ID_NOT_FOUND:
            return GroupDescription(group_id, _DEAD, "", ())
        raise spoken(answer, f"group {group_id}")
    if answer.state == ConsumerGroupState.DEAD:
        return GroupDescription(group_id, _DEAD, "", ())
    members = _workers([_member(member) for member in answer.members])
    return GroupDescription(group_id, _state(answer.state), _PROTOCOLS.get(answer.type, ""), members)


def _state(state: ConsumerGroupState) -> str:
    """The broker's word. The client has none for those of KIP-848 between empty and stable, and says unknown."""
    return _RECONCILING if state == ConsumerGroupState.UNKNOWN else str(state.name.lower())


async def committed(calls: AdminCalls, group_id: str) -> dict[TopicPartition, Committed]:
    """What the group has committed, with metadata and leader epoch."""
    question = [ConsumerGroupTopicPartitions(group_id)]
    answers = await calls.each_of_groups(
        lambda client, within: client.list_consumer_group_offsets(question, request_timeout=within)
    )
    answer = answers[group_id]
    if isinstance(answer, KafkaError):
        if answer.code() == KafkaError.GROUP_ID_NOT_FOUND:
            return {}
        raise spoken(answer, f"group {group_id}")
    found = {}
    for raw in answer.topic_partitions:
        if raw.error is not None:
            raise spoken(raw.error, f"group {group_id}, {raw.topic}/{raw.partition}")
        if raw.offset >= 0:
            partition = TopicPartition(raw.topic, raw.partition)
            found[partition] = Committed(raw.offset, raw.metadata or "", raw.leader_epoch)
    return found


async def alter_committed(calls: AdminCalls, group_id: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Set offsets of a group without members. Raises BrokerError where it has some."""
    if not offsets:
        return
    raw = [RawPartition(topic, number, offset) for (topic, number), offset in offsets.items()]
    change = [ConsumerGroupTopicPartitions(group_id, raw)]
    answers = await calls.each(
        lambda client: client.alter_consumer_group_offsets(change, request_timeout=calls.timeout)
    )
    answer = answers[group_id]
    refused = (
        answer
        if isinstance(answer, KafkaError)
        else next((raw.error for raw in answer.topic_partitions if raw.error is not None), None)
    )
    if refused is None:
        return
    if refused.code() in {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP, KafkaError.REBALANCE_IN_PROGRESS}:
        raise BrokerError(f"group {group_id} has members, so its offsets cannot be set", "stop its workers first")
    raise spoken(refused, f"group {group_id}")


async def session_timeout(calls: AdminCalls, group_id: str) -> float | None:
    """Seconds until a silent member of a KIP-848 group is given up; None where the broker does not tell."""
    live = await _settings(calls, group_id)
    return int(live[SESSION]) / 1000 if SESSION in live else None


async def set_session_timeout(calls: AdminCalls, group_id: str, timeout: float) -> str:
    """Ask for another session, and heartbeats ten times as often; returns '' or the broker's reason to refuse.

    A member learns with a heartbeat what another left behind, so each second between two is one without work there.
    A broker that keeps its heartbeat minimum may still grant the session alone.
    """
    milliseconds = round(timeout * 1000)
    session = {SESSION: str(milliseconds)}
    reason = await _try(calls, group_id, {**session, HEARTBEAT: str(min(5000, max(1000, milliseconds // 10)))})
    if reason:
        reason = await _try(calls, group_id, session)
    if not reason:
        await calls.until(lambda: _has(calls, group_id, session))
    return reason


async def _try(calls: AdminCalls, group_id: str, settings: Mapping[str, str]) -> str:
    try:
        await alter_resource(calls, ResourceType.GROUP, group_id, settings)
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        return error.message
    return ""


async def _has(calls: AdminCalls, group_id: str, settings: Mapping[str, str]) -> bool:
    live = await _settings(calls, group_id)
    return all(live.get(name) == value for name, value in settings.items())


async def _settings(calls: AdminCalls, group_id: str) -> dict[str, str]:
    """The group's live settings; empty where they are not readable: an older broker, no permission, a fork."""
    resource = ConfigResource(ResourceType.GROUP, group_id)
    answers = await calls.each(lambda client: client.describe_configs([resource], request_timeout=calls.timeout))
    answer = next(iter(answers.values()))
    if isinstance(answer, KafkaError):
        return {}
    return {entry.name: entry.value for entry in answer.values() if entry.value is not None}


def _member(raw: MemberDescription) -> Member:
    assigned = raw.assignment.topic_partitions if raw.assignment else []
    partitions = tuple(sorted(TopicPartition(one.topic, one.partition) for one in assigned))
    return Member(raw.member_id, raw.client_id, raw.host.lstrip("/"), partitions)


def _workers(members: Sequence[Member]) -> tuple[Member, ...]:
    """One member per worker: the second seat that one takes under the classic protocol is counted with its first."""
    second = {(one.host, one.client_id): one for one in members if one.client_id.endswith(OWN_SEAT)}
    found = []
    for one in members:
        other = second.pop((one.host, one.client_id + OWN_SEAT), None)
        if other is not None:
            found.append(replace(one, partitions=tuple(sorted((*one.partitions, *other.partitions)))))
        elif not one.client_id.endswith(OWN_SEAT):
            found.append(one)
    return (*found, *second.values())
