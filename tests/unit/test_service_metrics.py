"""What a worker exports is a valid scrape: one value per series, every name with its labels."""

from __future__ import annotations

from collections import Counter

from prometheus_client import CollectorRegistry, generate_latest

from penstock.deploy import scrape
from penstock.engine.counters import Counters
from penstock.service.metrics import COUNTERS, GAUGES, WorkerCollector
from penstock.service.snapshot import Snapshot


def text_of(counters: Counters) -> str:
    """What /metrics says."""
    snapshot = Snapshot(
        processor="triage",
        group="desk.triage",
        protocol="consumer",
        joined=True,
        partitions=3,
        concurrency=10,
        running=4,
        queued=7,
        in_retry=2,
        held=0,
        lag=12,
        backlog=9,
        oldest=90.0,
        paused=1,
        producer_queue=0,
        hand_offs_waiting=0,
        suspicious=0,
        closed=("breaker openai",),
        breakers={"openai": 2, "attempts": 0},
        opened=3,
        throttled=False,
        counters=counters,
    )
    registry = CollectorRegistry()
    registry.register(WorkerCollector(lambda: snapshot, lambda: 100.0))
    return generate_latest(registry).decode()


def scraped(counters: Counters) -> dict[str, float]:
    """Series -> value, as Prometheus would read them."""
    lines = [line for line in text_of(counters).splitlines() if not line.startswith("#")]
    series = [line.rpartition(" ")[0] for line in lines]
    assert [name for name, count in Counter(series).items() if count > 1] == [], "a series exported twice"
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_runs_with_and_without_output_are_one_series():
    counters = Counters(done=5)
    counters.outcomes["done"] = 2  # those that emitted something
    counters.outcomes["retried"] = 1

    found = scraped(counters)

    assert found['penstock_runs_total{group="desk.triage",outcome="done",processor="triage"}'] == 7
    assert found['penstock_runs_total{group="desk.triage",outcome="retried",processor="triage"}'] == 1
    assert found['penstock_retries_total{group="desk.triage",processor="triage"}'] == 1


def test_every_declared_metric_is_exported():
    names = {series.partition("{")[0] for series in scraped(Counters())}

    assert set(GAUGES) | {f"{name}_total" for name in COUNTERS} <= names


def test_buckets_count_upward_and_end_in_all():
    counters = Counters()
    for seconds in (0.001, 0.2, 0.2, 10_000.0):
        counters.duration.observe(seconds)

    found = scraped(counters)
    buckets = [value for series, value in found.items() if series.startswith("penstock_run_duration_seconds_bucket")]

    assert buckets == sorted(buckets)
    assert buckets[-1] == 4
    assert found['penstock_run_duration_seconds_count{group="desk.triage",processor="triage"}'] == 4


def test_gauges_are_of_the_moment():
    found = scraped(Counters())
    labels = '{group="desk.triage",processor="triage"}'

    assert found[f"penstock_saturation{labels}"] == 0.4
    assert found[f"penstock_oldest_unfinished_age_seconds{labels}"] == 10
    assert found[f"penstock_true_backlog{labels}"] == 9


def test_breakers_and_what_they_stop_can_be_seen():
    found = scraped(Counters())

    assert found['penstock_sources_closed{group="desk.triage",processor="triage"}'] == 1
    assert found['penstock_breaker_openings_total{group="desk.triage",processor="triage"}'] == 3
    assert found['penstock_breaker_state{breaker="openai",group="desk.triage",processor="triage"}'] == 2
    assert found['penstock_breaker_state{breaker="attempts",group="desk.triage",processor="triage"}'] == 0


def test_what_is_told_is_what_groups_and_top_read():
    counters = Counters(done=5)
    counters.outcomes["retried"] = 1
    found = scrape._gauges([text_of(counters)])

    assert (found.workers, found.running, found.slots, found.breakers) == (1, 4.0, 10, ("openai open",))
    assert found.outcomes["done"] == 5
    assert found.outcomes["retried"] == 1


def test_outcomes_and_reasons_are_there_before_the_first_of_them():
    """A rule asks for an increase, and a series that begins above 0 has none."""
    found = scraped(Counters())

    assert found['penstock_dead_letters_total{group="desk.triage",processor="triage",reason="exhausted"}'] == 0
    assert found['penstock_runs_total{group="desk.triage",outcome="done",processor="triage"}'] == 0
