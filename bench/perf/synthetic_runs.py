"""A results folder of runs that were never trained, as from an archive, to time what reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.config import resolve
from bench.method import METHODS
from bench.metrics import balanced_accuracy, evaluate
from bench.sweep.decisions import pack_decisions
from bench.sweep.plan import Job, expand, make_jobs, plan_document
from bench.sweep.provenance import provenance
from bench.sweep.store import DECISIONS, Store

_METHODS = 20
_SPLITS = ("random", "standard")
# Named, never read.
_DATASET = "hiv"
_DIGEST = "0" * 64
_STARTED = "2025-01-01T00:00:00+00:00"


def write_runs(root: Path, runs: int, classes: int, samples: int) -> None:
    """Fill a results folder: a plan and its runs, of which labels and predicted classes are kept.

    Twenty methods on both splits, and as many seeds as that takes; training counts fall from class
    to class as a long tail does, and some classes are harder than others.

    Parameters
    ----------
    root : Path
    runs : int
        At least as many are written, of each method and split the same number.
    classes, samples : int
        Of the test set.
    """
    names = [entry.name for entry in METHODS if not entry.cls.requires(entry.cls.options_type())]
    names = names[:_METHODS]
    seeds = range(-(-runs // (len(names) * len(_SPLITS))))
    asked = {"datasets": [_DATASET], "methods": names, "splits": list(_SPLITS), "seeds": [*seeds]}
    resolved = resolve("quick", asked)
    jobs = make_jobs(expand(resolved.settings), {_DATASET: _DIGEST}, {_DATASET: ("molecule",)})
    store = Store(root)
    store.require_writable()
    labels = np.sort(np.arange(samples) % classes)
    for number, job in enumerate(jobs):
        _write_run(store, job, labels, classes, np.random.default_rng(number))
    store.write_plan(plan_document(resolved, jobs))


def write_many_classes(path: Path, classes: int) -> int:
    """A CSV of chains with three rows of each class, and the number of its rows."""
    rng = np.random.default_rng(0)
    links = np.array(["C", "N", "O", "S", "C(=O)N", "C(F)", "c1ccccc1", "C1CCCCC1"])
    rows = 3 * classes
    with path.open("w", encoding="ascii") as stream:
        stream.write("smiles,label\n")
        for row in range(rows):
            chain = "".join(rng.choice(links, rng.integers(4, 15)))
            stream.write(f"C{chain}C,class {row % classes}\n")
    return rows


def _write_run(
    store: Store, job: Job, labels: np.ndarray, classes: int, rng: np.random.Generator
) -> None:
    logits = {part: _logits(labels, classes, rng) for part in ("valid", "test")}
    train_counts = 20 + 2000 // np.arange(1, classes + 1)
    counts = np.bincount(labels, minlength=classes).tolist()
    score = balanced_accuracy(labels, logits["valid"].argmax(axis=1), classes)
    record = {
        "job": job.to_json(),
        "data": {
            "file": "synthetic.csv",
            "sha256": _DIGEST,
            "content_sha256": _DIGEST,
            "fingerprint": _DIGEST,
            "samples": int(train_counts.sum()) + 2 * len(labels),
            "unusable": 0,
            "class_names": [f"class {k}" for k in range(classes)],
            "train_counts": train_counts.tolist(),
            "valid_counts": counts,
            "test_counts": counts,
            "split_hash": f"{job.seed:063x}{_SPLITS.index(job.split.name)}",
        },
        **evaluate(labels, logits["test"], train_counts).to_record(),
        "selection": {"epoch": 1, "valid_balanced_accuracy": score},
        "history": _history(job.training.epochs, score),
        "parameters": 0,
        "time": {"seconds": 1.0, "started": _STARTED, "finished": _STARTED},
        "provenance": {**provenance(), "device": "cpu"},
    }
    arrays = {f"{part}_logits": values for part, values in logits.items()}
    arrays |= {f"{part}_labels": labels for part in logits}
    store.write(job.job_id, record, arrays, {})
    folder = store.root / "runs" / job.job_id
    packed = pack_decisions(job.job_id, store.decisions(job.job_id))
    for path in folder.glob("*.safetensors"):
        path.unlink()
    (folder / DECISIONS).write_bytes(packed)


def _logits(labels: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
    logits = rng.standard_normal((len(labels), classes), dtype=np.float32)
    logits[np.arange(len(labels)), labels] += rng.uniform(0.5, 4.0, classes)[labels]
    return logits


def _history(epochs: int, score: float) -> Sequence[dict[str, float]]:
    return [
        {"epoch": epoch, "train_loss": 1.0, "valid_balanced_accuracy": score, "seconds": 0.1}
        for epoch in range(1, epochs + 1)
    ]
