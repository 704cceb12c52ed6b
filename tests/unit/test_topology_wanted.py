"""The topics a topology wants: declared ones, and what each processor implies."""

from pathlib import Path

from penstock.topology.reader import read_text
from penstock.topology.wanted import WantedTopic, wanted_topics

SHOP = """\
name: shop
internal_topics: {internal}
topics:
  orders: {{ partitions: 12, replication_factor: 3, configs: {{ min.insync.replicas: 2, max.message.bytes: 2000000 }} }}
  bills: {{ partitions: 24, replication_factor: 2 }}
  foreign: {{ type: x }}
processors:
  ship: {{ handler: "a:b", topics: {sources}, retry: {retry} }}
"""


def wanted(internal="{}", sources="[orders, bills]", retry="{}"):
    text = SHOP.format(internal=internal, sources=sources, retry=retry)
    return {topic.name: topic for topic in wanted_topics(read_text(text, Path("topology.yaml"), {}))}


def test_declared_topics_with_partitions_are_wanted_as_they_are_declared():
    topics = wanted()

    assert "foreign" not in topics
    assert topics["orders"] == WantedTopic(
        name="orders",
        partitions=12,
        replication_factor=3,
        configs={"min.insync.replicas": "2", "max.message.bytes": "2000000"},
    )


def test_a_processor_implies_its_retry_tiers_dead_letters_and_replay():
    derived = [topic.name for topic in wanted().values() if topic.derived]

    assert derived == [
        *(f"shop.ship.retry.{tier}" for tier in ("5s", "30s", "2m", "10m")),
        "shop.ship.dlt",
        "shop.ship.replay",
        "shop.progress",
        "shop.runs",
        "shop.control",
    ]


def test_derived_topics_follow_their_sources():
    topics = wanted()

    for name in ("shop.ship.retry.5s", "shop.ship.replay"):
        assert (topics[name].partitions, topics[name].partitions_like) == (24, ())
    assert topics["shop.ship.dlt"].partitions == 1
    for name in ("shop.ship.retry.5s", "shop.ship.replay", "shop.ship.dlt"):
        topic = topics[name]
        assert (topic.owner, topic.like, topic.sources) == ("ship", "orders", ("orders", "bills"))
        assert topic.replication_factor == 3
        assert topic.configs["max.message.bytes"] == str(2_000_000 + 65_536)
        assert topic.configs["cleanup.policy"] == "delete"
        assert topic.configs["min.insync.replicas"] == "2"


def test_partitions_that_are_only_known_live_are_left_to_the_cluster():
    topics = wanted(sources="[orders, foreign]")

    assert topics["shop.ship.replay"].partitions is None
    assert topics["shop.ship.replay"].partitions_like == ("orders", "foreign")
    assert topics["shop.ship.dlt"].partitions == 1
    assert topics["shop.ship.dlt"].partitions_like == ()


def test_undeclared_sizes_count_as_the_brokers_default():
    assert wanted(sources="[bills]")["shop.ship.dlt"].configs["max.message.bytes"] == str(1_048_588 + 65_536)


def test_dead_letters_and_replay_never_expire():
    topics = wanted(internal="{ configs: { retention.ms: 86400000 } }")

    assert topics["shop.ship.dlt"].configs["retention.ms"] == "-1"
    assert topics["shop.ship.replay"].configs["retention.ms"] == "-1"
    assert topics["shop.ship.retry.5s"].configs["retention.ms"] == "86400000"


def test_a_retry_topic_keeps_at_least_a_week_and_as_long_as_its_source():
    for declared, kept in (("3600000", 604_800_000), ("1209600000", 1_209_600_000), ("-1", -1)):
        text = f"name: s\ntopics: {{ t: {{ configs: {{ retention.ms: {declared} }} }} }}\n"
        text += "processors: { p: { handler: 'a:b', topics: [t] } }\n"
        topics = {topic.name: topic for topic in wanted_topics(read_text(text, Path("t.yaml"), {}))}
        assert topics["s.p.retry.5s"].configs["retention.ms"] == str(kept)


def test_internal_topics_have_the_last_word_on_replicas_and_settings():
    topics = wanted(internal="{ replication_factor: 1, configs: { min.insync.replicas: 1, compression.type: zstd } }")

    for name in ("shop.ship.retry.5s", "shop.ship.dlt", "shop.ship.replay", "shop.progress"):
        assert topics[name].replication_factor == 1
        assert topics[name].configs["min.insync.replicas"] == "1"
        assert topics[name].configs["compression.type"] == "zstd"


def test_preserved_order_needs_no_retry_topics():
    topics = wanted(retry="{ preserve_order: true, backoff: { max: 5m } }")

    assert [name for name in topics if ".retry." in name] == []


def test_progress_is_one_topic_of_the_whole_topology():
    progress = wanted()["shop.progress"]

    assert (progress.partitions, progress.owner, progress.like, progress.derived) == (3, "", "orders", True)
    assert progress.configs["retention.ms"] == "604800000"


def test_runs_are_kept_a_week_unless_said_otherwise_and_control_is_compacted():
    topics = wanted()

    assert topics["shop.runs"].configs["retention.ms"] == "604800000"
    assert topics["shop.control"].configs["cleanup.policy"] == "compact"
    assert topics["shop.control"].partitions == 1


def test_without_processors_nothing_is_derived():
    topology = read_text("name: shop\ntopics: { t: { partitions: 1 } }\n", Path("t.yaml"), {})

    assert [topic.name for topic in wanted_topics(topology)] == ["t"]
