"""JSON Schema and reference: both know every key that the reader knows, and nothing else."""

import json

import pytest
import yaml

from penstock.topology.json_schema import json_schema, sections
from penstock.topology.kinds import KINDS
from penstock.topology.model import Processor, Retry, Topology
from penstock.topology.option import options
from penstock.topology.reference import reference


def test_the_schema_is_json_and_names_its_dialect():
    schema = json.loads(json.dumps(json_schema()))

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["name"]


@pytest.mark.slow
@pytest.mark.parametrize("section", list(sections(Topology)), ids=lambda section: section.__name__)
def test_every_section_is_described_key_by_key(section):
    schema = json_schema()
    described = schema if section is Topology else schema["$defs"][section.__name__]

    assert list(described["properties"]) == list(options(section))
    assert described["additionalProperties"] is False
    assert all(found["description"] for found in described["properties"].values())
    for key in options(section):
        assert f"| `{key}` |" in reference()


def test_required_keys_bounds_and_choices_reach_the_schema():
    processor = json_schema()["$defs"]["Processor"]
    concurrency = processor["properties"]["concurrency"]["anyOf"][0]

    assert processor["required"] == ["handler", "topics"]
    assert concurrency == {"type": "integer", "minimum": 1, "maximum": 100_000}
    assert processor["properties"]["ordering"]["anyOf"][0] == {"enum": ["key", "partition", "none"]}
    assert processor["properties"]["retry"]["$ref"] == "#/$defs/Retry"
    assert json_schema()["properties"]["processors"]["additionalProperties"] == {"$ref": "#/$defs/Processor"}


def test_every_reference_inside_the_schema_leads_somewhere():
    text = json.dumps(json_schema())
    defined = json_schema()["$defs"]

    for part in text.split('"$ref": "#/$defs/')[1:]:
        assert part.split('"')[0] in defined


def test_every_declared_kind_has_words():
    used = {option.kind for section in sections(Topology) for option in options(section).values()}

    assert used <= set(KINDS)


def test_the_reference_spells_defaults_as_the_file_would():
    page = reference()

    assert "| `timeout` | duration | `2m` |" in page
    assert "| `concurrency` | whole number | `100` |" in page
    assert "| `handler` | text | **required** |" in page
    assert "| `preserve_order` | true or false | `false` |" in page


def test_the_example_in_the_reference_uses_known_keys():
    example = yaml.safe_load(reference().split("```yaml\n")[1].split("```")[0])

    assert set(example) <= set(options(Topology))
    assert set(example["processors"]["triage"]) <= set(options(Processor))
    assert "max_attempts" in options(Retry)
