"""What every exporter says of a worker: its name there, its command, its probes' port, how long its drain may take."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from penstock.topology.connector_options import ConnectorOptions, SinkOptions
from penstock.topology.http_options import HttpSourceOptions
from penstock.topology.model import Processor, Topology

PORT: Final = 9100
MARGIN: Final = 15  # seconds beyond the drain: the last commit, leaving the group, the end of the process
_LONGEST_NAME: Final = 52  # a DNS label has 63; a Job or Pod adds a suffix of up to 11


@dataclass(frozen=True, slots=True)
class Workload:
    """The worker processes of one processor or connector.

    `grace` in whole seconds, `memory_limit` in bytes; `most` is None where the partitions are not known. `concurrency`
    is None for a source: what waits for it, waits outside. `serves` is the port of a gateway.
    """

    member: str
    group: str
    name: str
    arguments: tuple[str, ...]
    replicas: int
    grace: int
    concurrency: int | None
    most: int | None
    serves: int | None = None
    memory_limit: int | None = None


def workloads(topology: Topology) -> tuple[Workload, ...]:
    """Every connector and processor of the file."""
    # A sink is among both.
    members: dict[str, Processor | ConnectorOptions] = {**topology.connectors, **topology.processors}
    return tuple(_workload(topology, one) for one in members.values())


def _workload(topology: Topology, one: Processor | ConnectorOptions) -> Workload:
    takes = one if isinstance(one, Processor | SinkOptions) else None
    return Workload(
        member=one.name,
        group=one.group_id,
        name=dns_name(topology.name, one.name),
        arguments=("run", one.name, "--port", str(PORT), "--log-format", "json"),
        replicas=one.replicas,
        grace=math.ceil(one.stop_grace_period) + MARGIN,
        concurrency=takes.concurrency if takes else None,
        most=_most_members(topology, takes.topics) if takes else None,
        serves=one.port if isinstance(one, HttpSourceOptions) else None,
        memory_limit=one.memory_limit,
    )


def _most_members(topology: Topology, sources: Sequence[str]) -> int | None:
    """Members beyond the partitions of the largest source have nothing to do."""
    counts = [topology.topics[name].partitions if name in topology.topics else None for name in sources]
    known = [count for count in counts if count is not None]
    return max(known) if known and len(known) == len(counts) else None


def dns_name(*parts: str) -> str:
    """A DNS label (RFC 1123) of the parts; what it cannot hold becomes `-`."""
    joined = re.sub(r"[^a-z0-9]+", "-", "-".join(part for part in parts if part).lower())
    return joined[:_LONGEST_NAME].strip("-") or "penstock"
