"""`--watch`: whole looks one after another until Ctrl-C; a broker that is away is said, and asked again."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from penstock.cli import watching
from penstock.errors import BrokerUnavailable


@pytest.fixture
def looks(monkeypatch):
    """Each look takes the next of these; after the last comes Ctrl-C. Pauses are counted and take no time."""
    told: list[object] = []

    def pause(_: float) -> None:
        if not told:
            raise KeyboardInterrupt

    monkeypatch.setattr(watching.time, "sleep", pause)
    return told


@click.command()
@click.pass_obj
@watching.watch
def verb(told):
    found = told.pop(0)
    if isinstance(found, Exception):
        raise found
    click.echo(found)


def test_it_looks_again_until_it_is_stopped(looks):
    looks += ["one", "two"]
    done = CliRunner().invoke(verb, ["--watch"], obj=looks)
    assert (done.exit_code, done.stdout) == (0, "one\ntwo\n")


def test_a_broker_that_is_away_is_said_and_asked_again(looks):
    looks += ["one", BrokerUnavailable("no Kafka answers", "start it"), "three"]
    done = CliRunner().invoke(verb, ["--watch"], obj=looks)
    assert (done.exit_code, done.stdout) == (0, "one\nthree\n")
    assert "no Kafka answers" in done.stderr


def test_an_exit_code_is_no_end_of_watching(looks):
    looks += [click.exceptions.Exit(1), "two"]
    done = CliRunner().invoke(verb, ["--watch"], obj=looks)
    assert (done.exit_code, done.stdout) == (0, "two\n")


def test_without_it_there_is_one_look(looks):
    looks += ["one", "two"]
    assert CliRunner().invoke(verb, [], obj=looks).stdout == "one\n"
