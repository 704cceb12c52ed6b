"""The OpenAPI document as a page for people: plain HTML, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

import orjson

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222;"
    "background:#fff}"
    "code,pre{font:14px ui-monospace,monospace;background:#f4f4f4;border-radius:4px}code{padding:0 .3em}"
    "pre{padding:.8em;overflow:auto}td,th{text-align:left;vertical-align:top;padding:.2em 1em .2em 0}"
    "h2{border-top:1px solid #ccc;padding-top:1em}@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}"
    "code,pre{background:#2b2b2b}a{color:#8bf}}"
)


def html(document: Mapping[str, Any]) -> str:
    """The whole page."""
    info = document["info"]
    title = escape(info["title"])
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1><p>{_text(info['description'])}</p>",
        "<p>For programs: <a href='openapi.json'>openapi.json</a></p>",
        *_security(document),
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += _operation(method, path, operation)
    parts.append("<h2>Schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        parts.append(f"<h3>{escape(name)}</h3><pre>{_pretty(schema)}</pre>")
    return "".join(parts)


def _security(document: Mapping[str, Any]) -> Iterator[str]:
    for scheme in document["components"]["securitySchemes"].values():
        if scheme["type"] == "http":
            yield "<p>Send <code>Authorization: Bearer &lt;token&gt;</code>.</p>"
        else:
            yield f"<p>Or sign the body: header <code>{escape(scheme['name'])}</code>.</p>"


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}."
    yield f" {_text(operation.get('description', ''))}</p><h3>Parameters</h3>"
    rows = ((one["name"], one.get("description", "")) for one in operation["parameters"])
    yield from _table(rows)
    content = operation.get("requestBody", {}).get("content", {})
    if content:
        yield "<h3>Body</h3>"
        yield from _table((kind, _brief(body["schema"])) for kind, body in content.items())
    yield "<h3>Answers</h3>"
    yield from _table((status, answer["description"]) for status, answer in sorted(operation["responses"].items()))


def _table(rows: Iterator[tuple[str, str]]) -> Iterator[str]:
    yield "<table>"
    for name, meaning in rows:
        yield f"<tr><td><code>{escape(name)}</code><td>{_text(meaning)}"
    yield "</table>"


def _brief(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "items" in schema:
        return f"an array of {_brief(schema['items'])}, at most {schema['maxItems']}"
    return str(schema.get("description", ""))


def _text(text: str) -> str:
    """Escaped, and what stands between backticks as code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))


def _pretty(schema: Mapping[str, Any]) -> str:
    return escape(orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode())
