"""What README shows is run: the first handler with its topology, and the tests of one's own agents."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from source_tree import ROOT

BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def block(language: str, beginning: str) -> str:
    """The one block that begins with this comment."""
    (found,) = (text for kind, text in BLOCKS if kind == language and text.startswith(f"# {beginning}\n"))
    return found


def run(folder: Path, *command: str) -> str:
    ran = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.slow
def test_the_first_handler_fits_its_topology(tmp_path):
    (tmp_path / "processors").mkdir()
    (tmp_path / "processors" / "__init__.py").touch()
    (tmp_path / "processors" / "triage.py").write_text(block("python", "processors/triage.py"), encoding="utf-8")
    (tmp_path / "topology.yaml").write_text(block("yaml", "topology.yaml"), encoding="utf-8")

    assert "1 processor" in run(tmp_path, "penstock", "lint", "--imports")

    test = """
import httpx

def test_triage(topology_run):
    answers = iter([429, 500, 200])

    def model(request):
        return httpx.Response(next(answers), json={"area": "cards"})

    async def scenario(app):
        await app.send("tickets.new", {"ticket_id": "T-1", "text": "card lost"}, key="c-7", id="T-1")
        await app.send("tickets.new", {"ticket_id": "T-2", "text": ""}, key="c-8")
        await app.settled()
        assert [event.data for event in app.events("tickets.triaged")] == [{"ticket_id": "T-1", "area": "cards"}]
        outcomes = [report.outcome for report in app.attempts]
        assert sorted(outcomes) == ["dead_lettered", "deferred", "done", "retried"]

    topology_run("topology.yaml", scenario, http=lambda: client)

client = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: test_triage.model(request)))
"""
    test = test.replace("    async def scenario", "    test_triage.model = model\n\n    async def scenario")
    (tmp_path / "test_triage.py").write_text(test, encoding="utf-8")
    assert "1 passed" in run(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "test_triage.py")


@pytest.mark.slow
def test_the_tests_shown_pass_in_a_new_app(tmp_path):
    run(tmp_path, "penstock", "init", "desk")
    app = tmp_path / "desk"
    (app / "test_hello.py").write_text(block("python", "tests/test_hello.py"), encoding="utf-8")

    assert "2 passed" in run(app, "pytest", "-q", "-p", "no:cacheprovider", "test_hello.py")


def test_the_publisher_shown_is_the_publisher():
    from penstock import Publisher

    (shown,) = (text for kind, text in BLOCKS if kind == "python" and "import Publisher" in text)
    compile(shown, "README.md", "exec")

    assert callable(Publisher.send)
    assert "publisher.send(" in shown
