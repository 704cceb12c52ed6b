"""penstock: the event-driven runtime under AI agents, on Apache Kafka. The public door: what an app may import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.context import Context
from penstock.errors import PenstockError
from penstock.event import Event
from penstock.signals import Defer, Reject, Retry, Signal, Skip

if TYPE_CHECKING:
    from penstock.publisher import AsyncPublisher, Publisher

__all__ = [
    "AsyncPublisher",
    "Context",
    "Defer",
    "Event",
    "PenstockError",
    "Publisher",
    "Reject",
    "Retry",
    "Signal",
    "Skip",
]


def __getattr__(name: str) -> Any:
    """The publishers, loaded when first asked for: a handler's process needs neither."""
    if name in ("AsyncPublisher", "Publisher"):
        from penstock import publisher

        return getattr(publisher, name)
    raise AttributeError(f"module 'penstock' has no attribute {name!r}")
