"""What one partition writes beside its commit about those who died with it."""

from __future__ import annotations

from collections import deque

from penstock.broker.contract import Assigned
from penstock.broker.progress import Progress, decode, encode
from penstock.engine.lanes import Lanes
from penstock.engine.partition import PartitionState
from penstock.record import TopicPartition


def state(unclean: int) -> PartitionState:
    """Offsets 5 to 8 are to be read, and `unclean` owners left them without progress."""
    metadata = encode(Progress("id", 1, unclean))
    assigned = Assigned(TopicPartition("t", 0), 5, metadata, 9, "id", 1)
    return PartitionState(assigned, 1, Lanes("key", deque()), None, own=False, foreign=[])


def unclean_after(partition: PartitionState, *, clean: bool) -> int:
    progress = decode(partition.progress(clean=clean))
    return progress.unclean if progress is not None else -1


def test_an_owner_counts_itself_until_it_hands_over():
    assert unclean_after(state(2), clean=False) == 3


def test_a_clean_hand_over_leaves_the_deaths_before_it():
    assert unclean_after(state(2), clean=True) == 2
    assert unclean_after(state(0), clean=True) == 0


def test_progress_clears_the_deaths_before_it():
    partition = state(2)
    partition.tracker.begin(5)
    partition.tracker.finish(5)
    assert unclean_after(partition, clean=False) == 0
    assert unclean_after(partition, clean=True) == 0
