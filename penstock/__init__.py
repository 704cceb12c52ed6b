"""penstock: the event-driven runtime under AI agents, on Apache Kafka. The public door: what an app may import."""

from penstock.context import Context
from penstock.errors import PenstockError
from penstock.event import Event
from penstock.signals import Defer, Reject, Retry, Signal, Skip

__all__ = ["Context", "Defer", "Event", "PenstockError", "Reject", "Retry", "Signal", "Skip"]
