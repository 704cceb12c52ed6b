"""/metrics, /livez and /readyz of one process, served by a thread of its own: it must answer when the loop does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from penstock.errors import PenstockError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

BLOCKED = 10.0  # seconds without a turn of the loop, or of the poll thread, after which the process is not alive


class Pulse:
    """When the loop last had a turn. `beat` on the loop; `problem` from any thread."""

    def __init__(self, checks: Callable[[], str]) -> None:
        """`checks` returns '' or why the process is not alive (a dead poll thread, say)."""
        self._last = time.monotonic()
        self._checks = checks
        self.ready = False

    def beat(self) -> None:
        """The loop had a turn."""
        self._last = time.monotonic()

    def problem(self) -> str:
        """'' while alive, else the reason."""
        silent = time.monotonic() - self._last
        if silent > BLOCKED:
            return f"the event loop has been blocked for {silent:.0f} s: a handler does not yield"
        return self._checks()


class HealthServer:
    """The HTTP side of a worker process."""

    def __init__(self, host: str, port: int, pulse: Pulse, registry: CollectorRegistry) -> None:
        """Bind; port 0 takes a free one. Raises PenstockError when the port is taken."""
        handler = type("Requests", (_Requests,), {"pulse": pulse, "registry": registry})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise PenstockError(
                f"cannot serve health on {host}:{port}: {error}", "give another --port, or 0"
            ) from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="penstock-health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _Requests(BaseHTTPRequestHandler):
    pulse: Pulse
    registry: CollectorRegistry

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._metrics()
        elif path == "/livez":
            self._say(self.pulse.problem())
        elif path == "/readyz":
            self._say(self.pulse.problem() or ("" if self.pulse.ready else "not joined yet"))
        else:
            self._answer(404, "text/plain", b"try /metrics, /livez or /readyz\n")

    def _metrics(self) -> None:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        try:
            body = generate_latest(self.registry)
        except TimeoutError:
            self._answer(503, "text/plain", b"the event loop does not answer\n")
        else:
            self._answer(200, CONTENT_TYPE_LATEST, body)

    def _say(self, problem: str) -> None:
        self._answer(503 if problem else 200, "text/plain", (problem or "ok").encode() + b"\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes are not worth a line."""
