"""The bodies a scripted model answers with: chat completions whole and streamed, tool calls, embeddings, errors."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

from penstock.testing.model_http import Request, response
from penstock.testing.model_script import Behaviour, Prompt, Script, ToolCall

DIMENSIONS: Final = 64
_WORD: Final = re.compile(r"\w+")


def played(request: Request, said: Mapping[str, Any], prompt: Prompt, behaviour: Behaviour, script: Script) -> bytes:
    """The response a behaviour asks for."""
    headers = {} if behaviour.retry_after is None else {"retry-after": str(behaviour.retry_after)}
    if behaviour.status != 200:
        said_why = behaviour.answer if isinstance(behaviour.answer, str) else f"scripted {behaviour.status}"
        return reply(request, behaviour.status, error_body(behaviour.status, said_why), headers)
    message = _message(prompt, behaviour, script, said)
    completion = _completion(str(said.get("model", "scripted")), prompt, message)
    streamed = bool(said.get("stream"))
    body = _stream(completion, said) if streamed else json.dumps(completion).encode()
    body = body[: len(body) // 2] if behaviour.malformed else body
    return reply(request, 200, body, headers, kind="text/event-stream" if streamed else "application/json")


def _message(prompt: Prompt, behaviour: Behaviour, script: Script, said: Mapping[str, Any]) -> dict[str, Any]:
    """The assistant's message: tool calls where the behaviour has some that were offered and not yet answered."""
    offered = {one.get("function", {}).get("name") for one in said.get("tools") or () if isinstance(one, dict)}
    calls = [call for call in behaviour.calls if call.name in offered]
    if calls and not prompt.tools_answered:
        return {"role": "assistant", "content": None, "tool_calls": [_call(prompt, *one) for one in enumerate(calls)]}
    return {"role": "assistant", "content": script.say(prompt, behaviour)}


def _call(prompt: Prompt, index: int, call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(dict(call.arguments))}
    return {"id": f"call_{prompt.digest.hex()[:12]}_{index}", "type": "function", "function": function}


def _completion(model: str, prompt: Prompt, message: Mapping[str, Any]) -> dict[str, Any]:
    """A chat completion; equal prompts get equal ones. Tokens are counted as words, a tool call as one."""
    calls = message.get("tool_calls") or ()
    asked, given = len(f"{prompt.system} {prompt.user}".split()), len((message["content"] or "").split()) + len(calls)
    return {
        "id": f"chatcmpl-{prompt.digest.hex()}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "tool_calls" if calls else "stop", "message": dict(message)}],
        "usage": {"prompt_tokens": asked, "completion_tokens": given, "total_tokens": asked + given},
    }


def _stream(completion: Mapping[str, Any], said: Mapping[str, Any]) -> bytes:
    """The same as server-sent events: a chunk a word, the finish, the usage where it was asked for, [DONE]."""
    (choice,) = completion["choices"]
    message = choice["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if message.get("tool_calls"):
        deltas += [{"tool_calls": [{"index": n, **call}]} for n, call in enumerate(message["tool_calls"])]
    else:
        deltas += [{"content": part} for part in re.findall(r"\S+\s*", message["content"])]
    head = {name: completion[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if (said.get("stream_options") or {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": completion["usage"]})
    return b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"


def embeddings(said: Mapping[str, Any]) -> bytes:
    """Vectors of 64 numbers: texts that share words are near each other. Raises LookupError, TypeError."""
    asked = said["input"]
    texts: Sequence[str] = [asked] if isinstance(asked, str) else asked
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("input must be a text, or a list of texts")
    as_text = said.get("encoding_format") == "base64"
    vectors = [embedding(text) for text in texts]
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if as_text else vector}
        for index, vector in enumerate(vectors)
    ]
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json.dumps({"object": "list", "data": data, "model": said.get("model", "scripted"), "usage": usage}).encode()


def embedding(text: str) -> list[float]:
    """One vector of length 1: each word adds to one of its numbers, by a hash."""
    vector = [0.0] * DIMENSIONS
    for word in _WORD.findall(text.lower()):
        digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
        vector[digest[0] % DIMENSIONS] += 1.0 if digest[1] % 2 else -1.0
    length = math.sqrt(sum(one * one for one in vector))
    return [one / length for one in vector] if length else [1.0, *vector[1:]]


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def error_body(status: int, message: str) -> bytes:
    """An error body in the API's shape."""
    kind = {429: "rate_limit_error"}.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": None}}).encode()


def reply(
    request: Request,
    status: int,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    kind: str = "application/json",
) -> bytes:
    """A response to `request`."""
    return response(status, body, keep_alive=request.keep_alive, headers={"content-type": kind, **(headers or {})})
