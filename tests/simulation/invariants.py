"""What must hold at every step of a simulated world, in words; and what is raised where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GROUP: Final = "t.work"
SOURCE: Final = "src"
MOST_DEATHS: Final = 8  # by one event: three, and what faults in between may cost
INVARIANTS: Final[Mapping[str, str]] = {
    "commit-past-unfinished": "no commit passes, and no map names, a record that is not finished",
    "commit-backwards": "a committed offset never moves back, except by an operator's hand",
    "commit-not-owner": "a worker commits only partitions it owns",
    "commit-promptly": "what finished a second before a fault is committed; what finished before a hand-over, always",
    "start-not-owner": "no handler starts for a partition that is leaving or gone",
    "send-not-owner": "nothing is produced for a run whose partition is gone",
    "repeated-committed": "what was committed as finished does not run again",
    "repeated-in-epoch": "a record runs once per assignment, except where it waits in its lane",
    "repeated-without-fault": "a finished record runs again only where a fault fell between its end and its commit",
    "key-order": "first attempts of one key start in the order of the log, and one at a time",
    "early": "no record of a retry topic starts before its time",
    "due-time": "a retry record waits as long as the policy or the handler said",
    "bounds": "never more handlers at once than `concurrency`, nor more records than the bound",
    "gate-paused": "where records wait for their time, long or many, the partition is paused, after assignments too",
    "counts": "counters of records and bytes in flight equal what is truly in flight",
    "hop-bytes": "key, value and foreign headers are the same on every hop",
    "attempts": "attempts are counted in the headers and never exceed max_attempts",
    "dead-letter-reason": "an event is dead-lettered only for a reason that it gave",
    "emit-without-success": "only a call that succeeded emits",
    "cancelled-without-cause": "a handler is cancelled only at its timeout, at a hand-over or at a stop",
    "grace": "a hand-over lets handlers finish within the grace period, then cancels them all",
    "deadline": "a handler is cancelled soon after its timeout",
    "lost": "every event ends in a final place",
    "two-places": "an event ends in one place only, except where a fault fell on it",
    "killer-found": "an event that kills its process is found within eight deaths",
    "loss-alarm": "records removed before they were read are counted",
    "settles": "once the faults are over all work is finished in bounded time",
    "leak": "nothing is left in memory after quiet",
    "worker-ended": "a worker ends only when told to, or by a fatal producer error; then it must",
    "error": "no error escapes, nothing waits for ever",
}


class Violation(AssertionError):
    """The first invariant that did not hold."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant
        self.what = what
