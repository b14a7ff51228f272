"""Names of methods in a plan, held to what is registered here.

A plan is a file that anybody may have edited, and no job id covers how it calls a method.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from bench.compliance.rules import name_of
from bench.compliance.violation import Violation
from bench.dataset import DATASETS
from bench.errors import BenchError, UsageError
from bench.method import METHODS, Method
from bench.spec import ENCODER, Spec, check_options, parse_spec, without_encoder
from bench.titles import method_title

Json = Mapping[str, Any]

_UNREGISTERED = "(method not registered here)"


def with_registered_names(plan: Json) -> dict[str, Any]:
    """`plan` with titles and groups as they are registered, whatever it says itself.

    A method that is not registered here keeps what the plan calls it, with a mark. One whose
    options were chosen by trials is called as it was asked for.
    """
    return {
        **plan,
        "jobs": [
            {**job, **_names(job, plan, _asked(job, plan)), "backbone": encoder_of(job, plan)}
            for job in plan["jobs"]
        ],
    }


def summary_of(name: str) -> str:
    """What a method does, in a sentence or two; nothing of one that is not registered here."""
    if name not in METHODS:
        return ""
    return _summary(METHODS.get(name).cls)


def own_epochs(method: Json) -> int | None:
    """Epochs of the loop of its own that a method of a record has.

    None of others, and of a method that is not registered here with these options.
    """
    if method["name"] not in METHODS:
        return None
    cls = METHODS.get(method["name"]).cls
    try:
        options = check_options(cls.options_type, Spec(method["name"], method["options"]), "method")
    except UsageError:
        return None
    return cls.epochs(options)


def origin_of(name: str) -> str:
    """Where a data set comes from and what its samples are; nothing of one not registered here."""
    if name not in DATASETS:
        return ""
    entry = DATASETS.get(name)
    return f"{entry.facts['reference'].rstrip('.')}. {_summary(entry.cls)}"


def _summary(cls: type) -> str:
    """The first paragraph of the docstring, as one line."""
    paragraph = (inspect.getdoc(cls) or "").partition("\n\n")[0]
    return " ".join(paragraph.split())


def encoder_of(job: Json, plan: Json) -> str:
    """Label of the encoder of molecules that a planned run has, nothing for one without."""
    if job["method"] not in METHODS:
        return str(job.get("backbone", ""))
    try:
        spec = parse_spec(job["method_label"])
        follows = _follows(spec)
    except BenchError:
        return ""
    usual = str(plan["settings"].get("backbones", {}).get("molecule", ""))
    return str(spec.options.get(ENCODER, usual)) if follows else ""


def _follows(spec: Spec) -> bool:
    """Whether a method's network, or one that it depends on, has the encoder of its row."""
    cls = METHODS.get(spec.name).cls
    if issubclass(cls, Method):
        return True
    options = check_options(cls.options_type, without_encoder(spec)[0], "method")
    needed = [parse_spec(text) for text in cls.requires(options).values()]
    return any(ENCODER not in other.options and _follows(other) for other in needed)


def title_of(job: Json, plan: Json, label: str) -> str:
    """What tables call the method of a planned run, with the options of `label`."""
    if job["method"] not in METHODS:
        return f"{job['title'].removesuffix(_UNREGISTERED).strip()} {_UNREGISTERED}"
    try:
        return method_title(label, encoder_of(job, plan))
    except BenchError:
        return label


def _names(job: Json, plan: Json, label: str) -> dict[str, str]:
    names = {"title": title_of(job, plan, label)}
    if job["method"] in METHODS:
        names["group"] = METHODS.get(job["method"]).facts["group"]
    return names


def _asked(job: Json, plan: Json) -> str:
    """The label of a job's method before trials chose its options, which the caption names."""
    chosen: Mapping[str, str] = plan["settings"].get("trials", {}).get("chosen", {})
    label: str = job["method_label"]
    return next((asked for asked, found in chosen.items() if found == label), label)


def violations_of_names(plan: Json) -> list[Violation]:
    """Titles and groups of `plan` that are not those of the methods registered here."""
    found = {}
    for job in plan["jobs"]:
        if job["method"] in METHODS:
            for key, name in _names(job, plan, job["method_label"]).items():
                if job[key] != name:
                    found[job["method_label"], key] = Violation(
                        "as registered",
                        f"method {job['method_label']}",
                        f"expected the {key} {name!r}, but the plan says {job[key]!r}. Run the "
                        "benchmark command again, which writes the plan again.",
                    )
    return list(found.values())


def violations_of_label(job: Json, record: Json) -> list[Violation]:
    """Whether the label of a job's method says what method and options its run really had."""
    label, ran = job["method_label"], record["job"]["method"]
    try:
        said = parse_spec(label)
    except UsageError as error:
        return [Violation("as planned", name_of(record), f"label {label!r}: {error}")]
    pairs = {"name": (said.name, ran["name"])} if said.name != ran["name"] else {}
    for key, value in said.options.items():
        if key == ENCODER:
            pairs |= _other_encoder(str(value), record["job"]["backbones"].get("molecule"))
            continue
        got = ran["options"].get(key)
        if not _means(ran["name"], key, value, got):
            pairs[key] = (value, got)
    return [
        Violation(
            "as planned",
            name_of(record),
            f"expected {key} {value!r}, as its label {label!r} says, but got {got!r}.",
        )
        for key, (value, got) in pairs.items()
    ]


def _other_encoder(said: str, ran: Json | None) -> dict[str, tuple[Any, Any]]:
    """What differs between the encoder that a label names and the one that a run had."""
    spec = parse_spec(said)
    got = {} if ran is None else ran
    same = spec.name == got.get("name") and all(
        value == got["options"].get(key) for key, value in spec.options.items()
    )
    return {} if same else {ENCODER: (said, got.get("label"))}


def _means(method: str, key: str, value: Any, got: Any) -> bool:
    """Whether `value` of a label, which gives no type, is the option `got` of a run."""
    if value == got or (value is None and got == ""):
        return True
    if method not in METHODS:
        return False
    options_type = METHODS.get(method).cls.options_type
    try:
        checked = check_options(options_type, Spec(method, {key: value}), "method")
    except UsageError:
        return False
    return bool(checked.model_dump(mode="json")[key] == got)
