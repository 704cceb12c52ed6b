"""Where reading begins: within the log always, at the commit where it can be true, and losses counted."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.broker.contract import Committed, Ends
from penstock.broker.progress import Progress, decode, encode
from penstock.broker.starts import Start, is_newborn, resolve

MINE = "topic-id-of-this-log"
NUMBERS = st.integers(0, 1000)
ENDS = st.tuples(NUMBERS, NUMBERS).map(lambda pair: Ends(min(pair), max(pair)))
METADATA = st.one_of(
    st.sampled_from(["", "foreign", "é"]),
    st.builds(
        lambda topic_id, born, unclean, runs: encode(Progress(topic_id, born, unclean, None, runs)),
        st.sampled_from(["", MINE, "another"]),
        st.integers(0, 9),
        st.integers(0, 3),
        st.sampled_from([(), ((1, 2),)]),
    ),
)
COMMITTED = st.none() | st.builds(Committed, NUMBERS, METADATA)


def of(offset: int, *, topic_id: str = MINE, born: int = 1, unclean: int = 0, runs=((1, 1),)) -> Committed:
    return Committed(offset, encode(Progress(topic_id, born, unclean, None, runs)))


@settings(deadline=None)
@given(COMMITTED, ENDS, NUMBERS, st.sampled_from(["", MINE]))
def test_a_start_is_always_inside_the_log_and_loss_is_never_negative(committed, ends, fallback, topic_id):
    start = resolve(committed, ends, fallback, topic_id)
    assert ends.low <= start.offset <= ends.high
    assert start.lost >= 0


@settings(deadline=None)
@given(COMMITTED, ENDS, NUMBERS, st.sampled_from(["", MINE]))
def test_no_unread_record_that_is_still_there_is_jumped_over(committed, ends, fallback, topic_id):
    start = resolve(committed, ends, fallback, topic_id)
    if committed is not None:
        assert start.offset <= max(committed.offset, ends.low)


@settings(deadline=None)
@given(COMMITTED, ENDS, NUMBERS)
def test_a_map_is_kept_only_at_the_offset_it_was_written_for(committed, ends, fallback):
    start = resolve(committed, ends, fallback, MINE)
    progress = decode(start.metadata)
    if progress is not None and progress.runs:
        assert committed is not None
        assert start == Start(committed.offset, committed.metadata)
        assert progress.topic_id in {"", MINE}


@settings(deadline=None)
@given(ENDS, NUMBERS)
def test_without_a_commit_the_fallback_holds_inside_the_log(ends, fallback):
    start = resolve(None, ends, fallback, MINE)
    assert start == Start(sorted([ends.low, fallback, ends.high])[1])


def test_a_commit_inside_the_log_is_the_start_with_its_metadata():
    assert resolve(of(5), Ends(2, 9), 0, MINE) == Start(5, of(5).metadata)
    assert resolve(of(2), Ends(2, 9), 0, MINE) == Start(2, of(2).metadata)
    assert resolve(of(9), Ends(2, 9), 0, MINE) == Start(9, of(9).metadata)


def test_a_commit_below_the_log_counts_the_loss_and_drops_the_map_but_not_the_history():
    start = resolve(of(2, born=3, unclean=1), Ends(6, 9), 0, MINE)
    assert (start.offset, start.lost) == (6, 4)
    assert decode(start.metadata) == Progress(MINE, born=3, unclean=1)


def test_foreign_metadata_below_the_log_is_dropped():
    assert resolve(Committed(2, "foreign"), Ends(6, 9), 0, MINE) == Start(6, "", 4)


def test_a_commit_past_the_end_belongs_to_a_log_that_is_gone():
    assert resolve(of(10), Ends(2, 9), 0, MINE) == Start(2)


def test_a_commit_of_another_topic_of_that_name_reads_everything_and_lost_nothing():
    assert resolve(of(5, topic_id="another"), Ends(2, 9), 0, MINE) == Start(2)
    assert resolve(of(1, topic_id="another"), Ends(2, 9), 0, MINE) == Start(2)


def test_where_the_broker_tells_no_topic_id_the_commit_is_believed():
    assert resolve(of(5), Ends(2, 9), 0, "") == Start(5, of(5).metadata)


def test_a_group_that_never_read_the_topic_is_newborn():
    assert is_newborn(0, {})
    assert is_newborn(99, {})


def test_a_partition_that_was_there_at_birth_is_newborn_and_one_added_later_is_not():
    committed = {0: of(5, born=2), 1: of(5, born=2)}
    assert is_newborn(1, committed)
    assert not is_newborn(2, committed)


def test_the_earliest_birth_counts():
    assert not is_newborn(3, {0: of(5, born=2), 1: of(5, born=8)})


def test_commits_that_tell_no_birth_mean_an_old_group():
    assert not is_newborn(1, {0: Committed(5, "")})
    assert not is_newborn(1, {0: Committed(5, "foreign")})
    assert is_newborn(1, {0: Committed(5, "foreign"), 2: of(1, born=3)})


@settings(deadline=None)
@given(st.integers(0, 20), st.dictionaries(st.integers(0, 20), st.builds(Committed, NUMBERS, METADATA), max_size=5))
def test_newborn_never_holds_for_a_partition_above_every_birth(partition, committed):
    births = [found.born for one in committed.values() if (found := decode(one.metadata)) and found.born]
    if committed and is_newborn(partition, committed):
        assert births
        assert partition < min(births)
