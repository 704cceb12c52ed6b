"""Scripts of the model server: read from files and modules, refused with reasons, served by a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from typing import Any

import httpx
import pytest

from penstock.errors import PenstockError
from penstock.testing.model_script import Behaviour, Prompt, Rule, load_script, merged, prompt_of, rule_from
from penstock.testing.model_server import main


def test_a_prompt_is_its_system_messages_and_its_last_user_message() -> None:
    prompt = prompt_of(
        [
            {"role": "developer", "content": "d"},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": None},
            {"role": "user", "content": [{"type": "text", "text": "la"}, {"type": "text", "text": "st"}]},
        ]
    )
    assert (prompt.system, prompt.user) == ("d", "last")
    assert prompt_of([]).user == ""


@pytest.mark.parametrize(
    "said",
    [5, {"matsch": "x"}, {"status": "500"}, {"times": True}, {"match": "x", "pattern": "x"}, {"pattern": "("}],
)
def test_a_wrong_rule_is_refused(said: Any) -> None:
    with pytest.raises(PenstockError):
        rule_from(said)


def test_scripts_are_loaded_from_files_and_modules_and_merged(tmp_path: Any) -> None:
    file = tmp_path / "rules.json"
    file.write_text('{"rules": [{"match": "x", "status": 500, "times": 1, "share": 1, "system": "s"}]}')
    rules = load_script(str(file))
    assert rules.rules == (Rule(match="x", then=Behaviour(status=500), times=1, system="s"),)
    answers = load_script("json:dumps")
    both = merged([answers, rules])
    assert both.rules == rules.rules
    assert both.answer is json.dumps
    assert both.decide(Prompt("s", "x", b"1234"), Counter()).status == 500


@pytest.mark.parametrize("source", ["absent.json", "no_such_module:x", "json:absent", "json", "sys:path"])
def test_a_script_that_is_none_is_refused(source: str, capsys: Any) -> None:
    with pytest.raises(PenstockError):
        load_script(source)
    assert main(["--script", source]) == 2
    assert source in capsys.readouterr().err


def test_a_json_file_that_is_no_script_is_refused(tmp_path: Any) -> None:
    for text in ("nonsense", "[]", '{"rulez": []}', '{"rules": {}}'):
        file = tmp_path / "rules.json"
        file.write_text(text)
        with pytest.raises(PenstockError):
            load_script(str(file))


def test_it_runs_as_a_process_and_stops_on_sigterm(tmp_path: Any) -> None:
    file = tmp_path / "rules.json"
    file.write_text('{"answer": "from the file"}')
    command = [sys.executable, "-m", "penstock.testing.model_server", "--port", "0", "--script", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base_url = process.stdout.readline().strip()
            asked = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
            response = httpx.post(f"{base_url}/chat/completions", json=asked, timeout=10)
            assert response.json()["choices"][0]["message"]["content"] == "from the file"
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_a_taken_port_is_said(capsys: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert "cannot listen" in capsys.readouterr().err
