"""Which group protocol a worker would choose now, and why, in one sentence."""

from __future__ import annotations

from penstock.broker.contract import Admin
from penstock.durations import spell
from penstock.topology.model import Processor, Topology


async def explain(topology: Topology, processor: Processor, admin: Admin) -> str:
    """For example "classic: the broker would notice a dead worker after 45s, failover is 10s"."""
    asked = topology.kafka.get("group.protocol")
    if asked:
        return f"{asked}: the topology says so"
    group = await admin.group(processor.group_id)
    if group.members and group.protocol:
        return f"{group.protocol}: as the members there are"
    session = await admin.group_session_timeout(processor.group_id)
    failover = spell(processor.failover)
    if session is None:
        return "classic: the broker does not say when it would notice a dead worker"
    if session <= processor.failover:
        return f"consumer: the broker notices a dead worker after {spell(session)}, failover is {failover}"
    return f"classic: the broker would notice a dead worker after {spell(session)}, failover is {failover}"
