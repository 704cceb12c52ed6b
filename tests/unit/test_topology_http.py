"""Mistakes in HTTP connectors, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.topology.reader import inspect

TEXT = """version: 1
name: desk
topics:
  in: {{ partitions: 1 }}
  out: {{ partitions: 1 }}
connectors:
  inbox: {{ type: http_source, path: {path}, topic: in{more} }}
"""


def problems(more: str = "", path: str = "/in", tail: str = "") -> list[str]:
    text = TEXT.format(path=path, more=f", {more}" if more else "") + tail
    return [str(problem) for problem in inspect(text, Path("topology.yaml"), {"TOKEN": "hunter2"}).problems]


@pytest.mark.parametrize(
    "more",
    [
        "",
        "key: data.a.b, id: headers.x-id, event_type: data.type, reply: [out], max_request_size: 1MiB",
        'host: 0.0.0.0, tokens: { app: "${TOKEN}" }',
        "host: 0.0.0.0, signing_secrets: { shop: file:/run/secrets/shop }",
        "host: 0.0.0.0, anonymous: true",
        'host: "::1"',
    ],
)
def test_a_right_one_has_no_problem(more):
    assert problems(more) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("host: 0.0.0.0", "0.0.0.0 can be reached by others, and nobody is asked"),
        ("tokens: { app: hunter2 }", "is a secret and must not stand in this file"),
        ("key: customer", 'key "customer" says not where to look (write data.customer_id'),
        ("id: data.", 'id "data." says not where to look'),
        ("reply: [outt]", 'topic "outt" is not declared (did you mean out?)'),
        ("reply: [in]", 'topic "in" is where the events go'),
        ("signature_header: X-Sig", "signature_header without signing_secrets"),
        (
            'reply: [out], signature_header: X-Sig, signing_secrets: { a: "${TOKEN}" }',
            "results cannot be asked for (add tokens",
        ),
        ("port: 70000", "the most is 65535"),
    ],
)
def test_each_mistake_is_named(more, said):
    (problem,) = problems(more)

    assert said in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize("path", ["tickets", '"/a b"', '"/{id}"', "/docs", "/tickets/"])
def test_a_path_is_a_path(path):
    (problem,) = problems(path=path)

    assert "7:37" in problem


def test_two_gateways_do_not_share_a_port():
    second = "  other: { type: http_source, path: /other, topic: in }\n"
    (problem,) = problems(tail=second)

    assert '"inbox" and "other" listen on port 8080' in problem
    assert problems(tail=second.replace("/other,", "/other, port: 8081,")) == []


SINK = """version: 1
name: desk
topics:
  out: {{ partitions: 1 }}
connectors:
  crm: {{ type: http_sink, topics: [out], url: {url}{more} }}
"""


def sink_problems(url: str, more: str = "") -> list[str]:
    text = SINK.format(url=url, more=f", {more}" if more else "")
    return [str(problem) for problem in inspect(text, Path("topology.yaml"), {}).problems]


@pytest.mark.parametrize("url", ["data.hook", '"{data.hook}"', '"https://a.example/{data.id}?k={key}"'])
def test_a_right_sink_has_no_problem(url):
    body = """body: '{"a": {"b": "{data.x}"}}', headers: { X-A: "{id}" }, private_hosts: [crm.internal]"""
    assert sink_problems(url, body) == []


@pytest.mark.parametrize(
    ("url", "more", "said"),
    [
        ("crm.example", "", 'url "crm.example" is none (write https://host/path'),
        ('"https://{data.host}/"', "", "is none"),
        ('"https://a.example/{customer}"', "", "url: {customer} says not where to look"),
        ('"https://a.example/{ data.x }"', "", "url: a brace holds no path"),
        ("data.hook", 'body: "{dta.x}"', "body: {dta.x} says not where to look"),
        ("data.hook", 'headers: { X-A: "{ident}" }', "headers.X-A: {ident} says not where to look"),
        ("data.hook", "signing_secret: whsec_abc", "must not stand in this file"),
        ("data.hook", "batch: { max_records: 5 }", "http_sink sends one event with each request"),
    ],
)
def test_each_mistake_of_a_sink_is_named(url, more, said):
    (problem,) = sink_problems(url, more)

    assert said in problem
