"""Names with options, as typed on the command line: ``cb[beta=0.99,base=focal]``."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any, TypeVar, get_args, get_origin

from pydantic import ValidationError

from bench.errors import UsageError, nearest
from bench.options import ENCODER as ENCODER
from bench.options import FOLD, Options
from bench.strict_yaml import parse_value

_SPEC = re.compile(r"\s*(?P<name>[^\[\]]+?)\s*(?:\[(?P<options>.*)\])?\s*", re.DOTALL)

O = TypeVar("O", bound=Options)  # noqa: E741


@dataclass(frozen=True)
class Spec:
    """A plug-in's name and the options the user set, not yet checked against the plug-in."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The spec as text, options sorted; what tables and records call it."""
        if not self.options:
            return self.name
        inside = ",".join(f"{key}={_text(value)}" for key, value in sorted(self.options.items()))
        return f"{self.name}[{inside}]"


def spec_of(name: str, options: Options) -> Spec:
    """The plug-in `name` with those of its `options` that are not the defaults."""
    return Spec(name, options.model_dump(mode="json", exclude_defaults=True))


def parse_spec(text: str) -> Spec:
    """Read one ``name`` or ``name[key=value,...]``; values are read as YAML scalars.

    Raises
    ------
    UsageError
        The brackets do not close or an option is not ``key=value``.
    """
    match = _SPEC.fullmatch(text)
    if match is None:
        raise UsageError(f"Expected a name or name[key=value,...], but got {text!r}.")
    options: dict[str, Any] = {}
    for part in split_list(match["options"] or ""):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"Expected key=value inside the brackets of {text!r}, got {part!r}.")
        if key.strip() in options:
            raise UsageError(f"The option {key.strip()!r} stands twice in {text!r}.")
        read = _encoders if key.strip() == ENCODER else parse_value
        options[key.strip()] = read(value) if value.strip() else ""
    return Spec(match["name"], options)


def as_label(text: str, known: Collection[str]) -> str:
    """`text`, or the label of `known` that it spells otherwise: with quotes, spaces, another order.

    Examples
    --------
    >>> as_label('diverse_stack[members="ib+gbdt"]', ["ib", "diverse_stack[members=ib+gbdt]"])
    'diverse_stack[members=ib+gbdt]'
    """
    if text in known:
        return text
    try:
        label = parse_spec(text).label
    except UsageError:
        return text
    return label if label in known else text


def _encoders(text: str) -> Any:
    """The value of ``backbone``: an encoder, which may have brackets of its own, or a list."""
    text = text.strip()
    return split_list(text[1:-1]) if text.startswith("[") and text.endswith("]") else text


def without_encoder(spec: Spec) -> tuple[Spec, str | None]:
    """`spec` without the reserved key ``backbone``, and that key's value."""
    options = dict(spec.options)
    encoder = options.pop(ENCODER, None)
    return Spec(spec.name, options), encoder


def label_and_encoder(label: str) -> tuple[str, str | None]:
    """The label of a row without the encoder that it names, and that encoder.

    Examples
    --------
    >>> label_and_encoder("cb[backbone=gin,beta=0.9]")
    ('cb[beta=0.9]', 'gin')
    >>> label_and_encoder("cb")
    ('cb', None)
    """
    if f"{ENCODER}=" not in label:
        return label, None
    spec, named = without_encoder(parse_spec(label))
    return (label, None) if named is None else (spec.label, named)


def label_and_fold(label: str) -> tuple[str, int | None]:
    """The label of a split without the fold that it names, and that fold.

    Examples
    --------
    >>> label_and_fold("cv5[fold=2,group_duplicates=true]")
    ('cv5[group_duplicates=true]', 2)
    >>> label_and_fold("random")
    ('random', None)
    """
    if f"{FOLD}=" not in label:
        return label, None
    spec = parse_spec(label)
    options = dict(spec.options)
    fold = options.pop(FOLD, None)
    return (Spec(spec.name, options).label, fold) if isinstance(fold, int) else (label, None)


def label_of_fold(label: str, fold: int) -> str:
    """The label of one fold of a split; the reverse of :func:`label_and_fold`."""
    spec = parse_spec(label)
    return Spec(spec.name, {**spec.options, FOLD: fold}).label


def specs_of_lists(spec: Spec, options_type: type[Options]) -> list[Spec]:
    """One spec for each value of a list, for several lists their product, the last fastest.

    A list is one value for an option whose type is itself a list.

    Raises
    ------
    UsageError
        A list is empty.
    """
    lists = {
        key: value
        for key, value in spec.options.items()
        if isinstance(value, list) and not _takes_lists(options_type, key)
    }
    for key, values in lists.items():
        if not values:
            raise UsageError(
                f"Expected at least one value in the list of {key!r} of {spec.name!r}, but got []."
            )
    return [
        Spec(spec.name, {**spec.options, **dict(zip(lists, values, strict=True))})
        for values in product(*lists.values())
    ]


def _takes_lists(options_type: type[Options], key: str) -> bool:
    field_info = options_type.model_fields.get(key)
    return field_info is not None and any(
        kind in (tuple, list) for kind in _kinds(field_info.annotation)
    )


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types of an annotation; all of a union's."""
    origin = get_origin(annotation)
    if origin in (tuple, list) or not get_args(annotation):
        yield origin or annotation
    else:
        for argument in get_args(annotation):
            yield from _kinds(argument)


def split_list(text: str, separator: str = ",") -> list[str]:
    """Split at commas outside brackets and double quotes; empty items are dropped."""
    items, depth, quoted, escaped, current = [], 0, False, False, ""
    for character in text:
        quoted ^= character == '"' and not escaped
        escaped = character == "\\" and quoted and not escaped
        if not quoted:
            depth += (character == "[") - (character == "]")
        if character == separator and depth == 0 and not quoted:
            items.append(current)
            current = ""
        else:
            current += character
    items.append(current)
    return [item.strip() for item in items if item.strip()]


def check_options(options_type: type[O], spec: Spec, kind: str) -> O:
    """The typed options of `spec`.

    Raises
    ------
    UsageError
        Unknown option (nearest names offered), wrong type or value out of range.
    """
    try:
        return options_type.model_validate_json(json.dumps(spec.options))
    except (ValidationError, TypeError, ValueError) as error:
        raise UsageError(
            f"Options of {kind} {spec.name!r}: {explain(error, options_type)}"
        ) from None


def explain(error: Exception, options_type: type[Options], origins: dict[str, str] | None = None
            ) -> str:  # fmt: skip
    """One line for each thing wrong: what was expected, what was got, and where it was set."""
    if not isinstance(error, ValidationError):
        return str(error)
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            known = _fields_at(options_type, item["loc"][:-1])
            near = nearest(str(item["loc"][-1]), known)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            text = f"unknown key {key!r}: {hint}Known: {', '.join(known) or 'none'}."
        elif item["type"] == "value_error":  # a check of our own, which says what it got
            text = f"{key or 'options'}: {item['msg'].removeprefix('Value error, ')}."
        else:
            text = f"{key or 'value'}: {item['msg']}, but got {item['input']!r}."
            if item["type"] in ("tuple_type", "list_type"):
                text += f" Write a list, such as [{item['input']}]."
            elif isinstance(item["input"], list):
                text += " Several values go into the brackets of a name that is run, one row each."
        origin = _origin(key, origins or {})
        lines.append(f"{text} (set by {origin})" if origin else text)
    return "\n  ".join(lines)


def _origin(key: str, origins: dict[str, str]) -> str | None:
    """Where `key`, or the list or mapping it stands in, was set."""
    while key:
        if key in origins:
            return origins[key]
        key = key.rpartition(".")[0]
    return None


def _fields_at(options_type: type[Options], path: tuple[Any, ...]) -> list[str]:
    for part in path:
        annotation = options_type.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, Options)):
            return []
        options_type = annotation
    return sorted(options_type.model_fields)


def _text(value: Any) -> str:
    """`value` as :func:`parse_spec` reads it back; a string in quotes only where it needs them."""
    if isinstance(value, str):
        try:
            read = parse_spec(f"name[text={value},beside=1]").options
        except UsageError:
            read = {}
        if read == {"text": value, "beside": 1}:
            return value
        quoted = json.dumps(value, ensure_ascii=False)
        return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
    return json.dumps(value) if isinstance(value, (list, bool, type(None))) else str(value)
