"""Lanes against a model: per key one at a time and in order, nothing forgotten, nothing kept when all is done."""

from __future__ import annotations

from collections import defaultdict, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.lanes import Lanes
from penstock.engine.run import Run
from penstock.record import Record


def run_of(offset: int, key: bytes | None) -> Run:
    return Run(Record("t", 0, offset, 0, key, b""), None)  # type: ignore[arg-type]


@pytest.mark.slow
@settings(deadline=None)
@given(keys=st.lists(st.sampled_from([b"a", b"b", b"", None]), max_size=40), data=st.data())
@pytest.mark.parametrize("ordering", ["key", "partition", "none"])
def test_against_a_model(ordering: str, keys: list[bytes | None], data: st.DataObject) -> None:
    ready: deque[Run] = deque()
    lanes = Lanes(ordering, ready)
    waiting = [run_of(offset, key) for offset, key in enumerate(keys)]
    running: list[Run] = []
    seen: dict[object, list[int]] = defaultdict(list)

    def lane(run: Run) -> object:
        if ordering == "none" or (ordering == "key" and run.record.key is None):
            return run
        return run.record.key if ordering == "key" else "all"

    while waiting or ready or running:
        step = data.draw(st.sampled_from(["add"] * bool(waiting) + ["take"] * bool(ready) + ["end"] * bool(running)))
        if step == "add":
            lanes.add([waiting.pop(0)])
        elif step == "take":
            run = ready.popleft()
            assert lane(run) not in [lane(one) for one in running]
            running.append(run)
            seen[lane(run)].append(run.record.offset)
        else:
            lanes.release([running.pop(data.draw(st.integers(0, len(running) - 1)))])
    assert sum(map(len, seen.values())) == len(keys)
    assert all(order == sorted(order) for order in seen.values())
    assert len(lanes) == lanes.waiting == 0
