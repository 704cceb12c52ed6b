"""The console in a real Chromium over a real Kafka: every page, every lever, on a desk and on a phone, light and dark.

With PENSTOCK_SCREENSHOTS=folder each page is kept there as a picture: those of docs/console.md are made so.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from penstock.broker.kafka.keeper import KafkaBroker
from penstock.record import Outgoing
from penstock.topology.derived import runs_topic
from penstock.topology.reader import read

PAGES = {
    "overview": "/",
    "processor": "/processors/triage",
    "runs": "/runs?since=24h",
    "letters": "/letters/triage",
    "topics": "/topics",
    "topic": "/topics/tickets.triaged",
    "groups": "/groups",
    "audit": "/audit",
}
LOOKS = {"light": (1280, "light"), "dark": (1280, "dark"), "wide": (1920, "light"), "phone": (390, "light")}


def busy(cdp):
    """Seconds of CPU that the page's thread has spent so far: what others do on this machine does not count."""
    told = cdp.send("Performance.getMetrics")["metrics"]
    return next(one["value"] for one in told if one["name"] == "TaskDuration")


async def on_record(desk, count):
    """So many attempts of `answer` on record at once, in batches as workers write them, the last one coming last."""
    topology = read(desk.folder / "topology.yaml", {})
    broker = KafkaBroker(topology.kafka)
    producer, began = broker.producer(), round(time.time() * 1000)
    for first in range(0, count, 250):
        attempts = [
            {"run": str(uuid.uuid4()), "key": f"c-{first + at + 1}", "started": began, "ran": 40, "outcome": "done"}
            for at in range(250)
        ]
        batch = orjson.dumps({"v": 1, "processor": "answer", "attempts": attempts})
        await producer.send(Outgoing(runs_topic(topology.name), None, batch, partition=0))
    await producer.close()
    await broker.close()


def picture(page, name: str) -> None:
    if folder := os.environ.get("PENSTOCK_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_whole_and_nothing_is_wider_than_the_window(visit, desk, look):
    width, scheme = LOOKS[look]
    visitor = visit(width=width, scheme=scheme)
    for name, path in PAGES.items():
        visitor.go(path)
        visitor.page.wait_for_load_state()
        assert visitor.page.title().endswith("desk") or "desk-" in visitor.page.title(), name
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width, name
        if look in ("light", "phone"):
            picture(visitor.page, f"{name}-{look}")
    if os.environ.get("PENSTOCK_SCREENSHOTS"):
        with desk.under_load():
            visitor.go("/")
            visitor.page.wait_for_function("document.querySelector('[data-figure=rate]').textContent > '1'")
            picture(visitor.page, f"overview-{look}")


def test_a_run_shows_its_steps_and_the_whole_chain(visit):
    visitor = visit()
    visitor.go("/runs?processor=answer&since=24h")
    visitor.page.locator("#attempts tbody tr a").first.click()
    page = visitor.page
    page.get_by_text("find an article").wait_for()
    assert page.locator(".step").count() == 2
    assert "large-1" in page.locator("main").inner_text()
    assert page.locator(".tree").get_by_role("link", name="triage", exact=True).count() == 1
    picture(page, "run-light")


def test_figures_are_live(visit, desk):
    visitor = visit()
    visitor.go("/")
    spot = visitor.page.locator('svg [data-processor="triage"] [data-figure="in_flight"]')
    visitor.page.wait_for_function("element => element.textContent === '0 of 50'", arg=spot.element_handle())


def follow(page):
    """Returns once the console has been asked: from then on it shows what ends."""
    with page.expect_response(lambda answer: "/live/runs" in answer.url):
        page.get_by_role("button", name="Follow live").click()


def test_attempts_are_followed_as_they_end(visit, desk):
    visitor = visit()
    visitor.go("/runs?processor=answer&since=24h")
    follow(visitor.page)
    desk.penstock("send", "tickets.new", '{"text": "one more"}', "--key", "the-newest")
    visitor.page.get_by_text("the-newest").first.wait_for()


def test_ten_thousand_rows_come_and_the_page_does_not_stutter(visit, desk):
    visitor = visit()
    visitor.go("/runs?since=24h&processor=answer")
    page = visitor.page
    follow(page)
    cdp = page.context.new_cdp_session(page)
    cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = busy(cdp)
    with ThreadPoolExecutor(1) as beside:  # this thread has Playwright's loop
        beside.submit(lambda: asyncio.run(on_record(desk, 10_000))).result(60)
    page.get_by_text("c-10000").first.wait_for()
    for _ in range(20):
        page.mouse.wheel(0, 900)
        page.wait_for_timeout(50)
    assert 200 <= page.locator("#attempts tbody tr").count() <= 500, "what scrolled off long ago is let go"
    spent = busy(cdp) - before
    print(f"{spent:.2f} s of CPU for 10,000 rows in 40 batches")
    assert spent / 40 < 0.1, "a batch of 200 rows is drawn in less than a tenth of a second"


def test_a_malicious_event_stays_text(visit):
    visitor = visit()
    for path in ("/letters/triage", "/runs?outcome=failed&since=24h", "/topics/tickets.new?partition=0"):
        visitor.go(path)
    visitor.go("/letters/triage")
    failed_on_it = visitor.page.locator("td.wide", has_text="onerror")
    visitor.page.locator("tbody tr", has=failed_on_it).last.get_by_role("link").first.click()
    page = visitor.page
    assert "onerror" in page.locator("pre.data").inner_text()
    assert page.locator("main img, main script").count() == 0
    assert page.title() != "taken"


def test_a_processor_is_paused_and_resumed(visit, desk):
    visitor = visit()
    visitor.go("/processors/answer")
    visitor.page.get_by_label("Why").first.fill("a bad deploy")
    visitor.page.get_by_role("button", name="Pause").click()
    visitor.page.get_by_text("a bad deploy").wait_for()
    assert "answer is paused" in desk.penstock("audit")
    visitor.page.get_by_role("button", name="Resume").click()
    visitor.page.get_by_role("button", name="Pause").wait_for()
    visitor.go("/audit")
    assert visitor.page.locator("tbody tr").count() >= 2
    picture(visitor.page, "audit-light")


def test_a_cause_is_mended_and_replayed_from_the_inbox(visit, desk):
    (desk.folder / "mended").touch()
    visitor = visit(scheme="dark" if os.environ.get("PENSTOCK_SCREENSHOTS") else "light")
    visitor.go("/letters/triage")
    picture(visitor.page, "letters-dark")
    visitor.page.get_by_role("link", name="newest").first.click()
    picture(visitor.page, "letter-dark")
    visitor.page.go_back()
    visitor.page.locator("tbody tr").first.get_by_role("button", name="Replay").click()
    visitor.page.get_by_text("Nothing is done yet").wait_for()
    picture(visitor.page, "plan-dark")
    visitor.page.get_by_role("button", name="Replay", exact=True).click()
    visitor.page.get_by_text("replayed", exact=False).first.wait_for()
    desk.wait("that cause to be gone", lambda: desk.waiting() == 1)


def test_every_page_is_reached_by_the_keyboard_alone(visit):
    visitor = visit()
    visitor.go("/")
    reached = []
    for _ in range(8):
        visitor.page.keyboard.press("Tab")
        reached.append(visitor.page.evaluate("document.activeElement.textContent.trim()"))
    assert {"Overview", "Runs", "Dead letters", "Topics", "Groups"} <= set(reached)


def test_without_the_token_one_looks_and_cannot_act(stranger):
    assert "looking only" in stranger.get("/").text
    assert stranger.post("/processors/triage/pause", data={}).status_code == 403
