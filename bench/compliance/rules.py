"""The rules written as data, applied to records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Literal

import jsonschema
import yaml

from bench.compliance.schema import quick_test
from bench.compliance.violation import Violation

Json = Mapping[str, Any]

# Of a value that is quoted, the characters shown.
_SHOWN = 300


def violations_of_shape(record: Json) -> Iterator[Violation]:
    """Rules of one record alone that its values break, one violation for each value."""
    where = name_of(record)
    try:
        json.dumps(record, allow_nan=False)
    except ValueError:
        yield Violation("finite", where, "expected null for an undefined figure, not nan or inf.")
    for rule in _rules()["record"]:
        try:
            value = value_at(record, rule["at"])
        except KeyError:
            if not rule.get("optional"):
                problem = f"expected a value at {rule['at']}, but got none."
                yield Violation(rule["rule"], where, problem)
            continue
        for problem in _problems(rule["rule"], value, rule["at"]):
            yield Violation(rule["rule"], where, f"{rule['says']} {problem}.")


def problem_of(kind: Literal["plan", "failure", "files"], value: Any) -> str | None:
    """What is wrong first with a plan, a failure or the ``files`` of a record, or None."""
    return next(_problems(kind, value, kind), None)


def _problems(name: str, value: Any, at: str) -> Iterator[str]:
    """Where below `at` the schema of this name is broken, and how."""
    try:
        if _quick_test(name)(value):
            return
        # Not by their texts, which lay out the whole value on lines.
        errors = sorted(
            _validator(name).iter_errors(value),
            key=lambda error: (error.message, *map(str, error.absolute_path)),
        )
    except RecursionError:
        yield f"{at}: it is nested too deeply"
        return
    for error in errors:
        place = ".".join([at, *map(str, error.absolute_path)])
        message = error.message
        if len(message) > _SHOWN:
            message = f"{message[: _SHOWN // 2]} ... {message[-_SHOWN // 2 :]}"
        yield f"{place}: {message}"


def violations_together(records: Sequence[Json]) -> Iterator[Violation]:
    """Rules that records of one report, each of right shape, break together."""
    for rule in _rules()["together"]:
        first: dict[tuple[Any, ...], Json] = {}
        for record in records:
            key = tuple(value_at(record, path) for path in rule["of"])
            known = first.get(key)
            if known is None:
                first[key] = record
                continue
            jobs = f"jobs {known['job_id']} and {record['job_id']}"
            if rule.get("unique"):
                found = f"two of them, {jobs}"
            else:
                one, other = value_at(known, rule["equal"]), value_at(record, rule["equal"])
                if one == other:
                    continue
                found = f"{one} and {other}, {jobs}"
            where = " / ".join(map(str, key))
            yield Violation(rule["rule"], where, f"{rule['says']} Got {found}.")


def value_at(record: Json, path: str) -> Any:
    """The value under the keys in `path`, such as ``job.dataset.label``.

    Raises
    ------
    KeyError
        There is none.
    """
    value: Any = record
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise KeyError(path)
        value = value[key]
    return value


def name_of(record: Json) -> str:
    """Job id and what was run, as far as the record says."""
    parts = []
    for path in ("job.dataset.label", "job.split.label", "job.method.label", "job.seed"):
        try:
            parts.append(str(value_at(record, path)))
        except KeyError:
            parts.append("?")
    return f"job {record.get('job_id', '?')} ({' / '.join(parts)})"


@cache
def _rules() -> dict[str, Any]:
    text = resources.files("bench.compliance").joinpath("rules.yaml").read_text()
    rules: dict[str, Any] = yaml.safe_load(text)
    return rules


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_schema(name))


@cache
def _quick_test(name: str) -> Callable[[Any], bool]:
    return quick_test(_schema(name))


def _schema(name: str) -> dict[str, Any]:
    """Of a rule on records, of plans or of failures."""
    rules = _rules()
    schemas = {item["rule"]: item["is"] for item in rules["record"]}
    schema: dict[str, Any] = (schemas | {kind: rules[kind] for kind in ("plan", "failure")})[name]
    return schema
