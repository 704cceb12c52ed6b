"""The drill: from the alert to all 5,000 done, by commands alone and by clicks alone, as many as docs/drill.md says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from demo.drill.__main__ import main

PAGE = Path(__file__).parents[3] / "docs" / "drill.md"


@pytest.mark.kafka
@pytest.mark.timeout(400)
@pytest.mark.parametrize("words", [(), ("--console",)], ids=["terminal", "console"])
def test_everything_is_put_back_in_as_many_steps_as_the_page_says(words, capsys, request):
    if words:
        request.getfixturevalue("browser_binary")
    code = main(words)
    said = capsys.readouterr().out

    assert code == 0, said
    assert "sent 5,000, done 5,000, lost 0, given up 500, replayed 500, twice 0" in said
    steps = re.search(r"\d+ commands|\d+ clicks, \d+ fields", said)
    assert steps is not None
    assert f"| {steps.group()}" in PAGE.read_text(encoding="utf-8")
