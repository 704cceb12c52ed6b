"""Who gets which partition: balanced, and moving as few as balance asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from penstock.record import TopicPartition


def assign(
    partitions: Sequence[TopicPartition],
    subscriptions: Mapping[str, Collection[str]],
    current: Mapping[TopicPartition, str],
) -> dict[str, list[TopicPartition]]:
    """The partitions of each member, whose loads differ by no more than one where the subscriptions allow it.

    `subscriptions` maps members to topics; `current` says who has (or was promised) a partition and keeps it unless
    balance asks for it. Ties go by the order of the arguments, so the result is the same for the same input.
    """
    target: dict[str, list[TopicPartition]] = {member: [] for member in subscriptions}
    free = []
    for partition in partitions:
        owner = current.get(partition)
        if owner in target and partition.topic in subscriptions[owner]:
            target[owner].append(partition)
        else:
            free.append(partition)
    for partition in free:
        takers = [member for member, topics in subscriptions.items() if partition.topic in topics]
        if takers:
            target[min(takers, key=lambda member: len(target[member]))].append(partition)
    while _move_one(target, subscriptions):
        pass
    return target


def _move_one(target: dict[str, list[TopicPartition]], subscriptions: Mapping[str, Collection[str]]) -> bool:
    for giver in sorted(target, key=lambda member: -len(target[member])):
        for taker in sorted(target, key=lambda member: len(target[member])):
            if len(target[giver]) - len(target[taker]) < 2:
                break
            wanted = [partition for partition in target[giver] if partition.topic in subscriptions[taker]]
            if wanted:
                target[giver].remove(wanted[-1])
                target[taker].append(wanted[-1])
                return True
    return False
