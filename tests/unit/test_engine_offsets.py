"""OffsetTracker against a model: it never commits past an unfinished offset, and always reaches the end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.broker.progress import Progress, decode, encode
from penstock.engine.offsets import OffsetTracker

offsets = st.lists(st.integers(0, 60), unique=True, max_size=40).map(sorted)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(start=st.integers(0, 5), received=offsets, earlier=st.sets(st.integers(0, 60)), data=st.data())
def test_against_a_model(start: int, received: list[int], earlier: set[int], data: st.DataObject) -> None:
    earlier = {one for one in earlier if one >= start}
    tracker = OffsetTracker(start, earlier)
    waiting = [one for one in received if one >= start]
    unfinished: set[int] = set()
    finished = set(earlier)
    while waiting or unfinished:
        if waiting and (not unfinished or data.draw(st.booleans())):
            offset = waiting.pop(0)
            assert tracker.begin(offset) == (offset not in earlier)
            if offset not in earlier:
                unfinished.add(offset)
        else:
            offset = data.draw(st.sampled_from(sorted(unfinished)))
            tracker.finish([offset])
            unfinished.discard(offset)
            finished.add(offset)
        frontier = tracker.frontier
        assert all(one >= frontier for one in unfinished), "past an unfinished offset"
        assert all(one >= frontier for one in waiting), "past one that was never received"
        assert tracker.unfinished == len(unfinished)
        told = decode(encode(Progress(runs=tracker.runs()))) or Progress()
        above = told.finished(frontier, 100)
        assert not above & (unfinished | set(waiting) - finished), "the map would skip work"
        assert {one for one in finished if one >= frontier and one in received} <= above, "the map would repeat work"
    assert tracker.frontier == max([start, *(one + 1 for one in received if one >= start)])


def test_what_was_seen_before_does_not_begin_again() -> None:
    tracker = OffsetTracker(3)
    assert tracker.begin(3)
    assert not tracker.begin(3)
    assert not tracker.begin(1)


@settings(deadline=None)
@given(jump=st.integers(0, 30))
def test_a_jump_waits_for_what_still_runs(jump: int) -> None:
    tracker = OffsetTracker(0, {12, 14})
    tracker.begin(0)
    tracker.begin(5)
    tracker.skip_to(jump)
    assert tracker.frontier == 0
    tracker.finish([0])
    assert tracker.frontier == 5
    tracker.finish([5])
    assert tracker.frontier == max(jump, 6)
