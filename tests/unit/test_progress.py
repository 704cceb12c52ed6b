"""The map in the commit metadata: it says exactly what is finished, and nothing else passes for one."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.broker.progress import MAGIC, METADATA_LIMIT, VERSION, Progress, decode, encode, runs_of

OFFSETS = st.integers(min_value=0, max_value=2**40)
RUNS = st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)), max_size=50).map(tuple)
PROGRESS = st.builds(
    Progress,
    topic_id=st.text(max_size=60),
    born=st.integers(0, 2**31),
    unclean=st.integers(0, 2**31),
    suspect=st.none() | st.integers(0, 2**62),
    runs=RUNS,
    ahead=st.none() | st.integers(0, 2**40),
)


@settings(deadline=None)
@given(PROGRESS)
@example(Progress(topic_id="x" * 200))
@example(Progress(suspect=0))
def test_what_is_encoded_is_decoded(progress):
    text = encode(progress)
    assert (decode(text) or Progress()) == progress
    assert text.isascii()


def test_nothing_to_say_is_the_empty_text():
    assert encode(Progress()) == ""
    assert decode("") is None


@settings(deadline=None)
@given(OFFSETS, st.sets(st.integers(0, 300)), st.integers(0, 10))
def test_runs_say_exactly_what_is_finished(frontier, steps, unread):
    finished = {frontier + 1 + step for step in steps}  # the frontier itself is the first unfinished offset
    top = max(finished, default=frontier) + 1 if finished else frontier
    unfinished = [offset for offset in range(frontier, top) if offset not in finished]
    runs = runs_of(frontier, unfinished, top)
    assert Progress(runs=runs).finished(frontier, top + unread) == finished
    assert sum(map(sum, runs)) == top - frontier
    assert all(length > 0 for _, length in runs)


@settings(deadline=None)
@given(OFFSETS, st.lists(st.integers(0, 200), unique=True).map(sorted), st.integers(0, 300))
def test_unfinished_offsets_are_never_called_finished(frontier, steps, height):
    unfinished = [frontier + step for step in steps]
    found = Progress(runs=runs_of(frontier, unfinished, frontier + height)).finished(frontier, frontier + height)
    assert found == set(range(frontier, frontier + height)) - set(unfinished)


@settings(deadline=None)
@given(OFFSETS, RUNS, st.integers(0, 1000))
def test_nothing_at_or_past_the_end_is_finished(frontier, runs, length):
    end = frontier + length
    found = Progress(runs=runs).finished(frontier, end)
    assert all(frontier <= offset < end for offset in found)


def test_a_run_past_the_end_makes_the_whole_map_untrue():
    progress = Progress(runs=((1, 2), (1, 50)))
    assert progress.finished(10, 64) == {11, 12, *range(14, 64)}
    assert progress.finished(10, 63) == set()


@settings(deadline=None)
@given(st.text())
@example("é")
@example("\ud800")
@example("AAAA")
@example(base64.b64encode(MAGIC + bytes([VERSION]) + bytes(4)).decode())
def test_any_text_is_a_map_or_none(text):
    assert decode(text) is None or isinstance(decode(text), Progress)


@settings(deadline=None)
@given(PROGRESS.filter(lambda progress: progress != Progress()), st.data())
def test_one_damaged_character_is_noticed(progress, data):
    text = encode(progress)
    at = data.draw(st.integers(0, len(text.rstrip("=")) - 1))
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
    found = decode(text[:at] + other + text[at + 1 :])
    assert found in {None, progress}


@settings(deadline=None)
@given(PROGRESS.filter(lambda progress: progress != Progress()), st.data())
def test_a_cut_text_is_no_map(progress, data):
    text = encode(progress)
    cut = data.draw(st.integers(0, len(text.rstrip("=")) - 4))
    assert decode(text[:cut]) is None


def written(body: bytes, version: int = VERSION) -> str:
    """Any body, with a checksum that holds."""
    packed = zlib.compress(body)
    return base64.b64encode(MAGIC + bytes([version]) + zlib.crc32(packed).to_bytes(4, "big") + packed).decode()


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b"")
@example(b"\x00")  # no numbers at all
@example(b"\x00\x00\x00\x00\x05\x01")  # fewer runs than announced
@example(b"\x05ab")  # a topic id cut short
@example(b"\x00" + b"\x80" * 100)  # a number without an end
def test_a_body_with_a_true_checksum_is_a_map_or_none(body):
    assert decode(written(body)) is None or isinstance(decode(written(body)), Progress)


@pytest.mark.parametrize("body", [b"\x00", b"\x00\x00\x00\x00\x05\x01", b"\x00" + b"\x80" * 100_000 + b"\x01"])
def test_a_body_that_breaks_off_or_never_ends_is_no_map(body):
    assert decode(written(body)) is None


def test_another_version_is_no_map():
    body = b"\x00\x01\x00\x00\x00"
    assert decode(written(body)) == Progress(born=1)
    assert decode(written(body, VERSION + 1)) is None


def test_a_thousand_scattered_runs_fit_into_the_broker_s_limit():
    progress = Progress(topic_id="x" * 22, born=12, runs=tuple((1 + n % 7, 1 + n % 5) for n in range(1000)))
    assert len(encode(progress)) < METADATA_LIMIT
