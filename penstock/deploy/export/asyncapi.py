"""AsyncAPI 3.0 with the Kafka bindings 0.5: channels are topics, operations are what each group receives and sends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from penstock import headers as wire
from penstock.topology.derived import dead_letter_topic, policy_topics
from penstock.topology.model import Processor, Topic, Topology

_BINDING: Final = "0.5.0"
_REQUIRED: Final = (wire.CE_SPECVERSION, wire.CE_ID, wire.CE_TYPE, wire.CE_SOURCE)
_CLOUDEVENTS: Final = (
    *_REQUIRED,
    wire.CE_TIME,
    wire.CE_SUBJECT,
    wire.CE_CORRELATION_ID,
    wire.CE_CAUSATION_ID,
    wire.CE_TENANT_ID,
    wire.TRACEPARENT,
)
_AVRO: Final = "application/vnd.apache.avro+json;version=1.9.0"
# Of a topic's settings these are all that the binding knows; it takes numbers and lists, not Kafka's text.
_NUMBERS: Final = ("retention.ms", "retention.bytes", "delete.retention.ms", "max.message.bytes")


def document(topology: Topology, version: str) -> dict[str, Any]:
    """The whole document; `version` is the app's own."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": topology.name, "version": version},
        "defaultContentType": "application/json",
        "servers": dict(_servers(topology)),
        "channels": dict(_channels(topology)),
        "operations": dict(_operations(topology)),
        "components": {
            "messages": dict(_messages(topology)),
            "schemas": {"cloudEventHeaders": _headers()},
        },
    }


def _servers(topology: Topology) -> Iterator[tuple[str, Any]]:
    secure = topology.kafka.get("security.protocol", "plaintext").lower() in ("ssl", "sasl_ssl")
    for index, address in enumerate(topology.kafka.get("bootstrap.servers", "localhost:9092").split(",")):
        yield f"kafka{index or ''}", {"host": address.strip(), "protocol": "kafka-secure" if secure else "kafka"}


def _channels(topology: Topology) -> Iterator[tuple[str, Any]]:
    for topic in topology.topics.values():
        yield _id(topic.name), {**_channel(topic), "messages": dict(_references(topic))}
    for processor in topology.processors.values():
        letters = dead_letter_topic(processor.group_id)
        for name in policy_topics(processor):
            what = "given up" if name == letters else "to be run again"
            yield _id(name), {"address": name, "description": f"Events of {processor.name}, {what}. Internal."}


def _channel(topic: Topic) -> dict[str, Any]:
    settings: dict[str, Any] = {
        name: int(topic.configs[name]) for name in _NUMBERS if topic.configs.get(name, "").lstrip("-").isdigit()
    }
    if "cleanup.policy" in topic.configs:
        settings["cleanup.policy"] = [one.strip() for one in topic.configs["cleanup.policy"].split(",")]
    binding: dict[str, Any] = {"topic": topic.name, "bindingVersion": _BINDING}
    if topic.partitions is not None:
        binding["partitions"] = topic.partitions
    if topic.replication_factor is not None:
        binding["replicas"] = topic.replication_factor
    if settings:
        binding["topicConfiguration"] = settings
    return {"address": topic.name, "bindings": {"kafka": binding}}


def _types(topic: Topic) -> Iterator[str]:
    """The event types a topic carries; one without a declared type has the topic's name."""
    yield from dict.fromkeys([*([topic.type] if topic.type else []), *topic.schemas]) or [topic.name]


def _references(topic: Topic) -> Iterator[tuple[str, Any]]:
    for type_ in _types(topic):
        yield _id(type_), {"$ref": f"#/components/messages/{_id(type_)}"}


def _messages(topology: Topology) -> Iterator[tuple[str, Any]]:
    for topic in topology.topics.values():
        for type_ in _types(topic):
            message: dict[str, Any] = {
                "name": type_,
                "headers": {"$ref": "#/components/schemas/cloudEventHeaders"},
                "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": _BINDING}},
            }
            if type_ in topic.schemas:
                message |= _payload(topology.directory / topic.schemas[type_])
            yield _id(type_), message


def _payload(path: Path) -> dict[str, Any]:
    schema = json.loads(path.read_text(encoding="utf-8"))
    if path.suffix == ".avsc":
        return {"contentType": "application/avro", "payload": {"schemaFormat": _AVRO, "schema": schema}}
    return {"contentType": "application/json", "payload": schema}


def _operations(topology: Topology) -> Iterator[tuple[str, Any]]:
    for processor in topology.processors.values():
        for topic in processor.topics:
            yield _operation(topology, processor, "receive", topic)
        for topic in dict.fromkeys([*([processor.output] if processor.output else []), *processor.emits]):
            yield _operation(topology, processor, "send", topic)


def _operation(topology: Topology, processor: Processor, action: str, topic: str) -> tuple[str, Any]:
    operation: dict[str, Any] = {"action": action, "channel": {"$ref": f"#/channels/{_id(topic)}"}}
    if action == "receive":
        group = {"type": "string", "const": processor.group_id}
        operation["bindings"] = {"kafka": {"groupId": group, "bindingVersion": _BINDING}}
        declared = topology.topics[topic]
        wanted = [one for one in _types(declared) if not processor.types or one in processor.types]
        operation["messages"] = [{"$ref": f"#/channels/{_id(topic)}/messages/{_id(one)}"} for one in wanted]
    return _id(f"{processor.name}.{action}.{topic}"), operation


def _headers() -> dict[str, Any]:
    """CloudEvents 1.0, Kafka protocol binding, binary mode."""
    properties: dict[str, Any] = {name: {"type": "string"} for name in _CLOUDEVENTS}
    properties[wire.CE_SPECVERSION] = {"type": "string", "const": "1.0"}
    properties[wire.CE_TIME] = {"type": "string", "format": "date-time"}
    return {"type": "object", "required": list(_REQUIRED), "properties": properties}


def _id(name: str) -> str:
    """A key of a map of the document: letters, digits, `_`, `-`. Kafka refuses `a_b` beside `a.b`: no two meet here."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name.replace(".", "_"))
