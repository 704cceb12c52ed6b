"""KEDA: a ScaledObject for each consumer group, on true backlog and saturation instead of lag.

Committed lag overstates the work: one slow record holds the frontier while all above it is finished. Both triggers
read the workers' own metrics, so at least one worker always runs.
"""

from __future__ import annotations

from typing import Any, Final

from penstock.deploy.export.workload import Workload, workloads
from penstock.topology.model import Topology

FULL: Final = 0.8  # of its slots: where a further worker is wanted
_UNKNOWN_MOST: Final = 100  # where the topology does not say how many partitions there are


def scaled_objects(
    topology: Topology, prometheus: str, waves: float, namespace: str | None = None
) -> tuple[dict[str, Any], ...]:
    """One per group that takes records. `prometheus` is a URL; a worker may have `waves` concurrencies waiting."""
    return tuple(
        _scaled(one, one.concurrency * waves, prometheus, namespace)
        for one in workloads(topology)
        if one.concurrency is not None
    )


def _scaled(workload: Workload, waiting: float, prometheus: str, namespace: str | None) -> dict[str, Any]:
    metadata = {"name": workload.name, **({"namespace": namespace} if namespace else {})}
    group = f'{{group="{workload.group}"}}'
    settle = workload.grace  # a worker that was told to leave is given its drain before the next one is
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": metadata,
        "spec": {
            "scaleTargetRef": {"name": workload.name},
            "minReplicaCount": 1,
            "maxReplicaCount": workload.most or _UNKNOWN_MOST,
            "pollingInterval": 15,
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "behavior": {
                        "scaleDown": {
                            "stabilizationWindowSeconds": max(300, settle),
                            "policies": [{"type": "Pods", "value": 1, "periodSeconds": max(60, settle)}],
                        }
                    }
                }
            },
            "triggers": [
                _trigger(prometheus, f"sum(penstock_true_backlog{group})", round(waiting)),
                _trigger(prometheus, f"sum(penstock_saturation{group})", FULL),
            ],
        },
    }


def _trigger(prometheus: str, query: str, per_worker: float) -> dict[str, Any]:
    return {
        "type": "prometheus",
        "metricType": "AverageValue",  # workers wanted = value of the query / threshold, rounded up
        "metadata": {"serverAddress": prometheus, "query": query, "threshold": str(per_worker)},
    }
