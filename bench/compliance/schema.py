"""A JSON Schema as one Python function, for the many values that keep it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

Test = Callable[[Any], bool]

# Exact types: a Boolean is no number in JSON, whatever Python says.
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def quick_test(schema: Mapping[str, Any]) -> Test:
    """A function that is true only of values that keep `schema`.

    A value that it is not true of, be it for a keyword that is not known here or for 3.0 as an
    integer, is for ``jsonschema`` to judge, which knows the whole standard, says what is wrong and
    takes 10 ms for the confusion matrix of 29 classes.
    """
    rest = dict(schema)
    if "const" in rest or "enum" in rest:
        allowed = rest.pop("enum") if "enum" in rest else [rest.pop("const")]
        if rest:
            return _never
        return lambda value: any(type(value) is type(one) and value == one for one in allowed)
    named = rest.pop("type", ())
    names = [named] if isinstance(named, str) else named
    makers = {kind: _MAKERS.get(kind, _nothing) for name in names for kind in _TYPES[name]}
    made = {make: make(rest) for make in set(makers.values())}  # each takes its keywords
    tests = {kind: made[make] for kind, make in makers.items()}
    return _never if rest else lambda value: tests.get(type(value), _never)(value)


def _number(rest: dict[str, Any]) -> Test:
    low, high = rest.pop("minimum", -inf), rest.pop("maximum", inf)
    above = rest.pop("exclusiveMinimum", None)
    return lambda value: low <= value <= high and (above is None or value > above)


def _text(rest: dict[str, Any]) -> Test:
    shortest, longest = rest.pop("minLength", 0), rest.pop("maxLength", inf)
    pattern = re.compile(rest.pop("pattern", ""))
    return lambda value: shortest <= len(value) <= longest and bool(pattern.search(value))


def _array(rest: dict[str, Any]) -> Test:
    fewest, most = rest.pop("minItems", 0), rest.pop("maxItems", inf)
    item = quick_test(rest.pop("items")) if "items" in rest else _always
    return lambda value: fewest <= len(value) <= most and all(map(item, value))


def _object(rest: dict[str, Any]) -> Test:
    required = frozenset(rest.pop("required", ()))
    known = {key: quick_test(of) for key, of in rest.pop("properties", {}).items()}
    others = rest.pop("additionalProperties", True)
    other = _always if others is True else _never if others is False else quick_test(others)
    named = quick_test({"type": "string", **rest.pop("propertyNames", {})})
    return lambda value: (
        required <= value.keys()
        and all(map(named, value))
        and all(known.get(key, other)(item) for key, item in value.items())
    )


def _nothing(rest: dict[str, Any]) -> Test:
    return _always


def _always(value: Any) -> bool:
    return True


def _never(value: Any) -> bool:
    return False


_MAKERS: Mapping[type, Callable[[dict[str, Any]], Test]] = {
    int: _number,
    float: _number,
    str: _text,
    list: _array,
    dict: _object,
}
