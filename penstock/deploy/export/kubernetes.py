"""Kubernetes: a Job that applies the topology, a Deployment for each group and connector, a Service for a gateway.

Probes are the worker's own (`/livez`, `/readyz`). A pod may take its drain plus 15 s to end: see Workload.grace.
"""

from __future__ import annotations

from typing import Any

from penstock.deploy.export.workload import PORT, Workload, dns_name, workloads
from penstock.topology.model import Topology

_SAFE = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def manifests(topology: Topology, image: str, namespace: str | None = None) -> tuple[dict[str, Any], ...]:
    """The objects, ready for `kubectl apply`. Settings of the environment come from the Secret `<name>-env`."""
    found = [_apply_job(topology, image)]
    for workload in workloads(topology):
        found.append(_deployment(topology, workload, image))
        if workload.serves:
            found.append(_service(topology, workload, workload.serves))
    if namespace:
        for one in found:
            one["metadata"]["namespace"] = namespace
    return tuple(found)


def _labels(topology: Topology, component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": dns_name(component),
        "app.kubernetes.io/part-of": dns_name(topology.name),
        "app.kubernetes.io/managed-by": "penstock",
    }


def _container(topology: Topology, name: str, image: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "args": list(arguments),
        "envFrom": [{"secretRef": {"name": f"{dns_name(topology.name)}-env", "optional": True}}],
        "securityContext": dict(_SAFE),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the one folder that may be written
    }


def _pod(container: dict[str, Any]) -> dict[str, Any]:
    return {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }


def _apply_job(topology: Topology, image: str) -> dict[str, Any]:
    labels = _labels(topology, "apply")
    pod = _pod(_container(topology, "apply", image, ("apply", "--yes")))
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{dns_name(topology.name)}-apply", "labels": labels},
        "spec": {
            "backoffLimit": 6,
            "ttlSecondsAfterFinished": 600,  # a Job cannot be changed: gone, it can be applied again
            "template": {"metadata": {"labels": labels}, "spec": {**pod, "restartPolicy": "OnFailure"}},
        },
    }


def _deployment(topology: Topology, workload: Workload, image: str) -> dict[str, Any]:
    labels = _labels(topology, workload.member)
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT)}
    container = {
        **_container(topology, "worker", image, workload.arguments),
        "ports": [{"name": "metrics", "containerPort": PORT}, *_served(workload)],
        "startupProbe": _probe("/livez", period=2, failures=30),
        "livenessProbe": _probe("/livez", period=10, failures=3),
        "readinessProbe": _probe("/readyz", period=5, failures=3),
        "resources": {"requests": {"cpu": "250m", "memory": "192Mi"}, **_limits(workload)},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": workload.name, "labels": labels},
        "spec": {
            "replicas": workload.replicas,
            "selector": {"matchLabels": dict(labels)},
            # One more joins before one leaves: each hand-over moves only what must move.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {**_pod(container), "terminationGracePeriodSeconds": workload.grace},
            },
        },
    }


def _limits(workload: Workload) -> dict[str, Any]:
    return {"limits": {"memory": str(workload.memory_limit)}} if workload.memory_limit else {}


def _served(workload: Workload) -> list[dict[str, Any]]:
    return [{"name": "http", "containerPort": workload.serves}] if workload.serves else []


def _service(topology: Topology, workload: Workload, port: int) -> dict[str, Any]:
    labels = _labels(topology, workload.member)
    ports = [{"name": "http", "port": port, "targetPort": port}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": workload.name, "labels": labels},
        "spec": {"selector": dict(labels), "ports": ports},
    }


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "metrics"},
        "periodSeconds": period,
        "timeoutSeconds": 4,
        "failureThreshold": failures,
    }
