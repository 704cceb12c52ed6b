"""An operator moves the group's offsets while nobody runs: just what was asked is repeated, or skipped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from penstock.record import TopicPartition
from tests.crash.fleet import Fleet
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import faults


def offsets_reset(bootstrap: str, folder: Path, seed: int) -> Outcome:
    with Fleet(folder, bootstrap, seed) as fleet:
        load = fleet.load(rate=0)
        load.send(200)
        run_to_the_end(fleet)
        ends = fleet.committed()
        back = {one: max(0, offset - fleet.chance.randint(1, 30)) for one, offset in ends.items()}
        again = {
            line.n for line in fleet.ledger.of("end") if line.offset >= back[TopicPartition(line.topic, line.partition)]
        }
        by_another_tool(fleet, back)
        (worker,) = fleet.start(1)
        fleet.until(lambda: fleet.committed() == ends, "the group is where it was")
        assert fleet.metric("penstock_foreign_metadata_total") == len(back)
        fleet.stop(worker)
        assert sorted(line.n for line in fleet.ledger.repeated()) == sorted(again)

        load.send(200)
        highs = fleet.ask(lambda admin: admin.ends(ends))
        ahead = {one: fleet.chance.randint(offset, highs[one].high) for one, offset in ends.items()}
        fleet.ask(lambda admin: admin.alter_committed(fleet.group, ahead))
        run_to_the_end(fleet)
        skipped = fleet.ledger.missing()
        assert len(skipped) == sum(ahead.values()) - sum(ends.values())
        for number in skipped:
            del fleet.ledger.sent[number]
        return settle(fleet, "offsets reset back and ahead", again=again)


def run_to_the_end(fleet: Fleet) -> None:
    """One worker, until all there is has been committed."""
    (worker,) = fleet.start(1)
    ends = fleet.ends()
    fleet.until(lambda: fleet.committed() == ends, "all is committed")
    fleet.stop(worker)


def by_another_tool(fleet: Fleet, offsets: Mapping[TopicPartition, int]) -> None:
    """Set the offsets as some other program would, with a text of its own beside them."""
    wanted = [KafkaPartition(*one, offset, "moved by somebody") for one, offset in offsets.items()]
    client = AdminClient({"bootstrap.servers": fleet.bootstrap})
    for answer in client.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(fleet.group, wanted)]).values():
        answer.result(10)


@faults(offsets_reset)
def test_offsets_reset_back_and_ahead_are_obeyed(outcomes):
    assert all(one.lost == 0 for one in outcomes)
