"""The quick test of a schema passes nothing that the standard does not."""

import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.compliance import rules
from bench.compliance.rules import problem_of, value_at, violations_of_shape
from bench.compliance.schema import quick_test
from tests.report.report_records import make_grid, make_job, make_plan, make_record

RULES = {rule["rule"]: rule for rule in rules._rules()["record"]}
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3), st.floats(), st.text(max_size=2),
    st.just("0" * 64), st.just(10**13),
)  # fmt: skip
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)


def places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def good_record():
    """As read from a file: without the types of NumPy."""
    optional = {
        "sources": {"methods/vanilla.py": "0" * 16},
        "confirmed": {"equal": "bit for bit", "cpu": "one", "instructions": "avx2"},
    }
    return json.loads(json.dumps({**make_record(make_job()), **optional}))


@settings(max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize("name", RULES)
def test_what_it_passes_is_valid(name, data):
    value = value_at(good_record(), RULES[name]["at"])
    path = data.draw(st.sampled_from(sorted(places(value), key=str)))
    other = data.draw(JSON)
    if path:
        place = value
        for key in path[:-1]:
            place = place[key]
        if data.draw(st.booleans()):
            place[path[-1]] = other
        else:
            del place[path[-1]]
    else:
        value = other
    if quick_test(RULES[name]["is"])(value):
        jsonschema.Draft202012Validator(RULES[name]["is"]).validate(value)


def test_good_records_and_plans_need_no_other(monkeypatch):
    """Else each costs ten milliseconds more, and a thousand of them the time of a report."""
    record, plan = good_record(), make_plan(make_grid())
    monkeypatch.setattr(rules, "_validator", lambda name: pytest.fail(f"{name} is judged slowly"))
    assert list(violations_of_shape(record)) == []
    assert problem_of("plan", plan) is None
    assert problem_of("files", record["files"]) is None
    assert problem_of("failure", {"schema": 1, "job_id": "x", "reason": "y"}) is None


@pytest.mark.parametrize(
    "schema",
    [{"type": "integer", "multipleOf": 2}, {}, {"minimum": 3}, {"const": 1, "type": "integer"}],
)
def test_an_unknown_keyword_passes_nothing(schema):
    assert not quick_test(schema)(4)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, True),
        ({"const": 1}, True),
        ({"type": ["number", "null"], "maximum": 1}, 1.5),
        ({"type": ["number", "null"], "maximum": 1}, 2),
        ({"type": "array", "items": {"type": "integer", "minimum": 0}}, [1, -1]),
        ({"type": "object", "additionalProperties": False}, {"x": 1}),
    ],
)
def test_what_is_wrong_is_not_passed(schema, value):
    assert not quick_test(schema)(value)
