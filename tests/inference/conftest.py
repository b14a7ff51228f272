"""Runs of every method on a small file of real molecules, stored as a benchmark stores them."""

import random

import pytest

from bench.config import resolve
from bench.data.obtain import locate
from bench.data.prepare import prepare
from bench.method import usable_methods
from bench.sweep.plan import expand, make_jobs, open_dataset, plan_document, with_required
from bench.sweep.splits import split_of
from bench.sweep.store import Store
from bench.sweep.worker import Task, execute
from tests.methods.few_trees import FEW

# Rings, chains and branches in which environments of two hops are shared, but seldom alone.
_PARTS = ("C", "N", "O", "CC", "C(=O)", "C(C)", "c1ccccc1", "c1ccncc1", "C1CCNCC1", "S", "C(F)")


def molecules(count, seed=0):
    drawn = random.Random(seed)
    found = {}
    while len(found) < count:
        found["C" + "".join(drawn.choices(_PARTS, k=drawn.randint(2, 6))) + "O"] = None
    return list(found)


class StoredRuns:
    """A results folder with a run of each method, by the method's name."""

    def __init__(self, folder, methods, **settings):
        self.csv = folder / "own.csv"
        smiles = molecules(150)
        rows = [f"{text},{'rare' if n % 5 == 0 else 'common'}" for n, text in enumerate(smiles)]
        self.csv.write_text("\n".join(["smiles,class", *rows]) + "\n")
        spec = f'csv[path="{self.csv}",smiles_columns=[smiles],label_column=class]'
        resolved = resolve("quick", {
            "datasets": [spec], "methods": list(methods), "splits": ["random"], "seeds": [0],
            "training.epochs": 3, "training.batch_size": 32, **settings,
        })  # fmt: skip
        grid = expand(resolved.settings)
        [part] = grid.datasets
        dataset, cache = open_dataset(part), folder / "cache"
        located = locate(dataset)
        self.prepared = prepare(part.name, dataset, located.path, located.sha256, cache_dir=cache)
        jobs = make_jobs(
            grid, {part.label: self.prepared.content_sha256}, {part.label: ["molecule"]}
        )
        self.store = Store(folder / "results")
        self.store.require_writable()
        self.store.write_plan(plan_document(resolved, jobs))
        self.split, _ = split_of(self.prepared, jobs[0].split, 0, cache_dir=cache)
        self.jobs = with_required(jobs)
        for job in self.jobs:
            task = Task(
                job=job,
                data_path=located.path,
                data_sha256=located.sha256,
                split_hash=self.split.hash,
                cache_dir=cache,
                results_dir=self.store.root,
                device="cpu",
            )
            outcome = execute(task)
            assert outcome.error is None, outcome.error

    def folder(self, method):
        [job_id] = [job.job_id for job in self.jobs if job.method.label == method]
        return self.store.root / "runs" / job_id

    def smiles(self, part):
        index = self.prepared.entities[0].index
        return [self.prepared.smiles[index[at]] for at in getattr(self.split, part)]

    def logits(self, method):
        return self.store.predictions(self.folder(method).name)["test_logits"]


@pytest.fixture(scope="package")
def every_method(tmp_path_factory):
    """Stored runs of all registered methods; the default cache folder is of the tests' own."""
    folder = tmp_path_factory.mktemp("every_method")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LTDD_CACHE_DIR", str(folder / "cache"))
        yield StoredRuns(folder, usable_methods(), method_options=FEW)
