"""``python -m bench.perf.scale``: whether time and memory grow with the data and no faster.

The molecules of `hiv`, written again and again with their atoms in random order, go the way of
any file: read, featurised, cached, opened, split, trained on for one epoch.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from tabulate import tabulate

from bench.perf.fresh_process import in_fresh_process
from bench.perf.progress import say

_BASELINE = 40_000
_CHUNK = 2_000


@dataclass
class Scale:
    """Seconds of each step for so many molecules, and the memory that took the most.

    Attributes
    ----------
    peak_bytes, peak_helper_bytes : int
        Largest resident size of the process, and of one of those that featurise for it. Pages of
        the cache that are mapped count.
    """

    molecules: int
    seconds: dict[str, float] = field(default_factory=dict)
    peak_bytes: int = 0
    peak_helper_bytes: int = 0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--molecules",
    type=click.IntRange(_BASELINE + 1),
    default=1_000_000,
    show_default=True,
    help="rows of the larger file",
)
@click.option(
    "--jobs", type=click.IntRange(1), default=2, show_default=True, help="processes that featurise"
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="folder with data files, looked in first",
)
def scale(molecules: int, jobs: int, data_dir: Path | None) -> None:
    """Time a file of 40,000 molecules and one of --molecules, a molecule and an epoch each."""
    found = []
    with TemporaryDirectory() as folder:
        for count in (_BASELINE, molecules):
            path = Path(folder) / f"molecules_{count}.csv"
            _write(path, count, jobs, data_dir)
            found.append(in_fresh_process(1, _measure, path, count, jobs))
    click.echo(_table(found))


def _write(path: Path, count: int, jobs: int, data_dir: Path | None) -> None:
    from bench.perf.workload import Workload

    data = Workload.open("hiv", data_dir).prepared
    labels = data.labels.tolist()
    smiles = [data.smiles[number] for number in data.entities[0].index.tolist()]
    rows = ((turn, place) for turn in range(1 + count // len(smiles)) for place in range(len(data)))
    chunks = iter(lambda: list(islice(rows, _CHUNK)), [])
    needed = -(-count // _CHUNK)
    say(f"Writing {count:,} molecules with atoms in random order")
    with (
        ProcessPoolExecutor(jobs, get_context("spawn")) as pool,
        path.open("w", encoding="ascii") as stream,
    ):
        stream.write("smiles,label\n")
        written = 0
        work = [
            [(turn, smiles[place], labels[place]) for turn, place in chunk]
            for chunk in islice(chunks, needed)
        ]
        for lines in pool.map(_shuffled, work):
            lines = lines[: count - written]
            stream.writelines(lines)
            written += len(lines)


def _shuffled(rows: list[tuple[int, str, int]]) -> list[str]:
    """Each molecule written from its atoms in an order that depends on its turn."""
    from rdkit import Chem, rdBase

    lines = []
    with rdBase.BlockLogs():
        for turn, smiles, label in rows:
            mol = Chem.MolFromSmiles(smiles)
            text = smiles
            if turn and mol is not None:
                text = Chem.MolToRandomSmilesVect(mol, 1, randomSeed=turn)[0]
            lines.append(f"{text},{label}\n")
    return lines


def _measure(path: Path, count: int, jobs: int) -> Scale:
    """The way of one file, in a process that has done nothing else."""
    from joblib.externals.loky import get_reusable_executor

    from bench.data.checksums import sha256_of
    from bench.data.prepare import prepare
    from bench.dataset import DATASETS
    from bench.method import METHODS, Context, Method
    from bench.models.gcn import GCNOptions
    from bench.models.network import build_network
    from bench.spec import Spec, check_options
    from bench.split import make_split
    from bench.training.loop import train
    from bench.training.run import peak_memory_bytes
    from bench.training.settings import TrainingSettings

    found = Scale(count)

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        say(f"{count:,} molecules: {step}")
        started = time.perf_counter()
        yield
        found.seconds[step] = time.perf_counter() - started

    spec = Spec("csv", {"path": str(path), "smiles_columns": ["smiles"], "label_column": "label"})
    cls = DATASETS.get(spec.name).cls
    dataset = cls(check_options(cls.options_type, spec, "data set"))
    sha256 = sha256_of(path)
    cache = path.parent / f"cache_{count}"

    with timed("read, featurise, cache"):
        prepare("csv", dataset, path, sha256, cache_dir=cache, jobs=jobs)
    with timed("open"):
        data = prepare("csv", dataset, path, sha256, cache_dir=cache)
    with timed("split"):
        split = make_split("random", data.labels, data.num_classes, 0, "csv")
    network = build_network(data, {"molecule": ("gcn", GCNOptions())}, seed=0)
    vanilla = METHODS.get("vanilla").cls
    assert issubclass(vanilla, Method)
    context = Context(data.labels[split.train], data.num_classes, epochs=1, seed=0)
    method = vanilla(vanilla.options_type(), context)
    collator = network.collator(data)
    with timed("train one epoch, validate"):
        train(network, method, collator, split, TrainingSettings(epochs=1), seed=0)
    # A process of multiprocessing waits for its children before it ends, and those that featurise
    # wait for more work for minutes. Gone, their memory counts as that of children.
    get_reusable_executor().shutdown(wait=True)
    found.peak_bytes = peak_memory_bytes()
    found.peak_helper_bytes = peak_memory_bytes(resource.RUSAGE_CHILDREN)
    return found


def _table(found: list[Scale]) -> str:
    small, large = found
    lines = [
        [
            step,
            f"{small.seconds[step]:.2f}",
            f"{large.seconds[step]:.2f}",
            f"{1e6 * small.seconds[step] / small.molecules:.1f}",
            f"{1e6 * large.seconds[step] / large.molecules:.1f}",
        ]
        for step in small.seconds
    ]
    total = [1e6 * sum(each.seconds.values()) / each.molecules for each in found]
    lines.append(["all", "", "", *(f"{value:.1f}" for value in total)])
    headings = ["step", f"{small.molecules:,} [s]", f"{large.molecules:,} [s]"]
    headings += [f"{each.molecules:,} [us a molecule]" for each in found]
    memory = "; ".join(
        f"{each.molecules:,}: {each.peak_bytes / 2**30:.2f} GiB, "
        f"helper {each.peak_helper_bytes / 2**30:.2f} GiB"
        for each in found
    )
    return f"{tabulate(lines, headings, disable_numparse=True)}\nPeak memory: {memory}"


if __name__ == "__main__":
    scale()
