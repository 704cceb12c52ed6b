"""The gateway described as OpenAPI 3.1: made of its options alone, so that it cannot say anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_ACCEPTED: Final = {"$ref": "#/components/schemas/Accepted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One gateway, as its callers see it. Sizes in bytes."""

    title: str
    path: str
    topic: str
    max_request: int
    max_events: int
    tokens: bool = False
    signature: str | None = None  # the header
    replies: bool = False
    types: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)  # JSON Schema of the data, where one is known


def document(described: Described) -> dict[str, Any]:
    """The OpenAPI document."""
    path = described.path.rstrip("/")
    paths = {described.path: {"post": _post(described)}, f"{path}/batch": {"post": _post_many(described)}}
    if described.replies:
        paths[f"{path}/{{id}}"] = {"get": _get()}
    schemes = _schemes(described)
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": described.title,
            "version": "1",
            "description": f"Every event that is accepted here stands in the Kafka topic `{described.topic}`.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(described), "securitySchemes": schemes},
    }
    return {**found, "security": [{name: []} for name in schemes]} if schemes else found


def _post(described: Described) -> dict[str, Any]:
    parameters = [
        _header("Idempotency-Key", "The same key makes the same event id: send it again as often as you like."),
        _header("ce-id", "CloudEvents binary mode: ce-specversion, ce-id, ce-source, ce-type and so on."),
    ]
    responses = {"202": _response("Accepted: it is in Kafka.", _ACCEPTED), **_refusals()}
    if described.replies:
        parameters.append(_header("Prefer", "wait=30: answer with the result, if it comes within 30 seconds."))
        responses |= {"200": {"description": "The result, for whoever waited."}, "422": _response(_GIVEN_UP, _PROBLEM)}
        responses["202"]["headers"] = {"Location": {"description": "Where to ask.", "schema": {"type": "string"}}}
    return {
        "summary": "Send one event",
        "description": f"At most {described.max_request} bytes in one request.",
        "parameters": parameters,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Data"}},
                "application/x-ndjson": {"schema": {"type": "string", "description": "One event a line: a batch."}},
                "application/cloudevents+json": {"schema": {"$ref": "#/components/schemas/CloudEvent"}},
                "application/cloudevents-batch+json": {"schema": _array("CloudEvent", described.max_events)},
            },
        },
        "responses": responses,
    }


def _post_many(described: Described) -> dict[str, Any]:
    content = {"application/json": {"schema": _array("Data", described.max_events)}}
    return {
        "summary": "Send many events",
        "description": f"At most {described.max_events}. Where one of them does not fit, none is accepted.",
        "parameters": [_header("Idempotency-Key", "The same key and place make the same event id.")],
        "requestBody": {"required": True, "content": content},
        "responses": {"202": _response("Accepted: all are in Kafka.", _ACCEPTED), **_refusals()},
    }


def _get() -> dict[str, Any]:
    parameters = [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
        _header("Prefer", "wait=30: wait for the result, 30 seconds at most."),
        _header("Accept", "text/event-stream: progress and result as they come."),
    ]
    responses = {
        "200": {"description": "The result."},
        "202": _response("Not finished yet.", _ACCEPTED),
        "404": _response("No event of this id was found.", _PROBLEM),
        "422": _response(_GIVEN_UP, _PROBLEM),
        "503": _response("Kafka is away.", _PROBLEM),
    }
    return {"summary": "Ask what became of an event", "parameters": parameters, "responses": responses}


_GIVEN_UP: Final = "The event does not fit; or it was given up, and `reason` says why."
_REFUSALS: Final = {
    "400": "The request cannot be read.",
    "401": "No valid token or signature.",
    "413": "Too large.",
    "415": "A media type that is not taken here.",
    "422": "The event does not fit.",
    "429": "Too much waits already: come again after `Retry-After` seconds.",
    "503": "Kafka is away: come again after `Retry-After` seconds.",
}


def _refusals() -> dict[str, Any]:
    return {status: _response(meaning, _PROBLEM) for status, meaning in _REFUSALS.items()}


def _response(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    kind = "application/problem+json" if schema is _PROBLEM else "application/json"
    return {"description": description, "content": {kind: {"schema": schema}}}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _array(schema: str, most: int) -> dict[str, Any]:
    return {"type": "array", "maxItems": most, "items": {"$ref": f"#/components/schemas/{schema}"}}


def _schemes(described: Described) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if described.tokens:
        found["token"] = {"type": "http", "scheme": "bearer"}
    if described.signature:
        found["signature"] = {"type": "apiKey", "in": "header", "name": described.signature}
    return found


def _schemas(described: Described) -> dict[str, Any]:
    text = {"type": "string"}
    type_: dict[str, Any] = {"enum": list(described.types)} if described.types else dict(text)
    return {
        "Data": dict(described.data) or {"description": "Any JSON value."},
        "Accepted": {
            "type": "object",
            "properties": {"id": text, "ids": {"type": "array", "items": text}, "status": text},
        },
        "CloudEvent": {
            "type": "object",
            "required": ["specversion", "id", "source", "type"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": text,
                "source": text,
                "type": type_,
                "time": {"type": "string", "format": "date-time"},
                "data": {"$ref": "#/components/schemas/Data"},
            },
        },
        "Problem": {
            "type": "object",
            "properties": {
                "title": text,
                "status": {"type": "integer"},
                "detail": text,
                "reason": text,
                "errors": {"type": "array", "items": {"type": "object"}},
            },
        },
    }
