"""The broker contract kept in memory, for tests, simulation and the first minute without a Kafka."""

from penstock.broker.in_memory.keeper import InMemoryBroker

__all__ = ["InMemoryBroker"]
