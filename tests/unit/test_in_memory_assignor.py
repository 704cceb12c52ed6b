"""The assignor: everything that can be assigned is, once; loads are even; and little moves."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.broker.in_memory.assignor import assign
from penstock.record import TopicPartition

TOPICS = ("a", "b", "c")
PARTITIONS = st.dictionaries(st.sampled_from(TOPICS), st.integers(1, 9)).map(
    lambda counts: [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]
)
MEMBERS = st.integers(0, 6).map(lambda count: [f"m{number}" for number in range(count)])


@settings(deadline=None)
@given(PARTITIONS, MEMBERS, st.data())
def test_each_partition_goes_to_one_subscriber_where_there_is_one(partitions, members, data):
    subscriptions = {member: data.draw(st.sets(st.sampled_from(TOPICS))) for member in members}
    current = {at: data.draw(st.sampled_from([*members, "gone"])) for at in partitions}
    target = assign(partitions, subscriptions, current)
    given_out = [at for mine in target.values() for at in mine]
    assert len(given_out) == len(set(given_out))
    assert all(at.topic in subscriptions[member] for member, mine in target.items() for at in mine)
    wanted = {topic for topics in subscriptions.values() for topic in topics}
    assert set(given_out) == {at for at in partitions if at.topic in wanted}


@settings(deadline=None)
@given(PARTITIONS, MEMBERS.filter(bool), st.data())
def test_loads_differ_by_one_at_most(partitions, members, data):
    current = {at: data.draw(st.sampled_from([*members, "gone"])) for at in partitions}
    target = assign(partitions, dict.fromkeys(members, TOPICS), current)
    loads = [len(mine) for mine in target.values()]
    assert max(loads) - min(loads) <= 1


@settings(deadline=None)
@given(PARTITIONS, MEMBERS.filter(bool))
def test_an_even_assignment_stays_as_it_is(partitions, members):
    subscriptions = dict.fromkeys(members, TOPICS)
    first = assign(partitions, subscriptions, {})
    current = {at: member for member, mine in first.items() for at in mine}
    second = assign(partitions, subscriptions, current)
    assert {member: set(mine) for member, mine in second.items()} == {m: set(mine) for m, mine in first.items()}


@settings(deadline=None)
@given(PARTITIONS, MEMBERS.filter(bool))
def test_a_newcomer_takes_its_share_and_nothing_else_moves(partitions, members):
    first = assign(partitions, dict.fromkeys(members, TOPICS), {})
    current = {at: member for member, mine in first.items() for at in mine}
    target = assign(partitions, dict.fromkeys([*members, "new"], TOPICS), current)
    for member in members:
        assert set(target[member]) <= set(first[member])
