"""A desk on a real Kafka, its workers and its console as processes, and a real Chromium that looks at it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

TOKEN = "a-token-of-the-tests"
EVIL = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
MATTERS = (
    "my card payment in Porto was declined",
    "the transfer to my landlord has not arrived",
    "I lost my card near the station",
    "which exchange rate did you take?",
    "my PIN is blocked",
)
TOPOLOGY = """\
version: 1
name: {name}
kafka: {{ bootstrap.servers: "{kafka}" }}
defaults: {{ retry: {{ max_attempts: 2, backoff: {{ initial: 1s, max: 1s }} }} }}
topics:
  tickets.new: {{ partitions: 4, type: ticket.created }}
  tickets.triaged: {{ partitions: 4, type: ticket.triaged }}
  tickets.answered: {{ partitions: 4, type: ticket.answered }}
processors:
  triage: {{ handler: "agents:triage", topics: [tickets.new], output: tickets.triaged, concurrency: 50 }}
  answer: {{ handler: "agents:answer", topics: [tickets.triaged], output: tickets.answered, concurrency: 50 }}
"""
AGENTS = '''\
"""The desk of the console's tests: what a ticket says decides how it goes."""
import asyncio
from pathlib import Path

MENDED = Path(__file__).with_name("mended")


async def triage(event, ctx):
    async with ctx.step("classify"):
        ctx.usage.add("small-1", tokens_in=220, tokens_out=12, cost=0.0004)
        await asyncio.sleep(0.02)
    if event.data.get("broken") and not MENDED.exists():
        raise ValueError(event.data["text"])
    return {"text": event.data["text"], "area": "card"}


async def answer(event, ctx):
    async with ctx.step("find an article"):
        await asyncio.sleep(0.01)
    async with ctx.step("write"):
        ctx.usage.add("large-1", tokens_in=900, tokens_out=180, cost=0.0071)
        await asyncio.sleep(0.04)
    return {"reply": "Dear customer"}
'''


def _absent(reason: str) -> None:
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass
class Desk:
    """An app folder and its console's address."""

    folder: Path
    url: str = ""

    def penstock(self, *words: str) -> str:
        """Run a verb to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "penstock", *words], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a verb that goes on."""
        command = [sys.executable, "-m", "penstock", *words]
        with (self.folder / f"{words[0]}.log").open("w") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, text=True)

    def load(self, name: str, count: int) -> None:
        """A file of so many tickets."""
        lines = [{"customer": f"c-{at % 97:03}", "text": MATTERS[at % len(MATTERS)]} for at in range(count)]
        (self.folder / name).write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    @contextmanager
    def under_load(self) -> Iterator[None]:
        """Tickets come in while inside; the figures show it."""
        name = f"load-{uuid.uuid4().hex[:6]}.jsonl"  # a file sent again has the same ids: the same runs
        self.load(name, 2000)
        sending = self.start("send", "tickets.new", "--file", name, "--key-field", "customer", "--rate", "150")
        try:
            time.sleep(5)  # a rate is taken over some seconds
            yield
        finally:
            sending.terminate()
            sending.wait(timeout=60)

    def waiting(self) -> int:
        """How many dead letters of triage wait."""
        return len(json.loads(self.penstock("dlt", "ls", "-p", "triage", "-o", "json")))

    def wait(self, what: str, happened: Any, seconds: float = 60) -> Any:
        """Until `happened()` gives something."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := happened():
                return found
            time.sleep(0.2)
        raise AssertionError(f"{what} did not happen within {seconds:g} s")

    def log(self, verb: str) -> str:
        """What a started verb has printed."""
        return (self.folder / f"{verb}.log").read_text()


@pytest.fixture(scope="module")
def desk(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Tickets done, some broken, one malicious; workers and console running."""
    found = Desk(tmp_path_factory.mktemp("console"))
    name = "support-desk" if os.environ.get("PENSTOCK_SCREENSHOTS") else f"desk-{uuid.uuid4().hex[:6]}"
    (found.folder / "topology.yaml").write_text(TOPOLOGY.format(name=name, kafka=kafka))
    (found.folder / "agents.py").write_text(AGENTS)
    found.penstock("apply", "--yes")
    started = [found.start("up", "--no-console"), found.start("console", "--port", "0", "--token", TOKEN)]
    try:
        address = found.wait("the console", lambda: re.search(r"console: (http://\S+/)", found.log("console")))
        found.url = address.group(1)
        found.load("tickets.jsonl", 120)
        found.penstock("send", "tickets.new", "--file", "tickets.jsonl", "--key-field", "customer")
        for text, key in (("no such account", "c-017"), ("no such account", "c-204"), (EVIL, EVIL)):
            found.penstock("send", "tickets.new", json.dumps({"text": text, "broken": True}), "--key", key)
        found.wait("three dead letters", lambda: found.waiting() == 3)
        yield found
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(timeout=60)


@pytest.fixture(scope="session")
def browser_binary() -> str:
    """Where Chromium is; with Playwright to drive it."""
    if importlib.util.find_spec("playwright") is None:
        _absent("playwright is not installed (make test-edges does it)")
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if binary is None:
        _absent("no Chromium is installed (Debian: chromium)")
    return binary or ""


@pytest.fixture(scope="module")
def chromium(browser_binary: str) -> Iterator[Any]:
    """A headless Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_binary, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page, and what went wrong on it."""

    page: Any
    url: str
    problems: list[str]

    def go(self, path: str) -> None:
        """Open a page of the console."""
        answer = self.page.goto(self.url.rstrip("/") + path)
        assert answer is None or answer.status < 400, f"{path}: {answer.status}"


@pytest.fixture
def visit(desk: Desk, chromium: Any) -> Iterator[Any]:
    """`visit(width=..., scheme=...)`: a fresh browser with the token; at the end no page may have complained."""
    made: list[Visit] = []
    contexts = []

    def opened(*, width: int = 1280, height: int = 860, scheme: str = "light") -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        found = Visit(page, desk.url, [])
        page.on("console", lambda said: found.problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: found.problems.append(str(error)))
        page.on("dialog", lambda dialog: found.problems.append(f"a dialog: {dialog.message}"))
        page.goto(f"{desk.url}?token={TOKEN}")
        made.append(found)
        return found

    yield opened
    for context in contexts:
        context.close()
    assert [problem for one in made for problem in one.problems] == []


@pytest.fixture
def stranger(desk: Desk) -> Iterator[httpx.Client]:
    """A client of the console without the token."""
    with httpx.Client(base_url=desk.url) as client:
        yield client
