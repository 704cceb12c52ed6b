"""The user's librdkafka settings joined with ours, and the choice of the group protocol."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from penstock.broker.contract import GroupSettings
from penstock.broker.kafka.protocol import GroupFacts, choose
from penstock.broker.kafka.settings import aiokafka_settings, client_settings, consumer_settings, producer_settings
from penstock.errors import BrokerError

USER = {
    "bootstrap.servers": "one:9092,two:9092",
    "client.id": "mine",
    "fetch.queue.backoff.ms": "7",
    "max.partition.fetch.bytes": "999999",
    "compression.type": "lz4",
    "socket.keepalive.enable": "true",
    # owned by us, whatever is written
    "enable.auto.commit": "true",
    "auto.offset.reset": "latest",
    "acks": "1",
    "partitioner": "consistent",
    "transactional.id": "x",
    "partition.assignment.strategy": "range",
}
GROUP = GroupSettings("app.triage", "worker-1", failover=12.0, max_poll_interval=90.0, settings={"client.rack": "a"})


def test_what_the_engine_owns_cannot_be_set():
    found = consumer_settings(USER, GROUP, "classic")
    assert found["enable.auto.commit"] is False
    assert found["enable.auto.offset.store"] is False
    assert found["auto.offset.reset"] == "error"
    assert found["partition.assignment.strategy"] == "cooperative-sticky"
    assert (found["group.id"], found["client.id"]) == ("app.triage", "worker-1")
    sent = producer_settings(USER, "p")
    assert (sent["acks"], sent["enable.idempotence"], sent["partitioner"]) == ("all", True, "murmur2_random")
    assert "transactional.id" not in sent


def test_what_the_user_sets_wins_over_our_defaults_also_by_its_other_name():
    found = consumer_settings(USER, GROUP, "classic")
    assert found["fetch.queue.backoff.ms"] == "7"
    assert "fetch.message.max.bytes" not in found
    assert found["max.partition.fetch.bytes"] == "999999"
    assert found["queued.max.messages.kbytes"] == "4096"
    assert found["client.rack"] == "a"
    assert producer_settings({"delivery.timeout.ms": "9000"}, "p").get("message.timeout.ms") is None


def test_the_session_is_the_clients_in_classic_and_the_brokers_in_kip_848():
    classic = consumer_settings(USER, GROUP, "classic")
    assert (classic["session.timeout.ms"], classic["heartbeat.interval.ms"]) == (12000, 1000)
    assert classic["max.poll.interval.ms"] == 90000
    assert (
        classic["topic.metadata.refresh.interval.ms"] == "30000"
    )  # the client's own: added partitions after 5 minutes
    modern = consumer_settings({**USER, "session.timeout.ms": "9000"}, GROUP, "consumer")
    assert modern["group.protocol"] == "consumer"
    assert not {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} & modern.keys()


def test_each_client_takes_what_it_is_given_without_a_warning(caplog):
    import logging

    log = logging.getLogger("penstock.kafka.test")
    for protocol in ("classic", "consumer"):
        consumer = Consumer(consumer_settings({**USER, "bootstrap.servers": ""}, GROUP, protocol), logger=log)
        consumer.poll(0.05)
        consumer.close()
    producer = Producer(producer_settings({**USER, "bootstrap.servers": ""}, "p"), logger=log)
    producer.poll(0.05)
    admin = AdminClient(client_settings({**USER, "bootstrap.servers": ""}), logger=log)
    admin.poll(0.05)
    assert not [one.message for one in caplog.records if "CONFWARN" in one.message and "bootstrap" not in one.message]


def test_aiokafka_reaches_the_same_cluster():
    assert aiokafka_settings(USER) == {"bootstrap_servers": "one:9092,two:9092", "client_id": "mine"}
    found = aiokafka_settings(
        {
            "metadata.broker.list": "b:1",
            "security.protocol": "sasl_ssl",
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": "u",
            "sasl.password": "p",
            "ssl.endpoint.identification.algorithm": "none",
        },
        "tap",
    )
    context = found.pop("ssl_context")
    assert context.check_hostname is False
    assert found == {
        "bootstrap_servers": "b:1",
        "client_id": "tap",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "u",
        "sasl_plain_password": "p",
    }


def test_what_aiokafka_cannot_do_is_said(tmp_path):
    with pytest.raises(BrokerError, match="OAUTHBEARER"):
        aiokafka_settings({"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"})
    with pytest.raises(BrokerError, match="certificate"):
        aiokafka_settings({"security.protocol": "SSL", "ssl.ca.location": str(tmp_path / "none.pem")})


@pytest.mark.parametrize(
    ("explicit", "facts", "protocol", "word"),
    [
        ("consumer", GroupFacts("classic", 45.0), "consumer", "group.protocol"),
        ("CLASSIC", GroupFacts("consumer", 5.0), "classic", "group.protocol"),
        ("", GroupFacts("consumer", 45.0), "consumer", "members"),
        ("", GroupFacts("classic", 5.0), "classic", "members"),
        ("", GroupFacts("", 10.0), "consumer", "within"),
        ("", GroupFacts("", 10.001), "classic", "only after"),
        ("", GroupFacts("", None), "classic", "does not tell"),
    ],
)
def test_the_protocol_by_setting_then_live_group_then_session(explicit, facts, protocol, word):
    choice = choose(explicit, facts, failover=10.0)
    assert choice.protocol == protocol
    assert word in choice.reason
    assert choice.reason.endswith(".")


def test_a_protocol_that_does_not_exist_is_an_error():
    with pytest.raises(BrokerError, match="eager"):
        choose("eager", GroupFacts(), 10.0)
