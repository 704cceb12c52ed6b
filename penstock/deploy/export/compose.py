"""Compose: an `apply` that ends, and a service for each group and connector. Kafka is the one the topology names."""

from __future__ import annotations

from typing import Any

from penstock.deploy.export.workload import PORT, dns_name, workloads
from penstock.topology.model import Topology


def compose(topology: Topology, image: str) -> dict[str, Any]:
    """One compose file (Compose Specification)."""
    services: dict[str, Any] = {
        "apply": {**_service(image, ("apply", "--yes")), "restart": "no", "healthcheck": {"disable": True}}
    }
    for one in workloads(topology):
        services[dns_name(one.member)] = {
            **_service(image, one.arguments),
            "depends_on": {"apply": {"condition": "service_completed_successfully"}},
            "restart": "unless-stopped",
            "stop_grace_period": f"{one.grace}s",
            "expose": [str(PORT)],
            "deploy": {"replicas": one.replicas},
            **({"mem_limit": one.memory_limit} if one.memory_limit else {}),
            **({"ports": [f"{one.serves}:{one.serves}"]} if one.serves else {}),
        }
    return {"name": dns_name(topology.name), "services": services}


def _service(image: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    return {
        "image": image,
        "command": list(arguments),
        "environment": {"KAFKA_BOOTSTRAP_SERVERS": None},  # no value: as it is where compose is called
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - the one folder that may be written
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }
