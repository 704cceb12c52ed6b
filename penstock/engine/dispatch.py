"""What runs next: records of the group's own topics (retry, replay) first, up to a quarter of the concurrency."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

from penstock.engine.partition import PartitionState
from penstock.engine.run import Run
from penstock.engine.valve import Valve


class Dispatch:
    """The queues of what may run, and the set of what runs, oldest start first."""

    def __init__(self, concurrency: int, time: Callable[[], float], valve: Valve | None = None) -> None:
        self.ready: deque[Run] = deque()
        self.ready_own: deque[Run] = deque()
        self.running: dict[Run, None] = {}
        self.running_own = 0
        self._hushed = False
        self._alone: Run | None = None  # the only run that may start, while hushed
        self._alone_may_start = False
        self.concurrency = concurrency
        self._most: int | None = None  # fewer at once than there are tasks
        self._own_share = max(1, concurrency // 4)
        self._time = time
        self._valve = valve or Valve()
        self._valve.on_turn(self._restrain)
        self._admit: Callable[[Run], bool] | None = None
        self._restrained = False

    def take(self) -> Run | None:
        """The next run, now counted as running; None where nothing may run. Runs being handed over are dropped."""
        if self._restrained:
            return self._take_restrained()
        while True:
            if self.ready_own and (self.running_own < self._own_share or not self.ready):
                run = self.ready_own.popleft()
            elif self.ready:
                run = self.ready.popleft()
            else:
                return None
            partition = run.partition
            if partition.dispatching:  # from here on what `_begin` does: a call more would be a call more an event
                run.started = self._time()
                self.running[run] = None
                if partition.own:
                    self.running_own += 1
                return run

    def _begin(self, run: Run) -> Run:
        run.started = self._time()
        self.running[run] = None
        if run.partition.own:
            self.running_own += 1
        return run

    def _take_restrained(self) -> Run | None:
        """The same where something stands against it: a run that must be alone, a closed valve, a limit."""
        if self._hushed:
            return self._take_alone()
        if self._most is not None and len(self.running) >= self._most:
            return None
        while queue := self._open_queue():
            run = queue[0]
            if not run.partition.dispatching:
                queue.popleft()
                continue
            if self._admit is not None and not self._admit(run):
                return None
            return self._begin(queue.popleft())
        return None

    def _open_queue(self) -> deque[Run] | None:
        """The queue whose turn it is, of those the valve lets through."""
        sources = self.ready if self.ready and not self._valve.sources_closed else None
        if self.ready_own and not self._valve.all_closed and (self.running_own < self._own_share or not sources):
            return self.ready_own
        return sources

    def admit_by(self, admit: Callable[[Run], bool] | None) -> None:
        """Ask `admit` before each start, where not None; what it refuses stays at the head of its queue."""
        self._admit = admit
        self._restrain()

    def _restrain(self) -> None:
        held = self._hushed or self._valve.sources_closed
        self._restrained = held or self._admit is not None or self._most is not None

    def limit(self, concurrency: int, tasks: int) -> None:
        """Let so many run at once, of `tasks` that could."""
        self.concurrency = concurrency
        self._own_share = max(1, concurrency // 4)
        self._most = concurrency if concurrency < tasks else None
        self._restrain()

    def hush(self) -> None:
        """Let nothing start any more, but for the run that is let in by `alone`."""
        self._hushed = True
        self._restrain()

    def alone(self, run: Run) -> None:
        """The one run that may start while hushed, and start again where it was put off in its lane."""
        self._alone, self._alone_may_start = run, True

    def unhush(self) -> None:
        """Everything may start again."""
        self._hushed, self._alone, self._alone_may_start = False, None, False
        self._restrain()

    def _take_alone(self) -> Run | None:
        run = self._alone
        if run is None or not self._alone_may_start or not run.partition.dispatching:
            return None
        if self._valve.stops(own=run.partition.own):
            return None
        self._alone_may_start = False
        return self._begin(run)

    def put(self, run: Run) -> None:
        """Queue a run whose lane is already its own."""
        if run is self._alone:
            self._alone_may_start = True
            return
        (self.ready_own if run.partition.own else self.ready).append(run)

    def ended(self, run: Run) -> None:
        """The run no longer takes a slot."""
        del self.running[run]
        if run.partition.own:
            self.running_own -= 1

    def runs_any(self, partitions: Collection[PartitionState]) -> bool:
        """Whether a run of these still runs. Looked for when a partition goes, rather than counted at each event."""
        return any(run.partition in partitions for run in self.running)

    def forget(self, partition: PartitionState) -> None:
        """The partition went: its runs no longer wait, and count against nobody's room."""
        for queue in (self.ready, self.ready_own):  # in place: the lanes fill these very queues
            kept = [run for run in queue if run.partition is not partition]
            queue.clear()
            queue.extend(kept)

    def highest(self) -> dict[PartitionState, int]:
        """The highest offset that runs now, of each partition where one does."""
        found: dict[PartitionState, int] = {}
        for run in self.running:
            partition, offset = run.partition, run.record.offset
            if offset > found.get(partition, -1):
                found[partition] = offset
        return found

    def queue_for(self, *, own: bool) -> deque[Run]:
        """The queue that lanes of a partition fill."""
        return self.ready_own if own else self.ready

    @property
    def waiting(self) -> int:
        """Runs that may start and have no slot yet."""
        return len(self.ready) + len(self.ready_own) + self._alone_may_start
