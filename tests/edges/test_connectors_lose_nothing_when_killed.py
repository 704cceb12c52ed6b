"""Every connector, killed at any of its awaits, beside the real server: nothing lost, repeats recognised."""

import logging

import connector_cases as cases
import http_sink_case
import pytest

from penstock.testing.connector_kit import trial

SEEDS = 4


@pytest.fixture(autouse=True)
def quiet():
    """A log line about killed code holds on to it, and to its connections, which then complain in some later test."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def nothing_is_lost(case):
    verdict = trial(case, seeds=SEEDS)

    assert (verdict.lost, verdict.unrecognised) == (0, 0)
    assert verdict.kills >= SEEDS // 2, "a play in which nobody dies shows nothing"
    return verdict


def test_redis_stream(tmp_path, redis_url):
    nothing_is_lost(cases.redis_stream(tmp_path, redis_url))


def test_postgres_outbox(tmp_path, postgres):
    nothing_is_lost(cases.postgres_outbox(tmp_path, postgres))


def test_postgres_sink(tmp_path, postgres):
    assert nothing_is_lost(cases.postgres_sink(tmp_path, postgres)).duplicates == 0


def test_parquet_files(tmp_path, absent):
    if not __import__("importlib.util").util.find_spec("pyarrow"):
        absent("the extra `parquet` is not installed")
    assert nothing_is_lost(cases.file_sink(tmp_path, "parquet")).duplicates == 0


def test_http_sink(tmp_path):
    with http_sink_case.receiver() as ledger:
        nothing_is_lost(http_sink_case.http_sink(tmp_path, ledger))
