"""The file connectors: growth, rotation, truncation; files of aligned offset ranges that a repeat writes over."""

import asyncio
import csv
import json

import pytest

from penstock.testing.connector_kit import SinkCase, SourceCase, Stage, clean_stop, trial
from penstock.testing.virtual_time import run_virtual
from penstock.topology.reader import read_text

SOURCE = """
name: shop
topics: {{ orders: {{ partitions: 2, type: order }} }}
connectors:
  inbox: {{ type: file_source, path: "{path}", topic: orders, batch_size: 7, poll: 50ms{more} }}
"""
SINK = """
name: shop
topics: {{ orders: {{ partitions: 3, type: order }} }}
connectors:
  archive: {{ type: file_sink, path: "{path}", topics: [orders], records_per_file: 5, max_wait: 1s{more} }}
"""


def source_topology(tmp_path, path="in/*.jsonl", more=""):
    (tmp_path / "in").mkdir(exist_ok=True)
    return read_text(SOURCE.format(path=path, more=more), tmp_path / "topology.yaml", {})


def brought(tmp_path, steps, count, *, path="in/app.jsonl", more=""):
    """Runs a source while `steps` (a coroutine function) change files; the events' numbers, letters and ids."""
    topology = source_topology(tmp_path, path, more)
    case = SourceCase(
        topology=topology, connector="inbox", feed=None, count=count, which=lambda event: int(event.data["n"])
    )

    async def main(clock):
        place = await Stage.made(case, clock, 0)
        worker, task = place.start(None)
        await steps(place)
        await place.until(lambda: len(place.events()) >= count)
        await asyncio.sleep(1)
        worker.stop()
        await task
        letters = [record.value for record in place.broker.records("shop.inbox.dlt")]
        return sorted(case.which(event) for event in place.events()), letters, {e.id for e in place.events()}

    return run_virtual(main)


def line(n):
    return json.dumps({"n": n}) + "\n"


def test_a_line_is_read_once_it_is_whole(tmp_path):
    file = tmp_path / "in/app.jsonl"

    async def steps(place):
        file.write_text(line(0) + '{"n": ')
        await place.until(lambda: len(place.events()) == 1)
        with file.open("a") as more:
            more.write("1}\n")

    numbers, letters, _ = brought(tmp_path, steps, 2)

    assert (numbers, letters) == ([0, 1], [])


def test_a_renamed_file_is_read_to_its_end_and_its_successor_from_the_start(tmp_path):
    file = tmp_path / "in/app.jsonl"

    async def steps(place):
        file.write_text(line(0) + line(1))
        await place.until(lambda: len(place.events()) == 2)
        with file.open("a") as late:
            file.rename(tmp_path / "in/app.jsonl.1")
            late.write(line(2))
        file.write_text(line(3) + line(4))

    numbers, _, ids = brought(tmp_path, steps, 5)

    assert numbers == [0, 1, 2, 3, 4]
    assert len(ids) == 5


def test_a_truncated_file_is_read_from_the_start_again(tmp_path):
    file = tmp_path / "in/app.jsonl"

    async def steps(place):
        file.write_text(line(0) + line(1) + line(2))
        await place.until(lambda: len(place.events()) == 3)
        file.write_text(line(7))
        await place.until(lambda: len(place.events()) == 4)
        file.write_text("".join(map(line, range(10, 20))))  # truncated, and longer than before when it is looked at

    numbers, _, ids = brought(tmp_path, steps, 14)

    assert numbers == [0, 1, 2, 7, *range(10, 20)]
    assert len(ids) == 14


def test_a_bad_line_is_refused_alone_and_with_its_place(tmp_path):
    async def steps(_place):
        (tmp_path / "in/app.jsonl").write_text(line(0) + "no json\n\n" + line(1))

    numbers, letters, _ = brought(tmp_path, steps, 2)

    assert (numbers, letters) == ([0, 1], [b"no json\n"])


def test_csv_has_a_header_and_lines_within_quotes(tmp_path):
    async def steps(place):
        file = tmp_path / "in/a.csv"
        with file.open("w", newline="") as out:
            csv.writer(out).writerows([["n", "text"], [0, "two\nlines"], [1, "x"]])
        await place.until(lambda: len(place.events()) == 2)
        with file.open("a", newline="") as out:
            out.write("2,y\n3\n")
        await place.until(lambda: len(place.events()) == 3)
        assert place.events()[0].data["text"] in ("two\nlines", "x", "y")

    numbers, letters, _ = brought(tmp_path, steps, 3, path="in/*.csv", more=", format: csv, key: n")

    assert (numbers, letters) == ([0, 1, 2], [b"3\n"])


def case_of(tmp_path, **changes):
    topology = source_topology(tmp_path)
    folder = tmp_path / "in"

    async def begin():
        for file in folder.iterdir():
            file.unlink()

    async def feed(n):
        with (folder / f"{n % 3}.jsonl").open("a") as out:
            out.write(line(n))

    return SourceCase(
        topology=topology,
        connector="inbox",
        feed=feed,
        begin=begin,
        count=60,
        which=lambda event: event.data["n"],
        look=0.2,
        **changes,
    )


def test_killed_anywhere_nothing_is_lost_and_repeats_have_the_same_id(tmp_path):
    verdict = trial(case_of(tmp_path, steps=40), seeds=8)

    assert (verdict.lost, verdict.unrecognised) == (0, 0)
    assert verdict.kills >= 8


def test_a_clean_stop_repeats_nothing(tmp_path):
    assert run_virtual(lambda clock: clean_stop(case_of(tmp_path), clock)) == 0


def rows(folder):
    return {
        str(path.relative_to(folder)): [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(folder.rglob("*.jsonl"))
    }


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_sink_files_are_aligned_ranges_whoever_is_killed(tmp_path, form):
    from penstock.connectors import file_rows

    more = f", format: {form}, failover: 6s"
    topology = read_text(SINK.format(path="out", more=more), tmp_path / "topology.yaml", {})

    async def begin():
        for path in sorted((tmp_path / "out").rglob(f"*.{form}")):
            path.unlink()

    async def held():
        found = []
        for path in sorted((tmp_path / "out").rglob(f"*.{form}")):
            rows = file_rows.decode(form, path.read_bytes())
            start = int(path.stem)
            assert start % 5 == 0
            assert all(start <= row["offset"] < start + 5 for row in rows)
            found += [row["data"]["n"] for row in rows]
        return found

    case = SinkCase(
        topology=topology, connector="archive", event=lambda n: {"n": n}, count=61, held=held, begin=begin, steps=90
    )

    verdict = trial(case, seeds=3 if form == "jsonl" else 1)

    assert (verdict.lost, verdict.duplicates) == (0, 0)
    assert verdict.kills


def test_a_file_that_is_not_full_shows_its_events_and_finishes_none(tmp_path):
    from penstock.testing.kit import run_topology

    topology = read_text(SINK.format(path="out", more=""), tmp_path / "topology.yaml", {})

    async def scenario(app):
        for n in range(7):
            await app.send("orders", {"n": n}, key="one")
        await asyncio.sleep(3)
        found = rows(tmp_path / "out")
        committed = await app.broker.admin().committed("shop.archive")
        return sorted(map(len, found.values())), max(one.offset for one in committed.values())

    assert run_topology(topology, scenario) == ([2, 5], 5)


def test_a_place_that_cannot_be_written_puts_events_off_and_spends_no_attempt(tmp_path):
    from penstock.testing.kit import run_topology

    topology = read_text(SINK.format(path="out", more=""), tmp_path / "topology.yaml", {})
    (tmp_path / "out").write_text("a file where the folder should be")

    async def scenario(app):
        for n in range(5):
            await app.send("orders", {"n": n}, key="one")
        await asyncio.sleep(20)
        (tmp_path / "out").unlink()
        await app.settled()
        assert {attempt.outcome for attempt in app.attempts} == {"deferred", "done"}
        assert sum(map(len, rows(tmp_path / "out").values())) == 5

    run_topology(topology, scenario)
