"""The night shift in a browser: only the console, in a real Chromium; clicks and fields are counted."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from penstock import PenstockError

_LONG = 120_000  # ms: a replay of hundreds at a rate


class Browser:
    """Clicks. `clicked` and `typed` are what was done so far, in words."""

    def __init__(self, page: Any, say: Callable[[str], None]) -> None:
        self._page = page
        self._say = say
        self.clicked: list[str] = []
        self.typed: list[str] = []

    def looks(self) -> None:
        """Stop the bleeding, and find out what it is: the causes, and an entry of each."""
        page = self._page
        self._click(page.get_by_role("link", name="triage", exact=True).first, "Overview: the processor triage")
        self._type(page.get_by_label("Why").first, "release 7 fails")
        self._click(page.get_by_role("button", name="Pause"), "triage: Pause")
        page.get_by_text("release 7 fails").wait_for()
        self._click(page.locator(".cards [data-figure=dead_letters]"), "triage: its dead letters")
        causes = page.locator("#causes tbody tr")
        for number in range(causes.count()):
            error = causes.nth(number).locator("td.wide").inner_text()[:60]
            self._click(causes.nth(number).get_by_role("link", name="newest"), f"inbox: the newest entry of {error!r}")
            page.get_by_role("heading", name="Data").wait_for()
            self._click(page.locator(".trail a"), "entry: back to the inbox")

    def resumes(self) -> None:
        """The mended release is out: take records again."""
        page = self._page
        self._click(page.locator(".trail a"), "inbox: the processor triage")
        self._click(page.get_by_role("button", name="Resume"), "triage: Resume")
        page.get_by_role("button", name="Pause").wait_for()
        self._click(page.locator(".cards [data-figure=dead_letters]"), "triage: its dead letters")

    def replays(self) -> list[str]:
        """Each cause, five first; returns those whose first five failed again."""
        causes = self._page.locator("#causes tbody tr")
        ids = [causes.nth(number).get_attribute("data-cause") for number in range(causes.count())]
        return [one for one in ids if one and not self._replay(one)]

    def replays_again(self, causes: list[str]) -> None:
        """The rest, after the next release."""
        for one in causes:
            self._replay(one)

    def looks_back(self) -> None:
        """Nothing waits, and who did what."""
        page = self._page
        page.get_by_text("Nothing waits").wait_for()
        self._click(page.get_by_role("link", name="Audit"), "Audit")
        for line in page.locator("tbody tr").all_inner_texts():
            self._say("  " + " | ".join(line.split("\t"))[:150])

    def _replay(self, cause: str) -> bool:
        page = self._page
        row = page.locator(f'#causes tr[data-cause="{cause}"]')
        error = row.locator("td.wide").inner_text()[:60]
        self._click(row.get_by_role("button", name="Replay"), f"inbox: Replay of {error!r}")
        self._type(page.get_by_label("a second"), "100")
        self._type(page.get_by_label("alone"), "5")
        self._click(page.get_by_role("button", name="Replay", exact=True), "plan: Replay")
        ended = page.locator(".good, .problem")
        ended.first.wait_for(timeout=_LONG)
        said = ended.first.inner_text()
        self._say(f"  {said}")
        self._click(page.get_by_role("link", name="Back to the inbox"), "done: back to the inbox")
        return "stopped" not in said

    def _click(self, spot: Any, what: str) -> None:
        spot.click()
        self._page.wait_for_load_state()
        self.clicked.append(what)
        self._say(f"click {len(self.clicked):2}  {what}")

    def _type(self, field: Any, text: str) -> None:
        field.fill(text)
        self.typed.append(text)
        self._say(f"          types {text!r}")


@contextlib.contextmanager
def opened(address: str, say: Callable[[str], None]) -> Iterator[Browser]:
    """A headless Chromium on the console at `address`. Raises PenstockError where there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise PenstockError("playwright is not installed", "pip install playwright, and a Chromium") from error
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if binary is None:
        raise PenstockError("no Chromium is installed", "Debian: apt-get install chromium")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 860})
        page.goto(address)
        yield Browser(page, say)
        chromium.close()
