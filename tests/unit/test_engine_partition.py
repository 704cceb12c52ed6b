"""What one partition writes beside its commit about those who died with it."""

from __future__ import annotations

from collections import deque

from penstock.broker.contract import Assigned
from penstock.broker.progress import Progress, decode, encode
from penstock.engine.lanes import Lanes
from penstock.engine.partition import PartitionState
from penstock.record import TopicPartition


def state(unclean: int, ahead: int | None = 2) -> PartitionState:
    """Offsets 5 to 8 are to be read; `unclean` owners left them, and had started `ahead` of them."""
    metadata = encode(Progress("id", 1, unclean, ahead=ahead))
    assigned = Assigned(TopicPartition("t", 0), 5, metadata, 9, "id", 1)
    found = PartitionState(assigned, 1, Lanes("key", deque()), None, own=False, foreign=[])
    found.line = 7 if ahead is None else 5 + ahead
    return found


def unclean_after(partition: PartitionState, *, clean: bool) -> int:
    progress = decode(partition.progress(clean=clean))
    return progress.unclean if progress is not None else -1


def finish(partition: PartitionState, *offsets: int) -> None:
    for offset in offsets:
        partition.tracker.begin(offset)
        partition.tracker.finish([offset])


def test_an_owner_counts_itself_until_it_hands_over():
    assert unclean_after(state(2), clean=False) == 3


def test_a_clean_hand_over_leaves_the_deaths_before_it():
    assert unclean_after(state(2), clean=True) == 2
    assert unclean_after(state(0), clean=True) == 0


def test_deaths_count_until_all_that_had_started_is_finished():
    partition = state(2)
    finish(partition, 5)
    assert unclean_after(partition, clean=False) == 3
    finish(partition, 6)
    assert unclean_after(partition, clean=False) == 1
    assert unclean_after(partition, clean=True) == 0


def test_the_death_of_an_owner_that_had_nothing_running_is_nobodys():
    assert unclean_after(state(1, ahead=0), clean=False) == 1
    assert unclean_after(state(1, ahead=None), clean=False) == 2


def test_a_commit_tells_how_far_the_partition_had_started():
    partition = state(0)
    partition.tracker.begin(5)
    partition.tracker.begin(6)
    partition.note_started(6, more=0)
    assert decode(partition.progress()).ahead == 2
    partition.tracker.finish([5])
    assert decode(partition.progress()).ahead == 1
    partition.tracker.begin(7)
    partition.note_started(7, more=2)
    assert decode(partition.progress()).ahead == 2 + 3
