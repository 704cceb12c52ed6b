"""The gateway describes itself: a document whose parts are all there, and a page that loads nothing."""

from __future__ import annotations

import re

import pytest

from penstock.connectors.http_source.openapi import Described, document
from penstock.connectors.http_source.page import html

BARE = Described(title="desk: inbox", path="/in", topic="in", max_request=100, max_events=10)
FULL = Described(
    title="<desk>",
    path="/in",
    topic="in",
    max_request=100,
    max_events=10,
    tokens=True,
    signature="X-Sig",
    replies=True,
    types=("a", "b"),
)


@pytest.mark.parametrize("described", [BARE, FULL])
def test_every_reference_leads_somewhere(described):
    found = document(described)

    references = re.findall(r"'\$ref': '#/components/schemas/(\w+)'", repr(found))
    assert set(references) <= found["components"]["schemas"].keys()
    assert references


def test_it_says_what_there_is_and_nothing_else():
    assert list(document(BARE)["paths"]) == ["/in", "/in/batch"]
    assert "security" not in document(BARE)
    assert list(document(FULL)["paths"]) == ["/in", "/in/batch", "/in/{id}"]
    assert document(FULL)["security"] == [{"token": []}, {"signature": []}]


@pytest.mark.parametrize("described", [BARE, FULL])
def test_the_page_loads_nothing_from_elsewhere(described):
    page = html(document(described))

    assert re.findall(r"(?:src|href)='?([^'> ]+)", page) == ["openapi.json"]
    assert "<script" not in page
    assert "<desk>" not in page


def test_both_are_served(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            return await gateway.http.get("/openapi.json"), await gateway.http.get("/docs")

    found, page = desk(scenario, "reply: [tickets.answered]")

    assert found.json()["openapi"] == "3.1.0"
    assert "/tickets/{id}" in found.json()["paths"]
    assert page.headers["content-type"].startswith("text/html")
