"""A scripted, OpenAI-compatible model server: test agents without a model, a key, a bill or luck.

It answers `POST /v1/chat/completions` from a script, whole or streamed, with tool calls where the script has some, and
`POST /v1/embeddings`; after a set latency, and fails on request: 429 with Retry-After, 500, hangs, broken bodies,
dropped connections. One process holds thousands of slow requests at once. In a test:

    script = Script(rules=(Rule(match="refund", then=Behaviour(status=500), times=1),), answer="fine")
    async with ModelServer(script, latency=0.1) as server:
        os.environ["OPENAI_BASE_URL"] = server.base_url       # what OpenAI's clients and most frameworks read
        ...
        assert server.requests == 2

As a process of its own; `--script` is a JSON file or `module:attribute` (see `model_script`), and may be given more
than once, where rules and answers live apart:

    python -m penstock.testing.model_server --port 8089 --latency 2 --script rules.json --script app.scripted:answer

While it runs: `GET /control` tells its counts; `PUT /control/rules` sets other rules (a JSON list), `POST` puts more in
front, `DELETE` removes all: a provider that recovers. Needs the standard library only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

from penstock.errors import PenstockError
from penstock.testing.model_answers import embeddings, error_body, played, reply
from penstock.testing.model_http import BadRequest, Request, read_request, response
from penstock.testing.model_script import (
    Answer,
    Behaviour,
    Prompt,
    Rule,
    Script,
    load_script,
    merged,
    prompt_of,
    rules_from,
)

__all__ = ["Behaviour", "ModelServer", "Rule", "Script", "load_script"]

REMEMBERED: Final = 100_000  # user messages kept for `times_asked`


class ModelServer:
    """One server on one loop; `async with` starts and stops it.

    `script` may be a Script, an answer function or a text. `latency` is in seconds, before every answer, failures
    included. Port 0 takes a free one. Not thread-safe: change `script` on the server's own loop, or over `/control`.
    """

    def __init__(
        self, script: Script | Answer | None = None, *, latency: float = 0.0, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.script = script if isinstance(script, Script) else Script() if script is None else Script(answer=script)
        self.latency = latency
        self.requests = 0  # chat requests that came in
        self.embedded = 0  # embeddings requests
        self.in_flight = 0  # of them, not answered yet
        self.peak = 0  # most in flight at once
        self.statuses: Counter[str] = Counter()  # how they ended: "200", "429", "hang", "drop", "malformed", "left"
        self.host = host
        self.port = port
        self._asked: deque[str] = deque(maxlen=REMEMBERED)
        self._applied: Counter[tuple[Rule, bytes]] = Counter()
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        """What goes into OPENAI_BASE_URL: http://host:port/v1."""
        return f"http://{self.host}:{self.port}/v1"

    def times_asked(self, text: str) -> int:
        """In how many of the last 100,000 requests `text` stood in the last user message."""
        return sum(text in asked for asked in self._asked)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        self._server = await asyncio.start_server(self._connected, self.host, self.port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut every connection, hanging ones too."""
        if self._server is not None:
            self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def state(self) -> Mapping[str, Any]:
        """What GET /control tells."""
        return {
            "requests": self.requests,
            "embedded": self.embedded,
            "in_flight": self.in_flight,
            "peak": self.peak,
            "statuses": dict(self.statuses),
            "latency": self.latency,
            "rules": len(self.script.rules),
        }

    # -- one connection

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.create_task(self._converse(reader, writer))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other, until either side closes."""
        try:
            while True:
                try:
                    request = await read_request(reader)
                except BadRequest as error:
                    writer.write(response(error.status, error_body(error.status, str(error)), keep_alive=False))
                    return
                answer = None if request is None else await self._answer(request, reader)
                if request is None or answer is None:
                    return
                writer.write(answer)
                await writer.drain()
                if not request.keep_alive:
                    return
        except ConnectionError:
            return  # the client has left; nobody is there to be told
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, request: Request, reader: asyncio.StreamReader) -> bytes | None:
        """The response, or None: close the connection without one."""
        if request.path.startswith("/control"):
            return self._control(request)
        path = request.path.removeprefix("/v1")
        if path not in {"/chat/completions", "/embeddings"}:
            return reply(request, 404, error_body(404, f"no such path: {request.path}"))
        if request.method != "POST":
            return reply(request, 405, error_body(405, "only POST"))
        if path == "/embeddings":
            return self._embed(request)
        try:
            said = request.json()
            messages = said["messages"]
            prompt = prompt_of(messages)
        except (ValueError, LookupError, TypeError, AttributeError):
            return reply(request, 400, error_body(400, "not a chat request: it needs messages"))
        return await self._chat(request, said, prompt, reader)

    def _embed(self, request: Request) -> bytes:
        self.embedded += 1
        try:
            return reply(request, 200, embeddings(request.json()))
        except (ValueError, LookupError, TypeError, AttributeError):
            return reply(request, 400, error_body(400, "not an embeddings request: it needs input"))

    async def _chat(
        self, request: Request, said: Mapping[str, Any], prompt: Prompt, reader: asyncio.StreamReader
    ) -> bytes | None:
        """One chat request, counted from here to its end."""
        self.requests += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        self._asked.append(prompt.user)
        ending = "left"
        try:
            behaviour = self.script.decide(prompt, self._applied)
            latency = self.latency if behaviour.latency is None else behaviour.latency
            if not await _client_waits(reader, None if behaviour.hang else latency):
                ending = "hang" if behaviour.hang else "left"
                return None
            if behaviour.drop:
                ending = "drop"
                return None
            ending = "malformed" if behaviour.malformed else str(behaviour.status)
            return played(request, said, prompt, behaviour, self.script)
        finally:
            self.in_flight -= 1
            self.statuses[ending] += 1

    def _control(self, request: Request) -> bytes:
        """GET /control; PUT, POST and DELETE /control/rules."""
        changes: Mapping[str, Callable[[], tuple[Rule, ...]]] = {
            "PUT": lambda: rules_from(request.json()),
            "POST": lambda: rules_from(request.json()) + self.script.rules,
            "DELETE": tuple,
        }
        if request.path == "/control/rules" and request.method in changes:
            try:
                self.script = Script(changes[request.method](), self.script.answer)
            except (PenstockError, ValueError) as error:
                return reply(request, 400, error_body(400, str(error)))
        elif (request.method, request.path) != ("GET", "/control"):
            return reply(request, 404, error_body(404, "GET /control; PUT, POST or DELETE /control/rules"))
        return reply(request, 200, json.dumps(self.state()).encode())


async def _client_waits(reader: asyncio.StreamReader, seconds: float | None) -> bool:
    """Wait (None: for ever); False as soon as the client has left. A client must not send before it was answered."""
    if seconds == 0:
        return True
    try:
        await asyncio.wait_for(reader.read(1), seconds)
    except TimeoutError:
        return True
    except ConnectionError:
        pass
    return False


async def serve(server: ModelServer) -> None:
    """Run until SIGTERM or SIGINT; the first line on stdout is the base URL, once the server listens."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m penstock.testing.model_server", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8089, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--script", action="append", default=[], help="FILE.json or module:attribute; may repeat")
    chosen = parser.parse_args(arguments)
    try:
        script = merged(load_script(source) for source in chosen.script)
    except PenstockError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    server = ModelServer(script, latency=chosen.latency, host=chosen.host, port=chosen.port)
    try:
        asyncio.run(serve(server))
    except OSError as error:
        sys.stderr.write(f"cannot listen on {chosen.host}:{chosen.port}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
