"""Dead letters as people and programs read them: a row, an object, a page."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.cli.output import indented, note, plain, say, structured, table
from penstock.cli.replaying import counts, moment

if TYPE_CHECKING:
    from penstock.dead_letter.clusters import Cluster
    from penstock.dead_letter.entries import DeadLetter
    from penstock.dead_letter.handled import Mark
    from penstock.dead_letter.selection import Selection
    from penstock.schema.envelope import Opener
    from penstock.topology.model import Topology

NEVER_A_RECORD = "a source wrote it: it could not become an event, so there is nothing to run again"
COLUMNS = ("POSITION", "GIVEN UP", "REASON", "TYPE", "KEY", "ERROR", "ATTEMPTS", "REPLAYS")


def row(letter: DeadLetter) -> tuple[Any, ...]:
    """An entry as a row of COLUMNS."""
    error = f"{letter.error_type.rpartition('.')[2]}: {letter.error_message}".strip(": ").splitlines()
    place = f"{letter.position.partition}@{letter.position.offset}"
    first = error[0][:60] if error else None
    kind = letter.event_type or None
    key = _text(letter.key)
    return place, moment(letter.time), letter.reason, kind, key, first, letter.attempts, letter.replay_count


CLUSTER_COLUMNS = ("CLUSTER", "COUNT", "FIRST", "LAST", "ERROR", "REASONS", "REPLAYED", "SAMPLE")


def cluster_row(one: Cluster) -> tuple[Any, ...]:
    """A cluster as a row of CLUSTER_COLUMNS."""
    error = f"{one.error_type.rpartition('.')[2]}: {one.error_message}".strip(": ").splitlines()
    place = f"{one.sample.partition}@{one.sample.offset}"
    first, last = moment(one.first), moment(one.last)
    reasons = counts(one.by_reason)
    return one.id, one.count, first, last, error[0][:70] if error else None, reasons, one.replayed, place


def cluster_view(one: Cluster) -> dict[str, Any]:
    """A cluster for programs."""
    found: dict[str, Any] = plain(one)
    found["first"], found["last"] = moment(one.first), moment(one.last)
    return found


def view(letter: DeadLetter) -> dict[str, Any]:
    """An entry for programs: texts, figures and times."""
    origin = letter.origin
    return {
        "position": str(letter.position),
        "time": moment(letter.time),
        "reason": letter.reason,
        "type": letter.event_type,
        "id": letter.event_id,
        "run_id": letter.run_id,
        "key": _text(letter.key),
        "error": {"type": letter.error_type, "message": letter.error_message, "fingerprint": letter.fingerprint},
        "attempts": letter.attempts,
        "first_failure": moment(letter.first_failure),
        "replay_count": letter.replay_count,
        "size": letter.size,
        "origin": origin
        and {"position": f"{origin.topic}/{origin.partition}@{origin.offset}", "time": moment(origin.timestamp)},
    }


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "backslashreplace")


def state(marks: Sequence[Mark]) -> str:
    """What became of an entry, by the replay topic's notes on it."""
    if not marks:
        return "waiting"
    last = marks[-1]
    return "discarded" if last.discarded else f"replayed by {last.replay_id}"


def payload(letter: DeadLetter, opener: Opener) -> tuple[Any, str]:
    """The decoded data, and why there is none ('' where there is)."""
    from penstock.errors import CodecError

    try:
        return opener.open(letter.record).data, ""
    except CodecError as error:
        return None, str(error)


def details(letter: DeadLetter, marks: Sequence[Mark], opener: Opener, command: str) -> dict[str, Any]:
    """All there is to say about an entry, for programs. A value that cannot be decoded is given as base64."""
    data, problem = payload(letter, opener)
    headers = [[name, _text(value)] for name, value in letter.record.headers]
    found = {**view(letter), "state": state(marks), "data": plain(data), "headers": headers, "replay": command or None}
    if problem:
        found["undecodable"] = problem
        found["value_base64"] = base64.b64encode(letter.record.value or b"").decode()
    return found


def page(letter: DeadLetter, marks: Sequence[Mark], opener: Opener, command: str) -> None:
    """Print all there is to say about an entry."""
    origin = letter.origin
    stood = f"{origin.topic}/{origin.partition}@{origin.offset} since {moment(origin.timestamp)}" if origin else None
    error = f"{letter.error_type}: {letter.error_message}".strip(": ")
    lines = (
        ("position", str(letter.position)),
        ("state", state(marks)),
        ("given up", f"{moment(letter.time)} by {letter.group or '?'}, {letter.reason or 'no reason given'}"),
        ("attempts", f"{letter.attempts}, the first failed {moment(letter.first_failure) or 'at an unknown time'}"),
        ("replays", str(letter.replay_count)),
        ("error", error or None),
        ("fingerprint", letter.fingerprint or None),
        ("event", f"{letter.event_type or '(no type)'} {letter.event_id}"),
        ("run", letter.run_id),
        ("key", _text(letter.key)),
        ("first stood", stood),
    )
    table(("ENTRY", ""), lines)
    say("")
    table(("HEADER", "VALUE"), [(name, _text(value)) for name, value in letter.record.headers])
    say("")
    _print_payload(letter, opener)
    say("")
    say(f"replay it: {command}" if command else NEVER_A_RECORD)


def _print_payload(letter: DeadLetter, opener: Opener) -> None:
    data, problem = payload(letter, opener)
    if not problem:
        say(indented(data))
        return
    say(f"cannot be decoded: {problem}", style="bad")
    raw = letter.record.value or b""
    say(f"{len(raw)} bytes, they begin: {raw[:64]!r}")


def replay_command(letter: DeadLetter, processor: str, file: str) -> str:
    """The command that replays just this entry."""
    words = ["penstock", "dlt", "replay", "-p", processor, "--position", str(letter.position)]
    if file != "topology.yaml":
        words += ["-f", file]
    return shlex.join(words)


def selection_view(selection: Selection) -> dict[str, Any]:
    """What a command would do, for programs."""
    return {
        "count": selection.count,
        "by_reason": plain(selection.by_reason),
        "by_type": plain(selection.by_type),
        "by_error": plain(selection.by_error),
        "oldest": moment(selection.oldest),
        "newest": moment(selection.newest),
        "refused": plain(selection.refused),
        "positions": sorted(map(str, selection.positions)),
    }


def opener_of(topology: Topology, group_id: str) -> Opener:
    """What opens the entries of a group."""
    from penstock.schema.codec import Codec
    from penstock.schema.envelope import Opener

    return Opener(topology, group_id, Codec(topology))


def announce(deed: str, selection: Selection, form: str) -> None:
    """Say what will be done; beside the result where the result is for a program."""
    tell = say if form == "table" else note
    tell(deed)
    if selection.count:
        tell(f"  reasons: {counts(selection.by_reason)}")
        tell(f"  types:   {counts(selection.by_type)}")
        tell(f"  errors:  {counts(selection.by_error)}")
        tell(f"  given up from {moment(selection.oldest)} to {moment(selection.newest)}")
    for reason, count in selection.refused.items():
        tell(f"  refused: {count} ({reason})")


def planned(selection: Selection, form: str) -> None:
    """The result of a dry run, for programs."""
    if form != "table":
        structured(selection_view(selection), form)
