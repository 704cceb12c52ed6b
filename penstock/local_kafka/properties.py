"""The settings the local broker starts with: one node, loopback, quick to react, as tests and demonstrations need."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

NODE_ID = 1


def server_properties(
    log_dir: Path, port: int, controller_port: int, overrides: Mapping[str, str] | None = None
) -> dict[str, str]:
    """All settings of `server.properties`; `overrides` win."""
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "controller.quorum.voters": f"{NODE_ID}@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(log_dir),
        **_SMALL,
        **_GROUPS,
        **_PROMPT,
        **(overrides or {}),
    }


# One node and few of everything: internal topics are created in a moment, threads cost memory.
_SMALL = {
    "auto.create.topics.enable": "false",  # a topic that is missing is to be seen, not made by accident
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "10",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "num.network.threads": "2",
    "num.io.threads": "4",
}

# The session of a KIP-848 group stays the broker's default (45 s) until a group asks for less: so it is on a
# cluster of one's own, and so `failover` is really exercised here. The lowered minimum is what allows to ask.
_GROUPS = {
    "group.initial.rebalance.delay.ms": "0",
    "group.consumer.min.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "1000",
}

# Retention, compaction and deletion show within seconds instead of minutes.
_PROMPT = {
    "log.initial.task.delay.ms": "1000",
    "log.retention.check.interval.ms": "2000",
    "log.cleaner.backoff.ms": "1000",
    "log.segment.delete.delay.ms": "1000",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",  # after a crash the controller refuses the new broker for that long
}


def write_properties(path: Path, settings: Mapping[str, str]) -> None:
    """Write them as a Java properties file for its owner alone; backslashes in values (paths) are escaped."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    lines = [f"{name}={value}".replace("\\", "\\\\") for name, value in settings.items()]
    path.write_text("# Written by penstock at every start.\n" + "\n".join(lines) + "\n", encoding="utf-8")
