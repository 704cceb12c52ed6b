"""The desk's own connectors: letters survive every kill, and the pager pages once for what is urgent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from penstock.engine.connector import load_options
from penstock.testing import SourceCase, run_topology, trial
from penstock.topology.reader import read_text

ROOT = Path(__file__).parents[2]
LETTERS = """
name: desk
topics: {{ tickets.new: {{ partitions: 2, type: ticket.created }} }}
connectors:
  letters: {{ type: "connectors.letters:Letters", folder: "{folder}", every: 50ms, topic: tickets.new }}
"""
ESCALATED = {"ticket_id": "t1", "customer_id": "c1", "text": "stolen", "area": "card", "reason": "urgent"}


def test_letters_lose_nothing_when_killed(tmp_path: Path) -> None:
    topology = read_text(LETTERS.format(folder=tmp_path), ROOT / "topology.yaml", {}, load_options)

    async def begin() -> None:
        for letter in tmp_path.iterdir():
            letter.unlink()

    async def feed(n: int) -> None:
        new = tmp_path / f"{n:03}.new"  # whole before it is there
        new.write_text(json.dumps({"customer_id": "c", "n": n}))
        new.rename(new.with_suffix(".json"))

    case = SourceCase(
        topology=topology,
        connector="letters",
        begin=begin,
        feed=feed,
        count=30,
        which=lambda event: event.data["n"],
        steps=30,
        look=0.2,
    )

    verdict = trial(case, seeds=3)

    assert (verdict.lost, verdict.unrecognised) == (0, 0)


def test_the_pager_pages_for_what_is_urgent_and_a_retry_is_the_same_page() -> None:
    pages: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        pages.append(request)
        return httpx.Response(503 if len(pages) == 1 else 202)

    async def scenario(app: Any) -> None:
        await app.send("tickets.escalated", {**ESCALATED, "urgency": "normal"}, key="c1")
        await app.send("tickets.escalated", {**ESCALATED, "urgency": "high"}, key="c1")
        await app.settled()

    text = (
        (ROOT / "topology.yaml")
        .read_text()
        .replace("topics: [tickets.escalated]", "topics: [tickets.escalated]\n    url: http://pager.example")
    )
    run_topology(
        read_text(text, ROOT / "topology.yaml", {}, load_options),
        scenario,
        only=("pager",),
        http=lambda: httpx.AsyncClient(transport=httpx.MockTransport(answer)),
    )

    assert [json.loads(page.content)["ticket"] for page in pages] == ["t1", "t1"]
    assert len({page.headers["idempotency-key"] for page in pages}) == 1
