"""What one seed decides: a plan, which is a workload, a handful of timed faults and the settings they meet.

A plan is a value. Shrinking takes faults, records and steps out of it; replaying needs nothing else. Raise VERSION
whenever the same seed would give another plan, so that an old seed is refused with a reason and not replayed as
something else.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, field
from typing import Any

VERSION = 2
_SEEDED = "penstock simulation 1"  # kept where a new version only adds: what a seed brought before stays
LONGEST_DELAY = 3.0  # seconds that weather keeps a request
OUTCOMES = ("failed", "unanswered", "done")


@dataclass(frozen=True)
class Step:
    """One call of the handler: it takes `seconds`, emits, then ends as `kind` says.

    Kinds: ok, fail, reject, skip, defer, retry (both with `after`), hang (until cancelled), stubborn (hangs, shrugs the
    cancelling off for a second, then is ok), kill (its process dies).
    """

    kind: str
    seconds: float = 0.0
    after: float = 0.0
    emits: int = 0


@dataclass(frozen=True)
class Sending:
    """One event: when it is written, its key, and what the handler does at its first, second, ... call.

    The last step holds for all further calls. `kind`: normal, undecodable, filtered (a type nobody asked for).
    """

    at: float
    key: str | None
    steps: tuple[Step, ...]
    kind: str = "normal"


@dataclass(frozen=True)
class Fault:
    """One fault, `at` seconds after the start. What `who`, `amount`, `lasts` mean depends on the kind: faults.py."""

    kind: str
    at: float
    who: int = 0
    amount: float = 0.0
    lasts: float = 0.0
    outcome: str = "failed"
    delay: float = 0.0
    chance: float = 1.0
    topic: str = ""


@dataclass(frozen=True)
class Plan:
    """Everything that happens from outside. `seed` also decides the broker's own chances. Times in seconds."""

    seed: int
    partitions: int
    workers: int
    concurrency: int
    ordering: str
    max_attempts: int
    backoff: float
    preserve_order: bool
    timeout: float
    grace: float
    failover: float
    poll_interval: float
    start_from: str
    observed: bool  # whether somebody listens to attempt reports
    forgetful: bool  # whether the client forgets its pauses at each assignment
    bound: int  # records in flight per worker, 0: as in the engine
    brake: int  # characters of metadata that stop a partition, 0: as in the engine
    sendings: tuple[Sending, ...]
    faults: tuple[Fault, ...]
    classic: bool = False  # whether the group is of the classic kind: what a member commits while it leaves is refused
    version: int = field(default=VERSION)

    def as_json(self) -> str:
        """The plan as text; `of_json` reads it."""
        return json.dumps(asdict(self))

    @staticmethod
    def of_json(text: str) -> Plan:
        """The plan that `as_json` wrote."""
        raw: dict[str, Any] = json.loads(text)
        sendings = tuple(
            Sending(**{**one, "steps": tuple(Step(**step) for step in one["steps"])}) for one in raw.pop("sendings")
        )
        faults = tuple(Fault(**one) for one in raw.pop("faults"))
        return Plan(**raw, sendings=sendings, faults=faults)


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    chance = random.Random(f"{_SEEDED}/{seed}")
    span = chance.choice((5.0, 15.0, 40.0))
    timeout = chance.choice((2.0, 6.0, 20.0))
    lightning = chance.random()
    return Plan(
        seed=seed,
        partitions=chance.randint(1, 4),
        workers=chance.choice((1, 1, 2, 2, 3)),
        concurrency=chance.choice((1, 2, 3, 5, 8, 20)),
        ordering=chance.choice(("key", "key", "key", "key", "partition", "none")),
        max_attempts=chance.randint(1, 4),
        backoff=chance.choice((0.3, 1.0, 4.0)),
        preserve_order=chance.random() < 0.2,
        timeout=timeout,
        grace=chance.choice((0.0, 1.0, 4.0)),
        failover=chance.choice((6.0, 8.0)),
        poll_interval=chance.choice((10.0, 40.0)),
        start_from="latest" if chance.random() < 0.15 else "earliest",
        observed=chance.random() < 0.5,
        forgetful=chance.random() < 0.5,
        bound=chance.choice((0, 0, 8, 16)),
        brake=chance.choice((0, 0, 0, 90)),
        sendings=_sendings(chance, span, timeout, killers=lightning < 0.12),
        faults=_faults(chance, span),
        classic=chance.random() < 0.4,
    )


def _sendings(chance: random.Random, span: float, timeout: float, *, killers: bool) -> tuple[Sending, ...]:
    count = chance.randint(12, 48)
    keys: list[str | None] = [f"k{number}" for number in range(chance.choice((1, 3, 8, 20)))]
    if chance.random() < 0.4:
        keys.append(None)
    burst = chance.random() < 0.4
    pace = chance.choice((0.02, 0.4, 2.0))
    times = sorted(round(chance.uniform(0, span * (0.1 if burst else 0.9)), 3) for _ in range(count))
    found = [_sending(chance, at, chance.choice(keys), pace, timeout) for at in times]
    if killers:
        place = chance.randrange(count)
        killer = (Step("kill", seconds=round(chance.uniform(0, 0.5), 3)),)
        found[place] = Sending(found[place].at, found[place].key, killer)
    return tuple(found)


def _sending(chance: random.Random, at: float, key: str | None, pace: float, timeout: float) -> Sending:
    dice = chance.random()
    if dice < 0.02:
        return Sending(at, key, (), "undecodable")
    if dice < 0.05:
        return Sending(at, key, (), "filtered")
    steps = []
    while len(steps) < 5:
        step = _step(chance, pace, timeout)
        steps.append(step)
        if step.kind in {"ok", "reject", "skip"}:
            break
    return Sending(at, key, tuple(steps))


def _step(chance: random.Random, pace: float, timeout: float) -> Step:
    seconds = round(chance.expovariate(1 / pace) if chance.random() < 0.8 else 0.0, 3)
    seconds = min(seconds, timeout * 0.8)
    emits = chance.choice((0, 1, 1, 2))
    dice = chance.random()
    if dice < 0.66:
        return Step("ok", seconds, emits=emits)
    if dice < 0.83:
        return Step("fail", seconds, emits=emits)
    if dice < 0.86:
        return Step("reject", seconds)
    if dice < 0.88:
        return Step("skip", seconds)
    if dice < 0.92:
        return Step("defer", seconds, after=chance.choice((0.5, 3.0, 12.0)))
    if dice < 0.96:
        return Step("retry", seconds, after=chance.choice((0.5, 3.0, 40.0)))
    if dice < 0.985:
        return Step("hang")
    return Step("stubborn", seconds, emits=emits)


_KINDS = (
    ("crash", 5),
    ("expire", 4),
    ("stop", 3),
    ("stop_hard", 2),
    ("scale", 5),
    ("commits", 6),
    ("produces", 6),
    ("fetches", 2),
    ("silence", 2),
    ("gap", 2),
    ("truncate", 3),
    ("reset", 2),
    ("add_partition", 2),
    ("clock", 2),
)


def _faults(chance: random.Random, span: float) -> tuple[Fault, ...]:
    kinds, weights = zip(*_KINDS, strict=True)
    count = chance.choice((0, 1, 2, 3, 4, 6))
    found = [_fault(chance, kind, span) for kind in chance.choices(kinds, weights, k=count)]
    return tuple(sorted(found, key=lambda fault: fault.at))


def _fault(chance: random.Random, kind: str, span: float) -> Fault:
    at = round(chance.uniform(0, span), 3)
    who = chance.randrange(4)
    if kind == "scale":
        return Fault(kind, at, amount=chance.randint(1, 4))
    if kind == "commits":
        return _weather(chance, kind, at, chance.choice(OUTCOMES))
    if kind == "produces":
        outcome = chance.choice((*OUTCOMES, *OUTCOMES, "refused", "fatal"))
        topic = chance.choice(("", "retry", "dlt", "out"))
        return _weather(chance, kind, at, outcome, "out" if outcome == "refused" and chance.random() < 0.5 else topic)
    if kind == "fetches":
        return _weather(chance, kind, at, chance.choice(("failed", "done")))
    if kind == "silence":
        return Fault(kind, at, who, lasts=chance.choice((4.0, 12.0)))
    if kind == "gap":
        return Fault(kind, at, who, amount=chance.choice((1, 3, 40)))
    if kind in {"truncate", "reset"}:
        topic = "retry" if chance.random() < 0.25 else ""
        return Fault(kind, at, who, amount=round(chance.random(), 3), topic=topic)
    if kind == "clock":
        return Fault(kind, at, amount=chance.choice((-3600.0, -60.0, -3.0, 3.0, 60.0, 3600.0)))
    return Fault(kind, at, who)


def _weather(chance: random.Random, kind: str, at: float, outcome: str, topic: str = "") -> Fault:
    delay = chance.choice((0.0, 0.0, 0.05, 0.7, LONGEST_DELAY))
    if outcome == "done" and not delay:
        delay = 0.3
    lasts = chance.choice((0.3, 2.0, 10.0))
    how_often = chance.choice((0.3, 1.0)) if outcome != "fatal" else 0.2
    return Fault(kind, at, lasts=lasts, outcome=outcome, delay=delay, chance=how_often, topic=topic)
