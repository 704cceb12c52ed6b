"""A replay holds the rate that was asked for, and tells how far it is."""

from __future__ import annotations

import pytest
from replay_stage import make, replays, run

from penstock.testing.virtual_time import VirtualClock, run_virtual


@pytest.mark.parametrize(("rate", "seconds"), [(10, 9.9), (0.5, 198), (1000, 0), (None, 0)])
def test_the_rate_is_held(rate: float | None, seconds: float) -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 100)
        began = clock.monotonic()
        await run(broker, clock, rate=rate)
        took = clock.monotonic() - began
        assert seconds * 0.9 <= took <= seconds * 1.01 + 0.01
        if rate:
            stamps = sorted(record.timestamp for record in replays(broker))
            busiest = max(sum(at <= other < at + 1000 for other in stamps) for at in stamps)
            assert busiest <= max(1, rate)

    run_virtual(main)


def test_progress_counts_every_entry() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 450)
        done: list[int] = []
        await run(broker, clock, progress=done.append)
        assert done == [200, 200, 50]

    run_virtual(main)
