"""Runs that went well, their outputs acknowledged: put down as they end, booked together, partition by partition.

Booked means: the offset finished, the lane free for its next record, the room given back, the run counted. That is a
third of what an event costs where it is done for each by itself. It is done before the loop turns once more, and
before anybody could miss it: when nothing else is ready, and before a partition is handed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter

from penstock.engine.committer import Committer
from penstock.engine.counters import Counters
from penstock.engine.dispatch import Dispatch
from penstock.engine.intake import Intake
from penstock.engine.listeners import Listeners
from penstock.engine.partition import PartitionState
from penstock.engine.run import Run
from penstock.engine.suspects import Suspects

_PARTITION = attrgetter("partition")
_SPENT = attrgetter("spent")


class Finished:
    """What has ended well and is not booked yet.

    `wake` lets so many more runs begin; `fail` is called where booking goes wrong: a bug of ours.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        intake: Intake,
        committer: Committer,
        suspects: Suspects,
        counters: Counters,
        listeners: Listeners,
        wake: Callable[[int], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._dispatch = dispatch
        self._running = dispatch.running
        self._intake = intake
        self._committer = committer
        self._suspects = suspects
        self._counters = counters
        self._listeners = listeners
        self._fail = fail
        self._wake = wake
        self._runs: list[Run] = []
        self._released = 0
        self._scheduled = False

    def put(self, run: Run, spent: float) -> None:
        """A run has ended well, of a source topic, in a partition that is not being handed over.

        `spent` are the seconds its handler took.
        """
        run.spent = spent
        del self._running[run]
        self._runs.append(run)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Nothing stays put down for longer than a turn of the loop; who waited behind it may need another task."""
        self._scheduled = False
        self.book()
        released, self._released = self._released, 0
        if released:
            self._wake(released)

    def book(self) -> bool:
        """Book what was put down; whether there was anything."""
        if not self._runs:
            return False
        runs, self._runs = self._runs, []
        waited = self._dispatch.waiting
        try:
            self._counters.done += len(runs)
            self._counters.duration.observe_all(map(_SPENT, runs))
            for partition, streak in groupby(runs, _PARTITION):
                if partition.active:
                    self.finish(list(streak), partition)
                else:  # lost in this very turn of the loop
                    self._counters.stale_results += len(list(streak))
            self._released += self._dispatch.waiting - waited
            self._listeners.tell_of_done(runs)
        except Exception as error:  # noqa: BLE001 - the loop would only log it
            self._fail(error)
        return True

    def finish(self, runs: Sequence[Run], partition: PartitionState) -> None:
        """The frontier may move past these records of one partition, and what waits behind them may go."""
        partition.tracker.finish([run.record.offset for run in runs])
        if not partition.dirty:
            partition.dirty = True
            if self._committer.idle:
                self._committer.wake()
        if partition.suspicious_until < 0:
            partition.lanes.release(runs)
        else:
            for run in runs:
                self._finish_near_suspects(run, partition)
        self._intake.left(runs, partition)

    def _finish_near_suspects(self, run: Run, partition: PartitionState) -> None:
        if partition.suspicious_until > run.record.offset:
            self._suspects.finished(run)
        else:
            partition.lanes.release([run])
