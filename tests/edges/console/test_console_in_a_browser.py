"""The console in a real Chromium over a real Kafka: every page, every lever, on a desk and on a phone, light and dark.

With PENSTOCK_SCREENSHOTS=folder each page is kept there as a picture: those of docs/console.md are made so.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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


def test_attempts_are_followed_as_they_end(visit, desk):
    visitor = visit()
    visitor.go("/runs?processor=answer&since=24h")
    visitor.page.get_by_role("button", name="Follow live").click()
    visitor.page.wait_for_timeout(1500)  # the stream begins at the end of the topic as it finds it
    desk.penstock("send", "tickets.new", '{"text": "one more"}', "--key", "the-newest")
    visitor.page.get_by_text("the-newest").first.wait_for()


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
