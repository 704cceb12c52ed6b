"""HTTP connectors: paths, ports, selectors, and a gateway that nobody guards."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from penstock.errors import Problem
from penstock.topology.http_options import HttpSinkOptions, HttpSourceOptions
from penstock.topology.marks import Marks
from penstock.topology.model import Topology
from penstock.topology.template import is_selector, mistake
from penstock.topology.wording import did_you_mean, quoted

_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_SELECTOR: Final = re.compile(r"data(\.[^.\s]+)+|headers\.[A-Za-z0-9-]+")
_URL: Final = re.compile(r"https?://[^/\s{}?#]+([/?#].*)?")  # the host is never the event's
_RESERVED: Final = ("/docs", "/openapi.json")


def check(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """Every problem with HTTP connectors."""
    sources = [one for one in topology.connectors.values() if isinstance(one, HttpSourceOptions)]
    for source in sources:
        yield from _place(source, marks)
        yield from _selectors(source, marks)
        yield from _guard(source, marks)
        yield from _way_back(topology, source, marks)
    yield from _ports(sources, marks)
    for sink in topology.connectors.values():
        if isinstance(sink, HttpSinkOptions):
            yield from _templates(sink, marks)


def _templates(sink: HttpSinkOptions, marks: Marks) -> Iterator[Problem]:
    at = ("connectors", sink.name)
    said = [("url", sink.url, False), ("body", sink.body, True)]
    said += [(f"headers.{name}", value, False) for name, value in sink.headers.items()]
    hint = "places are {data.field}, {key}, {headers.name}, {id}, {type}, {subject}"
    for key, template, braces in said:
        path = (*at, *key.split(".", 1))
        if template is not None and marks.sound(*path) and (wrong := mistake(template, braces=braces)):
            yield marks.problem(marks.value(*path), f"{key}: {wrong}", hint)
    if sink.batch is not None and marks.sound(*at, "batch"):
        mark = marks.key(*at, "batch")
        yield marks.problem(mark, "http_sink sends one event with each request", "remove batch")
    fixed = not is_selector(sink.url) and not sink.url.startswith("{")
    if fixed and marks.sound(*at, "url") and not _URL.match(sink.url):
        hint = "write https://host/path, with {data.field} in the path"
        yield marks.problem(marks.value(*at, "url"), f"url {quoted(sink.url)} is none", hint)


def _place(source: HttpSourceOptions, marks: Marks) -> Iterator[Problem]:
    at = ("connectors", source.name, "path")
    if not marks.sound(*at):
        return
    if not _PATH.fullmatch(source.path):
        yield marks.problem(marks.value(*at), f"path {quoted(source.path)} is no path", "write /tickets, say")
    elif source.path in _RESERVED:
        yield marks.problem(marks.value(*at), f"path {source.path} is the gateway's own", "take another")


def _selectors(source: HttpSourceOptions, marks: Marks) -> Iterator[Problem]:
    for key in ("key", "id", "event_type", "subject"):
        at, said = ("connectors", source.name, key), getattr(source, key)
        if said is not None and marks.sound(*at) and not _SELECTOR.fullmatch(said):
            hint = "write data.customer_id for a field of the data, headers.x-name for a header"
            yield marks.problem(marks.value(*at), f"{key} {quoted(said)} says not where to look", hint)


def _guard(source: HttpSourceOptions, marks: Marks) -> Iterator[Problem]:
    at = ("connectors", source.name)
    if source.signature_header and not source.signing_secrets and marks.sound(*at, "signing_secrets"):
        hint = "add signing_secrets: { name: ${SECRET} }"
        yield marks.problem(marks.key(*at, "signature_header"), "signature_header without signing_secrets", hint)
    guarded = source.tokens or source.signing_secrets or source.anonymous
    if guarded or _is_loopback(source.host) or not all(marks.sound(*at, key) for key in ("tokens", "signing_secrets")):
        return
    hint = "add tokens or signing_secrets; or say anonymous: true"
    yield marks.problem(marks.key(*at, "host"), f"{source.host} can be reached by others, and nobody is asked", hint)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _way_back(topology: Topology, source: HttpSourceOptions, marks: Marks) -> Iterator[Problem]:
    at = ("connectors", source.name, "reply")
    if not source.reply or not marks.sound(*at):
        return
    for index, topic in enumerate(source.reply):
        mark = marks.value(*at, str(index))
        if topic == source.topic:
            yield marks.problem(mark, f"topic {quoted(topic)} is where the events go", "name a topic of results")
        elif topic not in topology.topics:
            hint = did_you_mean(topic, topology.topics, f"declare it under topics: {topic}: {{}}")
            yield marks.problem(mark, f"topic {quoted(topic)} is not declared", hint)
    if source.signing_secrets and source.signature_header and not source.tokens:
        hint = "add tokens: such a signature proves nothing without a body"
        yield marks.problem(marks.key(*at), "results cannot be asked for", hint)


def _ports(sources: list[HttpSourceOptions], marks: Marks) -> Iterator[Problem]:
    taken: dict[tuple[str, int], str] = {}
    for source in sources:
        if not source.port:
            continue
        other = taken.setdefault((source.host, source.port), source.name)
        if other != source.name:
            message = f"connectors {quoted(other)} and {quoted(source.name)} listen on port {source.port}"
            key = "port" if ("connectors", source.name, "port") in marks.keys else "path"
            yield marks.problem(marks.key("connectors", source.name, key), message, "give one another port")
