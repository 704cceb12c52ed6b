"""Header names and metric names stand in one closed list each; nobody spells one a second time."""

from __future__ import annotations

import ast
import re
from functools import cache

from source_tree import Module, modules, nodes

from penstock import headers
from penstock.service import metrics

HEADERS = {value for value in vars(headers).values() if isinstance(value, str) and value.startswith("penstock-")} - {
    headers.OURS
}
FORM = re.compile(r"penstock_[a-z_]+")


@cache
def strings(module: Module) -> list[tuple[int, str]]:
    """Text constants that are no docstrings, with their lines."""
    docstrings = {
        id(node.body[0].value)
        for node in nodes(module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        (node.lineno, node.value)
        for node in nodes(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]


# Walks the headers of every record that is received, and compares literally: a name looked up costs there.
LITERAL = "penstock.schema.envelope"


def test_header_names_stand_in_one_list():
    again = [
        f"{module.place}:{line}: {text}"
        for module in modules("penstock")
        if module.name not in ("penstock.headers", LITERAL)
        for line, text in strings(module)
        if text in HEADERS or (text.startswith("ce_") and text != "ce_")
    ]

    assert again == [], "name the constant of penstock.headers"


def test_the_one_literal_place_spells_no_other_names():
    (module,) = (one for one in modules("penstock") if one.name == LITERAL)
    spelled = {text for _, text in strings(module) if re.fullmatch(r"(ce_|penstock-)[a-z-]+", text)}

    assert spelled <= {headers.CE_TYPE, headers.CE_DATASCHEMA}


def test_no_header_is_made_up_elsewhere():
    """What else begins with our name and a dash names a client, a thread or a file; these words are the headers'."""
    names = re.compile(r"penstock-(run|attempt|defer|not|origin|first|error|group|reason|replay-|dlt|discard|progress)")
    made_up = [
        f"{module.place}:{line}: {text}"
        for module in modules("penstock")
        if module.name != "penstock.headers"
        for line, text in strings(module)
        if names.match(text)
    ]

    assert made_up == []


def test_headers_are_spelled_one_way():
    for name in HEADERS:
        assert re.fullmatch(r"penstock-([a-z]+(-[a-z]+)*)?", name), name


def test_metric_names_stand_in_one_place():
    again = [
        f"{module.place}:{line}: {text}"
        for module in modules("penstock")
        if module.name != "penstock.service.metrics"
        for line, text in strings(module)
        if FORM.fullmatch(text)
    ]

    assert again == []


def test_every_metric_has_its_sentence():
    for name, (sentence, _) in {
        **metrics.GAUGES,
        **metrics.COUNTERS,
        **metrics.SOURCE_GAUGES,
        **metrics.SOURCE_COUNTERS,
    }.items():
        assert FORM.fullmatch(name), name
        assert sentence.endswith("."), f"{name}: {sentence}"
    assert not set(metrics.GAUGES) & set(metrics.COUNTERS)
    assert not [name for name in metrics.COUNTERS if name.endswith("_total")], "the exporter adds _total"
