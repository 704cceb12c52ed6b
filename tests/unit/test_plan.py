"""Planning and applying, on the broker in memory: what is created, changed, kept, draining; twice is harmless."""

import asyncio
import dataclasses
from pathlib import Path

import pytest

from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.clock import SystemClock
from penstock.deploy import plan_file
from penstock.deploy.apply import PlanOutdated, Step, apply, check_current
from penstock.deploy.difference import compare
from penstock.deploy.observe import make_plan
from penstock.deploy.plan import AddPartitions, AskSession, ChangeConfig, ObservedTopic
from penstock.errors import BrokerError, BrokerUnavailable
from penstock.record import Outgoing
from penstock.topology.reader import read_text
from penstock.topology.wanted import wanted_topics

TEXT = """\
version: 1
name: desk
topics:
  tickets: { partitions: 4, configs: { retention.ms: 3600000 } }
  answers: { partitions: 2 }
processors:
  triage:
    handler: processors.triage:triage
    topics: [tickets]
    output: answers
    retry: { max_attempts: 3, backoff: { initial: 5s, multiplier: 6 } }
"""


def topology(text=TEXT):
    return read_text(text, Path("topology.yaml"), {})


def broker():
    return InMemoryBroker(SystemClock(), seed=1)


def plan_of(kept, text=TEXT):
    return asyncio.run(make_plan(topology(text), kept.admin()))


def applied(kept, plan):
    return asyncio.run(apply(plan, kept.admin(), lambda step: None))


def test_an_empty_cluster_gets_every_declared_and_derived_topic():
    kept = broker()
    plan = plan_of(kept)
    made = {topic.topic: topic.partitions for topic in plan.creates}
    assert made == {
        "tickets": 4,
        "answers": 2,
        "desk.triage.retry.5s": 4,
        "desk.triage.retry.30s": 4,
        "desk.triage.dlt": 1,
        "desk.triage.replay": 4,
        "desk.progress": 3,
        "desk.runs": 3,
        "desk.control": 1,
    }
    assert plan.groups[0].retry_topics == ("desk.triage.retry.5s", "desk.triage.retry.30s")
    assert plan.has_changes
    assert not plan.problems
    steps = applied(kept, plan)
    assert [step.result for step in steps] == ["done"] * 9
    assert [step.what.split(":")[0] for step in steps[:2]] == ["tickets", "answers"], "sources come first"


def test_applied_twice_there_is_nothing_to_do():
    kept = broker()
    applied(kept, plan_of(kept))
    again = plan_of(kept)
    assert not again.has_changes
    assert applied(kept, again) == ()


def test_a_second_apply_of_the_same_plan_changes_nothing_and_fails_nothing():
    kept = broker()
    plan = plan_of(kept)
    applied(kept, plan)
    assert {step.result for step in applied(kept, plan)} == {"done"}
    assert not plan_of(kept).has_changes


def test_more_partitions_are_added_and_say_whose_keys_move():
    kept = broker()
    applied(kept, plan_of(kept))
    plan = plan_of(kept, TEXT.replace("partitions: 4", "partitions: 8"))
    assert plan.additions[0] == AddPartitions("tickets", 4, 8, reorders=("triage",))
    assert {more.topic for more in plan.additions} == {
        "tickets",
        "desk.triage.retry.5s",
        "desk.triage.retry.30s",
        "desk.triage.replay",
    }
    applied(kept, plan)
    assert asyncio.run(kept.admin().topics())["tickets"].partitions == 8


def test_an_unordered_processor_has_no_keys_to_move():
    kept = broker()
    applied(kept, plan_of(kept))
    text = TEXT.replace("partitions: 4", "partitions: 8").replace("output:", "ordering: none\n    output:")
    assert plan_of(kept, text).additions[0].reorders == ()


def test_partitions_are_never_taken_away_and_replication_never_changed():
    kept = broker()
    applied(kept, plan_of(kept))
    plan = plan_of(kept, TEXT.replace("partitions: 4", "partitions: 3, replication_factor: 3"))
    assert not plan.additions
    said = [one.what for one in plan.kept if one.topic == "tickets"]
    assert said == ["has 4 partitions, asked for 3", "has replication factor 1, asked for 3"]
    assert all(one.instead for one in plan.kept)


def test_a_changed_setting_is_shown_from_and_to():
    kept = broker()
    applied(kept, plan_of(kept))
    plan = plan_of(kept, TEXT.replace("3600000", "7200000"))
    assert plan.changes == (ChangeConfig("tickets", "retention.ms", "3600000", "7200000"),)
    applied(kept, plan)
    assert asyncio.run(kept.admin().topic_configs(["tickets"]))["tickets"]["retention.ms"].value == "7200000"


@pytest.mark.parametrize(
    ("live", "changes"), [("compact,delete", 0), ("compact, delete", 0), ("delete", 1), ("delete,compact", 1)]
)
def test_another_spelling_of_a_setting_is_no_change(live, changes):
    found = topology(TEXT.replace("partitions: 2", "partitions: 2, configs: { cleanup.policy: 'compact,delete' }"))
    wanted = [topic for topic in wanted_topics(found) if topic.name == "answers"]
    observed = {"answers": ObservedTopic("id", 2, 1, {"cleanup.policy": live})}
    assert len(compare(found, wanted, observed).changes) == changes


def test_a_topic_that_is_neither_there_nor_described_is_a_problem_and_so_is_what_follows_it():
    kept = broker()
    plan = plan_of(kept, TEXT.replace("partitions: 4, ", ""))
    assert [problem.split(":")[0] for problem in plan.problems] == [
        "tickets",
        "desk.triage.retry.5s",
        "desk.triage.retry.30s",
        "desk.triage.replay",
    ]
    assert {topic.topic for topic in plan.creates} == {
        "answers",
        "desk.triage.dlt",
        "desk.progress",
        "desk.runs",
        "desk.control",
    }


def test_derived_topics_follow_a_source_that_others_made():
    kept = broker()
    big = NewTopic("tickets", 7, 1, {"max.message.bytes": "5000000"})
    asyncio.run(kept.admin().create_topics([big]))
    plan = plan_of(kept, TEXT.replace("{ partitions: 4, configs: { retention.ms: 3600000 } }", "{}"))
    assert not plan.problems
    replay = next(topic for topic in plan.creates if topic.topic == "desk.triage.replay")
    assert replay.partitions == 7
    assert replay.configs["max.message.bytes"] == str(5_000_000 + 65_536), "what the source takes must fit"


def test_a_retry_topic_that_no_policy_uses_is_draining_and_its_records_are_counted():
    kept = broker()

    async def leave_some():
        admin = kept.admin()
        await admin.create_topics([NewTopic("desk.triage.retry.1h", 1), NewTopic("desk.gone.retry.1m", 1)])
        producer = kept.producer()
        for _ in range(3):
            await producer.send(Outgoing("desk.triage.retry.1h", b"k", b"{}"))

    asyncio.run(leave_some())
    found = {drain.topic: (drain.group, drain.waiting) for drain in plan_of(kept).draining}
    assert found == {"desk.triage.retry.1h": ("desk.triage", 3), "desk.gone.retry.1m": ("", 0)}


def test_a_plan_survives_its_file(tmp_path):
    kept = broker()
    applied(kept, plan_of(kept))
    plan = plan_of(kept, TEXT.replace("partitions: 4", "partitions: 8").replace("3600000", "7200000"))
    plan_file.write(plan, tmp_path / "p.json")
    again = plan_file.read(tmp_path / "p.json")
    assert again == plan
    assert again.fingerprint == plan.fingerprint


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "observed": 3}'])
def test_a_file_that_is_no_plan_is_refused(tmp_path, content):
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(plan_file.PlanUnreadable):
        plan_file.read(tmp_path / "p.json")


def test_a_plan_changed_by_hand_is_refused():
    found = plan_file.to_json(plan_of(broker()))
    found["observed"]["topics"]["tickets"] = {"id": "x", "partitions": 9, "replication_factor": 1, "configs": {}}
    with pytest.raises(plan_file.PlanUnreadable, match="by hand"):
        plan_file.from_json(found)


def test_a_saved_plan_is_refused_once_the_cluster_moved():
    kept = broker()
    plan = plan_of(kept)
    asyncio.run(check_current(plan, kept.admin()))
    asyncio.run(kept.admin().create_topics([NewTopic("answers", 1)]))
    with pytest.raises(PlanOutdated, match="answers: was made in the meantime"):
        asyncio.run(check_current(plan, kept.admin()))


def test_what_moved_is_named():
    kept = broker()
    applied(kept, plan_of(kept))
    before = plan_of(kept)

    async def move():
        await kept.admin().add_partitions("answers", 5)
        await kept.admin().alter_configs("tickets", {"retention.ms": "5"})

    asyncio.run(move())
    now = plan_of(kept).observed
    assert before.observed.moved(now) == (
        "answers: has 5 partitions now, had 2",
        "tickets: settings changed: retention.ms",
    )
    other = dataclasses.replace(now, cluster_id="elsewhere")
    assert "another cluster" in before.observed.moved(other)[0]


class Stubborn:
    """An admin that refuses one topic, one setting and every session."""

    def __init__(self, admin, unavailable=False):
        self._admin = admin
        self._unavailable = unavailable
        self.session = 45.0

    def __getattr__(self, name):
        return getattr(self._admin, name)

    async def create_topics(self, topics):
        refused = {topic.name: "not authorised" for topic in topics if topic.name == "answers"}
        return refused | await self._admin.create_topics([topic for topic in topics if topic.name not in refused])

    async def add_partitions(self, topic, total):
        if self._unavailable:
            raise BrokerUnavailable("gone")
        raise BrokerError("no")

    async def group_session_timeout(self, group_id):
        return self.session

    async def set_group_session_timeout(self, group_id, timeout):
        return "below the minimum"


def test_a_step_that_fails_does_not_stop_the_others():
    kept = broker()
    steps = asyncio.run(apply(plan_of(kept), Stubborn(kept.admin()), lambda step: None))
    assert Step("answers: not created", "failed", "not authorised") in steps
    assert sum(step.result == "done" for step in steps) == 8
    more = plan_of(kept, TEXT.replace("partitions: 4", "partitions: 8").replace("3600000", "7200000"))
    steps = asyncio.run(apply(more, Stubborn(kept.admin()), lambda step: None))
    assert [step.result for step in steps if "partitions" in step.what and "→" in step.what] == ["failed"] * 4
    assert [step.what for step in steps if step.result == "done"] == ["tickets: retention.ms = 7200000"]


def test_a_broker_that_went_away_ends_apply():
    kept = broker()
    applied(kept, plan_of(kept))
    more = plan_of(kept, TEXT.replace("partitions: 4", "partitions: 8"))
    with pytest.raises(BrokerUnavailable):
        asyncio.run(apply(more, Stubborn(kept.admin(), unavailable=True), lambda step: None))


def test_the_session_timeout_is_asked_for_and_a_refusal_is_no_failure():
    kept = broker()
    admin = Stubborn(kept.admin())
    applied(kept, plan_of(kept))
    plan = asyncio.run(make_plan(topology(), admin))
    assert plan.sessions == (AskSession("desk.triage", 45.0, 10.0),)
    assert not plan.has_changes, "a refused session must not make every plan look unfinished"
    steps = asyncio.run(apply(plan, admin, lambda step: None))
    assert steps == (Step("desk.triage: session timeout 45s → 10s", "refused", "below the minimum"),)


def test_sessions_of_the_classic_protocol_are_left_alone():
    text = TEXT.replace("topics:\n  tickets", "kafka: { group.protocol: classic }\ntopics:\n  tickets")
    plan = asyncio.run(make_plan(topology(text), Stubborn(broker().admin())))
    assert plan.sessions == ()
