"""Promise: every mistake in a topology is reported, all at once, each with file, line, column and what to do."""

import pytest

from penstock.errors import TopologyError
from penstock.topology.reader import read

MISTAKEN = """\
version: 1
name: support-desk
kafka:
  bootstrap.servers: ${BROKERS:?name the brokers}
  enable.auto.commit: true
topics:
  tickets.new: { partitions: twelve }
  tickets.new: { partitions: 12 }
  tickets.triaged: { type: ticket.triaged, schema: schemas/ticket.triaged.avsc }
processors:
  triage:
    handler: processors.triage:triage
    topics: [tickets.nwe]
    output: tickets.triaged
    concurency: 200
    timeout: 120
    stop_grace_period: 10m
    retry: { preserve_order: true }
  archive: { topics: [tickets.triaged] }
"""
EXPECTED = """\
:4:22: the environment variable BROKERS is not set (name the brokers)
:5:3: enable.auto.commit belongs to the engine: the engine commits what is finished, and nothing else (remove it)
:7:30: topics.tickets.new.partitions must be a whole number, not "twelve" (for example 12)
:8:3: the key "tickets.new" is written twice (the first is on line 7)
:9:52: the schema "schemas/ticket.triaged.avsc" is not JSON: Expecting value at line 1 column 10 (a schema file \
holds one JSON object)
:13:14: topic "tickets.nwe" is not declared (did you mean tickets.new?)
:15:5: unknown key "concurency" in processors.triage (did you mean concurrency?)
:16:14: processors.triage.timeout must be a duration, 120 has no unit (write a unit: 120s or 120ms)
:17:24: stop_grace_period is 10m, more than half of max.poll.interval.ms (5m): the partitions would be taken \
meanwhile (at most 150s, or raise max.poll.interval.ms under kafka:)
:18:30: preserve_order keeps a failed record in memory for up to 5m, this policy waits 320s (set retry.backoff.max \
to 5m or less)
:19:3: processors.archive has no handler (add handler: processors.triage:triage)
"""


def test_topology_mistake_names_line_and_column(tmp_path):
    path = tmp_path / "topology.yaml"
    path.write_text(MISTAKEN)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "ticket.triaged.avsc").write_text('{"type": record}')

    with pytest.raises(TopologyError) as caught:
        read(path, {})

    assert str(caught.value).splitlines() == [f"{path}{line}" for line in EXPECTED.splitlines()]
