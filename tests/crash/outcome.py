"""What one run of a fault came to, in numbers: the line of a table, and the promise that is checked on it."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tests.crash.fleet import Fleet
from tests.crash.ledger import COMMITTED_WITHIN


@dataclass(frozen=True, slots=True)
class Outcome:
    """Events sent, done, in the dead letter topic, lost; attempts done twice, and how many the fault allows.

    `seconds` are the times from each fault to the first run that ended on a partition left behind.
    """

    fault: str
    seed: int
    sent: int
    done: int
    dead: int
    twice: int
    allowed: int
    lost: int
    seconds: tuple[float, ...] = ()

    def __str__(self) -> str:
        times = ", ".join(f"{one:.1f} s" for one in self.seconds)
        return (
            f"{self.fault}, seed {self.seed}: sent {self.sent}, done {self.done}, dead letters {self.dead}, "
            f"twice {self.twice} (allowed {self.allowed}), lost {self.lost}"
            + (f", running again after {times}" * bool(times))
        )


def settle(
    fleet: Fleet,
    fault: str,
    *,
    within: float = COMMITTED_WITHIN,
    dead: Collection[int] = (),
    again: Collection[int] = (),
    seconds: Sequence[float] = (),
) -> Outcome:
    """The outcome of a run that is over. Fails where anything was lost, or done twice without a fault to explain it.

    `within` is how long before a fault an ended run may not have been committed yet; `dead` stand in the dead letter
    topic; `again` were asked to be done again; `seconds` is the recovery where the ledger cannot tell it.
    """
    ledger = fleet.ledger
    lost, forbidden = ledger.missing(dead), [line for line in ledger.forbidden(within) if line.n not in again]
    recoveries = [ledger.recovery(one) for one in ledger.faults]
    outcome = Outcome(
        fault=fault,
        seed=fleet.seed,
        sent=len(ledger.sent),
        done=len(ledger.done & ledger.sent.keys()),
        dead=len(dead),
        twice=len(ledger.repeated()),
        allowed=len(ledger.allowed(within) | {(number, 1) for number in again}),
        lost=len(lost),
        seconds=tuple(seconds) or tuple(one for one in recoveries if one is not None),
    )
    assert not lost, f"{outcome}\nlost: {sorted(lost)[:20]}\n{fleet.last_words()}"
    assert not forbidden, f"{outcome}\n{_explained(fleet, forbidden)}\n{fleet.last_words()}"
    return outcome


def _explained(fleet: Fleet, forbidden: Sequence[object]) -> str:
    faults = [(one.time, sorted(one.pids)) for one in fleet.ledger.faults]
    numbers = {line.n for line in forbidden}  # type: ignore[attr-defined]
    lines = [f"  {line}" for line in fleet.ledger.lines if line.n in sorted(numbers)[:5]]
    return "\n".join([f"done twice without a reason: {len(forbidden)}; faults {faults}", *lines])


def table(outcomes: Sequence[Outcome]) -> str:
    """A Markdown table, one line per fault."""
    rows = [
        "| fault | seeds | sent | done | dead letters | done twice | allowed | lost | seconds until running again |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for fault in dict.fromkeys(one.fault for one in outcomes):
        found = [one for one in outcomes if one.fault == fault]
        times = [second for one in found for second in one.seconds]
        spread = f"{min(times):.1f} / {statistics.median(times):.1f} / {max(times):.1f}" if times else "-"
        sums = [
            sum(getattr(one, name) for one in found) for name in ("sent", "done", "dead", "twice", "allowed", "lost")
        ]
        rows.append(f"| {fault} | {len(found)} | " + " | ".join(f"{one:,}" for one in sums) + f" | {spread} |")
    return "\n".join(rows)
