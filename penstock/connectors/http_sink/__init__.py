"""Events out over HTTP: one request each, signed, to addresses that are anybody's business only."""

from penstock.connectors.http_sink.sink import HttpSink

__all__ = ["HttpSink"]
