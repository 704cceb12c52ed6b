"""Pages from templates. Jinja escapes everything, so that nothing of an event is ever read as HTML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from penstock import durations
from penstock.console.desk import Desk
from penstock.record import TopicPartition

_HERE: Final = Path(__file__).parent
STATIC: Final = _HERE / "static"
DASH: Final = "\u2013"
_PREVIEW: Final = 160  # characters
_LONGEST: Final = 256 * 1024  # characters of one value that a page shows


class Pages:
    """Renders templates for one console."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "age": age,
            "took": took,
            "count": count,
            "share": share,
            "when": when,
            "pretty": pretty,
            "preview": preview,
            "assigned": assigned,
        }

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page; every template knows the topology, who asks, and what a form must carry."""
        access = self._desk.access
        may_act = access.holds_token(request)
        return HTMLResponse(
            self._environment.get_template(template).render(
                topology=self._desk.topology,
                here=request.url.path,
                may_act=may_act,
                proof=access.proof if may_act else "",
                now=self._desk.clock.now(),
                **values,
            ),
            status_code=status,
        )


def age(seconds: float | None) -> str:
    """A length of time in its two largest units: 75 -> `1m 15s`; a dash where it is not known."""
    return DASH if seconds is None else durations.age(seconds, " ")


def took(seconds: float | None) -> str:
    """How long something ran: `840 ms`, `2.31 s`, `3m 20s`."""
    if seconds is None:
        return DASH
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 60 else age(seconds)


def count(value: float | None) -> str:
    """A figure with thin spaces between thousands; a dash where it is not known."""
    if value is None:
        return DASH
    whole = f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:,.1f}"
    return whole.replace(",", "\u202f")


def share(value: float | None) -> str:
    """A share as a percentage."""
    return DASH if value is None else f"{value:.0%}"


def when(epoch: float | None) -> str:
    """A time as people and programs read it, in UTC to the second."""
    return DASH if epoch is None else datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S")


def pretty(data: Any) -> str:
    """Data as indented JSON, cut where it would drown the page."""
    text = data if isinstance(data, str) else json.dumps(data, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n... {len(text) - _LONGEST} more characters"


def preview(data: Any) -> str:
    """The beginning of data, on one line."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, default=str)
    return text[:_PREVIEW]


def assigned(partitions: Iterable[TopicPartition]) -> list[str]:
    """Partitions by topic, neighbours as one: `tickets.new 0-3 7`."""
    found: dict[str, list[list[int]]] = {}
    for topic, number in sorted(partitions):
        runs = found.setdefault(topic, [])
        if runs and runs[-1][-1] == number - 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    return [f"{topic} {' '.join('-'.join(map(str, run)) for run in runs)}" for topic, runs in found.items()]


def query(values: Mapping[str, Any]) -> str:
    """A query string of what is set."""
    from urllib.parse import urlencode

    return urlencode({name: value for name, value in values.items() if value not in (None, "", False)})
