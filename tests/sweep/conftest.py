"""Tasks on a small CSV file of real molecules, and what they leave behind."""

import pytest

from bench.config import resolve
from bench.data.obtain import locate
from bench.data.prepare import prepare
from bench.sweep.plan import expand, make_jobs, open_dataset, with_required
from bench.sweep.splits import split_of
from bench.sweep.store import Store
from bench.sweep.worker import Task
from tests.commands.conftest import ROWS


@pytest.fixture
def toy_tasks(tmp_path):
    """Makes the tasks of a grid on the CSV file, writing to a results folder of the given name."""
    path = tmp_path / "toy.csv"
    path.write_text("\n".join(["smiles,class", *(f"{s},{c}" for s, c in ROWS)]) + "\n")

    def make(results, methods, *, epochs=2, seeds=(0,)):
        spec = f'csv[path="{path}",smiles_columns=[smiles],label_column=class]'
        settings = resolve("quick", {
            "datasets": [spec], "methods": list(methods), "splits": ["random"],
            "seeds": list(seeds), "training.epochs": epochs, "training.batch_size": 16,
        }).settings  # fmt: skip
        grid = expand(settings)
        [part] = grid.datasets
        dataset, cache = open_dataset(part), tmp_path / "cache"
        located = locate(dataset)
        prepared = prepare(part.name, dataset, located.path, located.sha256, cache_dir=cache)
        jobs = make_jobs(grid, {part.label: prepared.content_sha256}, {part.label: ["molecule"]})
        folder = tmp_path / results
        Store(folder).require_writable()
        return [
            Task(
                job=job,
                data_path=located.path,
                data_sha256=located.sha256,
                split_hash=split_of(prepared, job.split, job.seed, cache_dir=cache)[0].hash,
                cache_dir=cache,
                results_dir=folder,
                device="cpu",
            )
            for job in with_required(jobs)
        ]

    return make


@pytest.fixture
def stored():
    """What runs came to, bit for bit: figures and logits by job id."""

    def read(tasks):
        store = Store(tasks[0].results_dir)
        results = {}
        for task in tasks:
            job_id = task.job.job_id
            record = store.read(job_id)
            assert record is not None, store.read_failure(job_id)
            arrays = {name: a.tobytes() for name, a in store.predictions(job_id).items()}
            results[job_id] = (record["metrics"], record["data"], arrays)
        return results

    return read
