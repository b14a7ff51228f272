"""Plans and records as the sweep writes them, small and without randomness."""

from __future__ import annotations

import hashlib
from itertools import product

import numpy as np

from bench.report.figures.source import source_of_table
from bench.report.html.results import places_of
from bench.report.model.table2 import table2

CLASS_COUNTS = {"hiv": [90, 30], "chembl_ki": [12, 60], "uspto_50k": [60, 40, 20, 10]}
SAMPLES = {"hiv": 41127, "uspto_50k": 50012, "chembl_ki": 40220}


def sha256(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def make_job(dataset="hiv", split="random", method="vanilla", seed=0, **changes):
    """A job of a plan; all three names may carry options in brackets."""
    name = method.partition("[")[0]
    return {
        "job_id": sha256("job", dataset, split, method, seed)[:20],
        "dataset": dataset.partition("[")[0],
        "dataset_label": dataset,
        "split": split.partition("[")[0],
        "split_label": split,
        "method": name,
        "method_label": method,
        "title": method.replace("[", " ["),
        "group": "paper",
        "seed": seed,
        **changes,
    }


def make_grid(datasets=("hiv",), splits=("random",), methods=("vanilla",), seeds=(0, 1, 2)):
    return [make_job(*place) for place in product(datasets, splits, methods, seeds)]


def make_plan(jobs):
    return {
        "schema": 1,
        "settings": {
            "preset": "quick",
            "epochs": 10,
            "batch_size": 128,
            "seeds": sorted({job["seed"] for job in jobs}),
            "selection": "best validation balanced accuracy",
            "datasets": {job["dataset_label"]: job["dataset_label"] for job in jobs},
            "given": ["training.epochs=10"],
        },
        "jobs": jobs,
    }


def make_confusion(job):
    """Mistakes go to the next class; how many follows from the job's hash."""
    counts = CLASS_COUNTS.get(job["dataset"], [20, 10])
    confusion = np.zeros((len(counts), len(counts)), dtype=int)
    for k, count in enumerate(counts):
        wrong = int(sha256(job["job_id"], k)[:4], 16) % (count // 2)
        confusion[k, k] = count - wrong
        confusion[k, (k + 1) % len(counts)] += wrong
    return confusion


def make_record(job, confusion=None, metrics=None, batch_size=128):
    """The record of a complete run of `job`; `metrics` overrides what the matrix gives."""
    confusion = np.asarray(make_confusion(job) if confusion is None else confusion)
    figures = {**figures_of(confusion), **(metrics or {})}
    test = confusion.sum(axis=1)
    source = (job["dataset_label"], job["split_label"], job["seed"])
    return {
        "schema": 1,
        "job_id": job["job_id"],
        "status": "complete",
        "job": {
            "dataset": {
                "name": job["dataset"],
                "label": job["dataset_label"],
                "options": {},
                "version": 1,
            },
            "split": {
                "name": job["split"],
                "label": job["split_label"],
                "options": {"group_duplicates": False},
                "version": 1,
            },
            "method": {
                "name": job["method"],
                "label": job["method_label"],
                "options": {},
                "version": 1,
            },
            "backbones": {},
            "seed": job["seed"],
            "training": {"epochs": 10, "batch_size": batch_size, "learning_rate": 0.001},
            "requires": {},
        },
        "data": {
            "file": f"{job['dataset']}.csv.gz",
            "sha256": sha256("file", job["dataset"]),
            "content_sha256": sha256("content", job["dataset"]),
            "fingerprint": sha256("fingerprint", job["dataset"]),
            "samples": max(SAMPLES.get(job["dataset"], 100), 9 * int(test.sum())),
            "unusable": 0,
            "class_names": [str(k) for k in range(len(test))],
            "train_counts": (7 * test).tolist(),
            "valid_counts": test.tolist(),
            "test_counts": test.tolist(),
            "split_hash": sha256("split", *source),
        },
        "metrics": figures,
        "confusion": confusion.tolist(),
        "per_class": {"auroc": [figures["auroc_ovr_macro"]] * len(test)},
        "selection": {"epoch": 7, "valid_balanced_accuracy": 0.625},
        "history": [
            {"epoch": e, "train_loss": 1 / e, "valid_balanced_accuracy": 0.5, "seconds": 1.0}
            for e in range(1, 11)
        ],
        "parameters": 257603,
        "time": {
            "seconds": 12.25,
            "started": "2025-04-07T12:00:00+00:00",
            "finished": "2025-04-07T12:00:12+00:00",
        },
        "provenance": {
            "device": "cpu",
            "packages": {},
            "code": {"commit": None, "dirty": None},
        },
        "files": {
            f"{name}.safetensors": sha256(name, job["job_id"]) for name in ("model", "predictions")
        },
    }


def predictions_of(records):
    """What each run would have stored, from its confusion matrix."""
    by_id = {record["job_id"]: np.array(record["confusion"]) for record in records}

    def predictions(job_id):
        matrix = by_id[job_id]
        labels = np.repeat(np.arange(len(matrix)), matrix.sum(axis=1))
        guesses = np.concatenate([np.repeat(np.arange(len(matrix)), row) for row in matrix])
        return {"test_labels": labels, "test_predictions": guesses}

    return predictions


def figures_of(confusion):
    """Written out from section 5 of the formulas, class by class."""
    confusion = np.asarray(confusion).tolist()
    classes, test = range(len(confusion)), [sum(row) for row in confusion]
    by_size = sorted(classes, key=lambda k: (-test[k], k))
    outer = int(0.3 * len(classes) + 0.5)
    middle = by_size[outer : len(classes) - outer]
    rates = [[cell / whole for cell in row] for row, whole in zip(confusion, test, strict=True)]
    recall = [rates[k][k] for k in classes]
    predicted = [sum(rates[j][k] for j in classes) for k in classes]
    return {
        "balanced_accuracy": sum(recall) / len(recall),
        "balanced_f1": sum(2 * recall[k] / (1 + predicted[k]) for k in classes) / len(recall),
        "accuracy": sum(confusion[k][k] for k in classes) / sum(test),
        "macro_f1": sum(
            2 * confusion[k][k] / (test[k] + sum(confusion[j][k] for j in classes)) for k in classes
        )
        / len(recall),
        "auroc_ovr_macro": 0.75,
        "recall_head": sum(recall[k] for k in by_size[:outer]) / outer,
        "recall_middle": sum(recall[k] for k in middle) / len(middle) if middle else None,
        "recall_tail": sum(recall[k] for k in by_size[len(classes) - outer :]) / outer,
        "classes_used": len(recall),
        "log_loss": 0.4321,
        "ece": 0.0125,
    }


def binary(balanced_accuracy):
    """A confusion matrix with this balanced accuracy and balanced F1, exact to five digits."""
    right = round(100_000 * balanced_accuracy)
    return [[right, 100_000 - right], [100_000 - right, right]]


def source_of(plan, records, failures, leaders=None):
    """What figures and the page are made of, from what ``table2`` takes."""
    return source_of_table(table2(plan, records, failures, leaders), records)


def lines_of(source):
    """Every planned entry of Table 2, place by place and the best first."""
    return [line for place in places_of(source) for line in place.lines]
