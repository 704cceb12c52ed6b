"""Who hears of attempts: an observer of every one, a recorder of as many as it has time for, or nobody at no cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from penstock.clock import Clock
from penstock.engine.outcome import DONE, Done, Outcome
from penstock.engine.report import AttemptReport, Recorder, report_of
from penstock.engine.run import Run


class Listeners:
    """The listeners of one worker. A report is made only where somebody hears it."""

    def __init__(
        self,
        processor: str,
        identify: Callable[[Run], str],
        clock: Clock,
        observe: Callable[[AttemptReport], None] | None,
        recorder: Recorder | None,
    ) -> None:
        self._processor = processor
        self._identify = identify
        self._clock = clock
        self._observe = observe
        self._recorder = recorder

    @property
    def every(self) -> bool:
        """Whether somebody hears of every attempt."""
        return self._observe is not None

    def _hears_of_done(self, run: Run) -> bool:
        """Whether anybody hears of a run that went well."""
        recorder = self._recorder
        if recorder is None or self._observe is not None:
            return self._observe is not None
        if recorder.hungry or run.trail is not None:
            return True
        recorder.passed_over += 1
        return False

    def tell_of_done(self, runs: Sequence[Run]) -> None:
        """Report runs that went well, as many as the recorder has time for. They carry their durations."""
        recorder = self._recorder
        if recorder is None:
            return
        for place, run in enumerate(runs):
            if not recorder.hungry:
                recorder.passed_over += len(runs) - place
                return
            self.tell(run, DONE, run.spent, run.started or run.began)

    def tell(self, run: Run, outcome: Outcome, duration: float, began: float) -> None:
        """Report an attempt; `began` is loop time, 0 where only its duration is known."""
        if self._observe is None and (
            self._recorder is None or (type(outcome) is Done and not self._hears_of_done(run))
        ):
            return
        ago = self._clock.monotonic() - began if began else duration
        started = self._clock.now() - ago
        report = report_of(self._processor, self._identify(run), run, outcome, duration, started)
        if self._observe is not None:
            self._observe(report)
        if self._recorder is not None:
            self._recorder.observe(report)
