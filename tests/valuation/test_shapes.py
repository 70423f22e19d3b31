"""Our few words of JSON Schema say what the library says."""

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from served import SHIPPED, manifest

from housing_app.valuation import artifacts, shapes

VALUES = [None, True, False, 0, 1, -2, 1.0, 2.5, "", "a", "2015-03-31", "2015-02-30"]
VALUES += [[], [1], ["a", "b"], [1, 2, 3], {}, {"a": 1}, {"a": "x", "b": 2}, {"b": []}]
SCHEMAS = [
    *({"type": kind} for kind in ("object", "array", "string", "number", "integer")),
    {"type": "string", "format": "date"},
    {"enum": ["a", "b"]},
    {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 2},
    {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
    {"type": "object", "additionalProperties": {"type": "number"}},
    {"type": "object", "propertyNames": {"pattern": "^a$"}},
    {"type": "string", "pattern": "^[a-z]?$"},
]


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("value", VALUES)
def test_they_agree_on_any_value(schema, value):
    theirs = Draft202012Validator(schema, format_checker=FormatChecker(["date"]))
    assert (not list(shapes.faults(value, schema))) == theirs.is_valid(value)


@pytest.mark.parametrize("name", SHIPPED)
def test_they_agree_on_every_member_of_a_manifest(name):
    stored = manifest(name)
    schema = artifacts._SCHEMA
    theirs = Draft202012Validator(schema, format_checker=FormatChecker(["date"]))
    assert not list(shapes.faults(stored, schema))
    for member in stored:
        for value in VALUES:
            changed = stored | {member: value}
            found = list(shapes.faults(changed, schema))
            assert (not found) == theirs.is_valid(changed), (member, value)
            assert all(place.startswith(member) for place, _ in found)


def test_a_fault_names_its_place():
    schema = {"properties": {"a": {"items": {"type": "number"}}}}
    assert list(shapes.faults({"a": [1, "x"]}, schema)) == [("a[1]", "is no number")]
