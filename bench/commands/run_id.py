"""A stored run by its id, or by how its id begins."""

from __future__ import annotations

from typing import Any

from bench.errors import StoreError, UnknownNameError, UsageError
from bench.sweep.store import Store

# Ids that are all named where one is not known; of more, those that begin most alike.
_MOST_NAMED = 20
_NAMED = 5


def run_by_id(store: Store, text: str) -> dict[str, Any]:
    """The record of the run whose id is `text` or, alone among all, begins with it.

    Raises
    ------
    UsageError
        None or several do.
    StoreError
        There are no runs, or the record is damaged.
    """
    known = store.job_ids()
    if not known:
        raise store.without_runs()
    found = [job_id for job_id in known if text and job_id.startswith(text)]
    if len(found) > 1 and text not in found:
        raise UsageError(
            f"Expected one run whose id begins with {text!r}, but {len(found)} do: "
            f"{', '.join(found[:_NAMED])}. Give more of it."
        )
    if not found:
        if len(known) > _MOST_NAMED:
            known = sorted(known, key=lambda one: _common(one, text), reverse=True)[:_NAMED]
        raise UnknownNameError("run", text, known, where=f"in {store.root}")
    job_id = text if text in found else found[0]
    record = store.read(job_id)
    if record is None:
        raise StoreError(f"The record of run {job_id} is damaged: run the benchmark command again.")
    return record


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    return next(
        (i for i, pair in enumerate(zip(one, other, strict=False)) if len({*pair}) > 1),
        min(len(one), len(other)),
    )
