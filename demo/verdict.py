"""What the demonstration claims, and whether it held: the table at the end, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence

from demo.ledger import percentile, places
from demo.play import Outcome

_FASTER = 3  # times the yardstick, at least; what is seen is far more


def broken_claims(outcome: Outcome, *, partitions: int, expected_dead: int | None) -> Sequence[str]:
    """Each claim that did not hold, as a sentence. `expected_dead` None: nobody knows how many must fail."""
    ledger, slow = outcome.ledger, outcome.slow
    claims = {
        f"every ticket reached the log ({ledger.sent} of {len(ledger.accounts)})": ledger.sent == len(ledger.accounts),
        f"no ticket is lost ({_some(ledger.lost)})": not ledger.lost,
        f"no ticket is in two places ({_some(ledger.twice)})": not ledger.twice,
        f"nothing is left to do (lag {outcome.lag})": outcome.lag == 0,
    }
    if slow is not None:
        now = ledger.rate(outcome.victim.at)
        claims |= {
            f"the killed worker's runs reappeared ({outcome.reappeared}: {outcome.heirs})": outcome.reappeared > 0
            and outcome.heirs != "nowhere",
            f"the yardstick was run to its end ({slow.triaged} of {slow.sent})": slow.triaged == slow.sent > 0,
            f"more runs in flight than partitions ({outcome.peak}, {partitions})": outcome.peak > 4 * partitions,
            f"{_FASTER} times the yardstick ({now:.1f}/s, {slow.rate():.1f}/s)": now >= _FASTER * slow.rate() > 0,
            f"tickets failed and all recovered ({ledger.recovered} of {ledger.retried})": 0
            < ledger.retried
            == ledger.recovered,
        }
    if expected_dead is not None:
        claims |= {
            f"{expected_dead} dead letters ({ledger.dead_lettered})": ledger.dead_lettered == expected_dead,
            f"all of them came home ({outcome.came_home} of {ledger.replayed} replayed)": outcome.came_home
            == ledger.replayed
            == expected_dead,
        }
    return [claim for claim, held in claims.items() if not held]


def rows(outcome: Outcome) -> Sequence[tuple[str, str]]:
    """The summary table."""
    ledger = outcome.ledger
    triage, later = ledger.duplicates
    times = ledger.latencies()
    found = [
        ("sent", f"{ledger.sent:,}"),
        ("done", f"{ledger.done:,}  (answered, or handed to people)"),
        ("retried", f"{ledger.retried:,}  ({ledger.recovered:,} recovered)"),
        ("dead-lettered", f"{ledger.dead_lettered:,}  ({ledger.waiting:,} still there)"),
        ("replayed", f"{ledger.replayed:,}  ({outcome.came_home:,} came home)"),
        ("lost", f"{len(ledger.lost):,}"),
        ("duplicates", f"{triage:,} of triage, {later:,} after it"),
        ("killed in view", f"{outcome.victim.worker}, with {outcome.reappeared:,} tickets unfinished"),
        ("its runs reappeared", outcome.heirs),
        ("p50 / p95", f"{percentile(times, 0.5):.1f} s / {percentile(times, 0.95):.1f} s from sent to done"),
        ("lag", f"{outcome.lag:,}"),
    ]
    if outcome.slow is not None:
        slow, now = outcome.slow.rate(), ledger.rate(outcome.victim.at)
        found.insert(2, ("in flight, at most", f"{outcome.peak:,} of {outcome.concurrency:,}"))
        found.insert(3, ("speed", f"{now:.1f}/s; one at a time per partition {slow:.1f}/s: {now / slow:.0f} times"))
    return found


def accounts(outcome: Outcome) -> Sequence[tuple[str, str]]:
    """The ledger of a file: where each of its rows ended, and how good triage was."""
    ledger = outcome.ledger
    found = [(f"... {place}", f"{count:,}") for place, count in places(ledger).items()]
    judged = ledger.judged()
    if judged is not None:
        right, known, most, often = judged
        found.append(("right area", f"{right / known:.1%} of {known:,}"))
        found.append(("the most frequent area alone", f"{often / known:.1%}  ({most})"))
    return found


def _some(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(names[:5])}" if names else "0"
