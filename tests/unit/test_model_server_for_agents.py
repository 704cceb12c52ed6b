"""What agents need of the scripted model server: tool calls, streams, embeddings."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from typing import Any

import httpx

from penstock.testing.model_script import Behaviour, Rule, Script, ToolCall, rule_from
from penstock.testing.model_server import ModelServer

LOOKS_UP = Rule(match="order", then=Behaviour(calls=(ToolCall("look_up", (("order", "A1"),)),)))
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]


def post(path: str, *bodies: dict[str, Any]) -> list[httpx.Response]:
    async def run() -> list[httpx.Response]:
        async with ModelServer(Script((LOOKS_UP,), "three small words")) as server, httpx.AsyncClient() as client:
            return [await client.post(f"{server.base_url}{path}", json=body) for body in bodies]

    return asyncio.run(run())


def test_a_tool_is_called_once_where_it_was_offered() -> None:
    asked = {"role": "user", "content": "my order?"}
    (called, plain) = post(
        "/chat/completions",
        {"model": "m", "messages": [asked], "tools": TOOLS},
        {"model": "m", "messages": [asked]},
    )
    choice = called.json()["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("look_up", {"order": "A1"})
    assert plain.json()["choices"][0]["message"]["content"] == "three small words", "nobody offered the tool"

    result = {"role": "tool", "tool_call_id": call["id"], "content": "on its way"}
    messages = [asked, choice["message"], result]
    (answered,) = post("/chat/completions", {"model": "m", "messages": messages, "tools": TOOLS})
    assert answered.json()["choices"][0]["message"]["content"] == "three small words"


def test_a_stream_says_the_same_in_pieces() -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    (streamed,) = post("/chat/completions", {**asked, "stream_options": {"include_usage": True}})

    assert streamed.headers["content-type"] == "text/event-stream"
    lines = [line.removeprefix("data: ") for line in streamed.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    said = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"]]
    assert "".join(said) == "three small words"
    assert len(said) > 3
    assert chunks[-1]["usage"]["completion_tokens"] == 3


def test_embeddings_are_near_where_words_are_shared() -> None:
    texts = ["the card is lost", "the card was lost", "interest on savings"]
    plain, packed, wrong = post(
        "/embeddings",
        {"model": "e", "input": texts},
        {"model": "e", "input": texts[0], "encoding_format": "base64"},
        {"model": "e"},
    )
    one, near, far = (entry["embedding"] for entry in plain.json()["data"])

    def likeness(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert likeness(one, near) > likeness(one, far)
    assert abs(likeness(one, one) - 1) < 1e-6
    opened = struct.unpack("<64f", base64.b64decode(packed.json()["data"][0]["embedding"]))
    assert abs(opened[0] - one[0]) < 1e-6
    assert wrong.status_code == 400


def test_calls_are_written_in_a_script_file() -> None:
    rule = rule_from({"match": "order", "calls": {"look_up": {"order": "A1"}}})

    assert rule == LOOKS_UP
