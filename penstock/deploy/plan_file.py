"""A plan as a JSON file: written by `plan --out`, read by `apply --plan`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from penstock.deploy import plan as steps
from penstock.errors import PenstockError

FORMAT: Final = 1
_SECTIONS: Final[Mapping[str, type]] = {
    "creates": steps.CreateTopic,
    "additions": steps.AddPartitions,
    "changes": steps.ChangeConfig,
    "schemas": steps.RegisterSchema,
    "sessions": steps.AskSession,
    "kept": steps.Kept,
    "draining": steps.Draining,
    "groups": steps.GroupOutlook,
}


class PlanUnreadable(PenstockError):
    """The file is not a plan of this version of penstock."""


def to_json(plan: steps.Plan) -> dict[str, Any]:
    """The plan as JSON objects; `fingerprint` and `has_changes` are there for readers."""
    found: dict[str, Any] = {
        "format": FORMAT,
        "topology": plan.topology,
        "fingerprint": plan.fingerprint,
        "has_changes": plan.has_changes,
    }
    found |= {name: [_fields(step) for step in getattr(plan, name)] for name in _SECTIONS}
    topics = {name: None if topic is None else _fields(topic) for name, topic in plan.observed.topics.items()}
    return found | {
        "problems": list(plan.problems),
        "observed": {"cluster_id": plan.observed.cluster_id, "topics": topics},
    }


def from_json(found: Mapping[str, Any]) -> steps.Plan:
    """The plan again. Raises PlanUnreadable for anything `to_json` did not write."""
    try:
        if found["format"] != FORMAT:
            raise PlanUnreadable(f"the plan has format {found['format']}, this penstock reads {FORMAT}")
        observed = found["observed"]
        topics = {
            name: None if topic is None else steps.ObservedTopic(**topic) for name, topic in observed["topics"].items()
        }
        plan = steps.Plan(
            topology=found["topology"],
            observed=steps.Observed(observed["cluster_id"], topics),
            problems=tuple(found["problems"]),
            **{name: tuple(_step(kind, step) for step in found[name]) for name, kind in _SECTIONS.items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise PlanUnreadable(f"this is no plan: {error!r}", "write one with `penstock plan --out FILE`") from error
    if plan.fingerprint != found.get("fingerprint"):
        raise PlanUnreadable("the plan was changed by hand: its fingerprint does not fit", "make a new one")
    return plan


def write(plan: steps.Plan, path: Path) -> None:
    """Write the plan to a file."""
    path.write_text(json.dumps(to_json(plan), indent=2) + "\n")


def read(path: Path) -> steps.Plan:
    """Read a plan. Raises PlanUnreadable."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise PlanUnreadable(f"{path} cannot be read as a plan: {error}") from error
    if not isinstance(found, dict):
        raise PlanUnreadable(f"{path} holds no plan", "write one with `penstock plan --out FILE`")
    return from_json(found)


def _fields(value: Any) -> dict[str, Any]:
    return {part.name: _json(getattr(value, part.name)) for part in dataclasses.fields(value)}


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _step(kind: type, found: Mapping[str, Any]) -> Any:
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in found.items()})
