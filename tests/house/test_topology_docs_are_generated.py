"""docs/topology.md says what the options say."""

from pathlib import Path

from penstock.topology.reference import reference

DOCS = Path(__file__).parents[2] / "docs" / "topology.md"


def test_topology_docs_are_generated():
    written = DOCS.read_text(encoding="utf-8")

    assert written == reference(), "docs/topology.md is stale: python -m penstock.topology.reference > docs/topology.md"
