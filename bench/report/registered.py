"""Names of methods in a plan, held to what is registered here.

A plan is a file that anybody may have edited, and no job id covers how it calls a method.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.compliance.breach import Breach
from bench.compliance.rules import name_of
from bench.errors import UsageError
from bench.method import METHODS
from bench.spec import Spec, check_options, parse_spec, row_title

Json = Mapping[str, Any]

_UNREGISTERED = "(method not registered here)"


def with_registered_names(plan: Json) -> dict[str, Any]:
    """`plan` with titles and groups as they are registered, whatever it says itself.

    A method that is not registered here keeps what the plan calls it, with a mark.
    """
    return {**plan, "jobs": [{**job, **_names(job)} for job in plan["jobs"]]}


def _names(job: Json) -> dict[str, str]:
    if job["method"] not in METHODS:
        return {"title": f"{job['title'].removesuffix(_UNREGISTERED).strip()} {_UNREGISTERED}"}
    facts = METHODS.get(job["method"]).facts
    return {"title": row_title(facts["title"], job["method_label"]), "group": facts["group"]}


def breaches_of_names(plan: Json) -> list[Breach]:
    """Titles and groups of `plan` that are not those of the methods registered here."""
    found = {}
    for job in plan["jobs"]:
        if job["method"] in METHODS:
            for key, name in _names(job).items():
                if job[key] != name:
                    found[job["method_label"], key] = Breach(
                        "as registered",
                        f"method {job['method_label']}",
                        f"expected the {key} {name!r}, but the plan says {job[key]!r}. Run the "
                        "benchmark command again, which writes the plan again.",
                    )
    return list(found.values())


def breaches_of_label(job: Json, record: Json) -> list[Breach]:
    """Whether the label of a job's method says what method and options its run really had."""
    label, ran = job["method_label"], record["job"]["method"]
    try:
        said = parse_spec(label)
    except UsageError as error:
        return [Breach("as planned", name_of(record), f"label {label!r}: {error}")]
    pairs = {"name": (said.name, ran["name"])} if said.name != ran["name"] else {}
    for key, value in said.options.items():
        got = ran["options"].get(key)
        if not _means(ran["name"], key, value, got):
            pairs[key] = (value, got)
    return [
        Breach(
            "as planned",
            name_of(record),
            f"expected {key} {value!r}, as its label {label!r} says, but got {got!r}.",
        )
        for key, (value, got) in pairs.items()
    ]


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
