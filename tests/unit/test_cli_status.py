"""groups, topics and ps: lag, true backlog, oldest event, what is missing, who runs here."""

import asyncio
import json
import time

import pytest
from click.testing import CliRunner

from penstock.broker import progress
from penstock.broker.contract import Committed, NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.cli.doors import Doors
from penstock.cli.main import cli
from penstock.clock import SystemClock
from penstock.deploy import local_workers, status
from penstock.deploy.scrape import Gauges
from penstock.durations import age
from penstock.headers import ORIGIN_TIMESTAMP, line
from penstock.record import Outgoing, TopicPartition
from penstock.topology.reader import read

TEXT = """\
version: 1
name: desk
topics: { tickets: { partitions: 1 } }
processors:
  triage: { handler: a:b, topics: [tickets] }
"""
SOURCE = TopicPartition("tickets", 0)


@pytest.fixture
def broker():
    return InMemoryBroker(SystemClock())


@pytest.fixture
def topology(tmp_path):
    (tmp_path / "topology.yaml").write_text(TEXT)
    return read(tmp_path / "topology.yaml", {})


def call(broker, topology, *args):
    return CliRunner().invoke(cli, [*args, "-f", str(topology.path)], obj=Doors(connect=lambda settings: broker))


def fill(broker, topic, count, partitions=1, headers=()):
    async def filled():
        await broker.admin().create_topics([NewTopic(topic, partitions)])
        producer = broker.producer()
        for number in range(count):
            await producer.send(Outgoing(topic, str(number).encode(), b"{}", headers))

    asyncio.run(filled())


def commit(broker, partition, offset, done=progress.Progress()):  # noqa: B008 - a frozen value
    group = broker._coordinator.group("desk.triage")
    group.committed[partition] = Committed(offset, progress.encode(done), 0)


def group_of(broker, topology):
    return asyncio.run(status.groups(topology, broker))[0]


def test_a_group_that_never_ran_has_everything_before_it(broker, topology):
    fill(broker, "tickets", 7)
    found = group_of(broker, topology)
    assert (found.started, found.lag, found.backlog) == (False, 7, 7)
    assert str(found.oldest.position) == "tickets/0@0"


def test_the_true_backlog_leaves_out_what_is_finished_above_the_frontier(broker, topology):
    fill(broker, "tickets", 10)
    commit(broker, SOURCE, 3, progress.Progress(born=1, runs=((1, 4), (1, 1))))
    found = group_of(broker, topology)
    assert (found.started, found.lag, found.finished_above, found.backlog) == (True, 7, 5, 2)
    assert found.oldest.position.offset == 3, "the record at the frontier is the oldest unfinished"


def test_a_map_of_another_life_of_the_topic_counts_for_nothing(broker, topology):
    fill(broker, "tickets", 10)
    commit(broker, SOURCE, 3, progress.Progress(topic_id="another", born=1, runs=((1, 4),)))
    found = group_of(broker, topology)
    assert (found.lag, found.finished_above) == (10, 0)


def test_waiting_retries_and_dead_letters_are_counted_former_tiers_too(broker, topology):
    fill(broker, "tickets", 2)
    commit(broker, SOURCE, 2)
    fill(broker, "desk.triage.retry.5s", 3)
    fill(broker, "desk.triage.retry.24h", 2, headers=(line(ORIGIN_TIMESTAMP, 1000),))
    commit(broker, TopicPartition("desk.triage.retry.5s", 0), 1)
    fill(broker, "desk.triage.dlt", 4)
    found = group_of(broker, topology)
    assert (found.lag, found.waiting, found.backlog, found.dead_letters) == (0, 4, 4, 4)
    assert found.oldest.timestamp == 1000, "a retried event is as old as its first record"
    assert found.oldest.position.topic == "desk.triage.retry.24h"


def test_a_group_with_nothing_to_do_has_no_oldest(broker, topology):
    fill(broker, "tickets", 2)
    commit(broker, SOURCE, 2)
    found = group_of(broker, topology)
    assert (found.backlog, found.oldest) == (0, None)


def test_a_new_group_that_starts_from_latest_has_no_lag(broker, tmp_path):
    fill(broker, "tickets", 7)
    path = tmp_path / "topology.yaml"
    path.write_text(TEXT.replace("topics: [tickets] }", "topics: [tickets], start_from: latest }"))
    assert group_of(broker, read(path, {})).lag == 0


def test_groups_prints_a_table_and_clean_json(broker, topology):
    fill(broker, "tickets", 10)
    commit(broker, SOURCE, 3, progress.Progress(born=1, runs=((1, 4),)))
    done = call(broker, topology, "groups")
    assert done.exit_code == 0
    assert "tickets/0@3" in done.stdout
    found = json.loads(call(broker, topology, "groups", "-o", "json", "triage").stdout)
    assert found[0]["backlog"] == 3
    assert found[0]["oldest"]["position"] == "tickets/0@3"
    assert 0 <= found[0]["oldest"]["age_seconds"] < 60
    assert call(broker, topology, "groups", "nobody").exit_code == 2


def test_topics_shows_what_is_there_and_what_is_missing(broker, topology):
    fill(broker, "tickets", 3)
    fill(broker, "desk.triage.retry.24h", 1)
    found = {one["topic"]: one for one in json.loads(call(broker, topology, "topics", "-o", "json").stdout)}
    assert (found["tickets"]["records"], found["tickets"]["missing"]) == (3, False)
    assert found["desk.triage.dlt"]["missing"]
    assert found["desk.triage.retry.24h"]["derived"], "a tier that left the policy is still ours"
    done = call(broker, topology, "topics", "--missing")
    assert done.exit_code == 1
    assert "tickets" not in done.stdout
    assert "penstock apply" in done.stdout


def test_ps_shows_living_workers_only(broker, topology):
    dead = local_workers.folder(topology) / "1-triage.json"
    dead.parent.mkdir(parents=True)
    dead.write_text(json.dumps({"pid": 1, "processor": "triage", "group": "g", "port": None, "started": 0}))
    with local_workers.announced(topology, "triage", 9100):
        done = call(broker, topology, "ps", "-o", "json")
        (found,) = json.loads(done.stdout)["workers"]
        assert (found["processor"], found["port"]) == ("triage", 9100)
        assert abs(found["started"] - time.time()) < 60
        assert "http://127.0.0.1:9100" in call(broker, topology, "ps").stdout
    assert not dead.exists()
    assert json.loads(call(broker, topology, "ps", "-o", "json").stdout)["workers"] == []


def test_a_folder_that_cannot_be_written_does_not_stop_a_worker(topology):
    (topology.directory / ".penstock").write_text("a file where the folder should be")
    with local_workers.announced(topology, "triage"):
        assert local_workers.running(topology) == ()


@pytest.mark.parametrize(("seconds", "said"), [(0, "0s"), (75, "1m15s"), (3600, "1h"), (90061, "1d1h"), (-5, "0s")])
def test_ages_read_well(seconds, said):
    assert age(seconds) == said


def test_groups_tells_the_breakers_of_workers_on_this_host(broker, topology, monkeypatch):
    fill(broker, "tickets", 1)
    assert json.loads(call(broker, topology, "groups", "-o", "json").stdout)[0]["breakers"] is None, "nobody says"
    for breakers, shown in ((("openai open",), "openai open"), ((), "closed")):
        monkeypatch.setattr(
            "penstock.deploy.scrape.scrape", lambda _, open_=breakers: {"triage": Gauges(1, 0.0, open_)}
        )
        assert shown in call(broker, topology, "groups").stdout
        assert json.loads(call(broker, topology, "groups", "-o", "json").stdout)[0]["breakers"] == list(breakers)
