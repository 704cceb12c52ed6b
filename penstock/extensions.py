"""The second public door: what an app imports to write a connector of its own."""

from __future__ import annotations

from penstock.contracts import Cursor, Incoming, Outlet, Sink, Source
from penstock.topology.connector_options import SinkOptions, SourceOptions
from penstock.topology.option import option

__all__ = ["Cursor", "Incoming", "Outlet", "Sink", "SinkOptions", "Source", "SourceOptions", "option"]
