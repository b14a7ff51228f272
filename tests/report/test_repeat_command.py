"""The command printed for a cell plans the runs of that cell, by job id and by label."""

from __future__ import annotations

import csv
import io
import json
import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli import cli
from bench.commands.arguments import resolve_arguments
from bench.report.html import write
from bench.report.model.command import command
from bench.report.model.table2 import table2
from bench.report.writers.csv_files import runs_csv
from bench.sweep.plan import expand, make_jobs, plan_document
from tests.report.report_records import make_job, make_plan, make_record, source_of
from tests.report.test_page import Elements

KINDS = ("molecule",)
FILE = ["--smiles-col", "SMILES (can.),other", "--label-col", "it's a class"]
PRESET = """
methods: [cb, dive]
split: {return_surplus: true}
training: {epochs: 7, learning_rate: 1e-5, precision: bfloat16}
contrastive_batch_size: 64
backbones: {molecule: "gcn[hidden=32]"}
method_options: {cb: {base: focal, beta: 0.9999}, vanilla: {}, dive: {alpha: 0.25}}
"""


def planned(words):
    """The settings and jobs that a command line asks for; no file is read."""
    assert words[:2] == ["python", "run_bench.py"]
    resolved = resolve_arguments(cli.make_context("run_bench.py", list(words[2:])).params)
    grid = expand(resolved.settings)
    labels = [part.label for part in grid.datasets]
    return resolved, make_jobs(grid, dict.fromkeys(labels, "f" * 64), dict.fromkeys(labels, KINDS))


def check(words):
    """Every cell of the plan of `words` is planned again by its command, and nothing else."""
    resolved, jobs = planned(["python", "run_bench.py", *words])
    plan = json.loads(json.dumps(plan_document(resolved, jobs)))["settings"]
    cells = {}
    for job in jobs:
        cells.setdefault((job.dataset.label, job.split.label, job.method.label), []).append(job)
    for place, cell in cells.items():
        text = command(plan, *place, [job.seed for job in cell])
        again = planned(shlex.split(text))[1]
        assert [job.job_id for job in again] == [job.job_id for job in cell], text
        assert [job.describe() for job in again] == [job.describe() for job in cell], text


PLANS = [
    [],
    ["--preset", "paper", "--datasets", "hiv,uspto_50k[inputs=product]", "--seeds", "2,0,11"],
    ["--preset", "search"],
    ["--preset", "table3"],
    ["--preset", "imdrug", "--methods", "all", "--datasets", "hiv"],
    ["--preset", "imdrug", "--set", "method_options.cb.beta=0.5", "--methods", "cb,ib,dive"],
    ["--preset", "imdrug", "--set", "method_options={}", "--methods", "cb,ib,decoupling"],
    ["--methods", "vanilla,cb[beta=0.99,base=focal],dive", "--epochs", "3", "--return-surplus"],
    ["--splits", "standard[return_surplus=true,group_duplicates=true],scaffold"],
    ["--set", "training.learning_rate=1e-05", "--set", "training.schedule=imdrug"],
    ["--set", "training.batch_size=256", "--set", "training.weight_decay=0"],
    ["--set", "contrastive_batch_size=512", "--methods", "vanilla,sdr,sdr[warm_up=0]"],
    ["--set", "backbones.molecule=gcn[hidden=32,layers=2]", "--methods", "vanilla"],
    ["--set", "backbones.molecule=gcn_dgl", "--methods", "vanilla,cb"],
    # What only runs that others depend on see, and what a label does not show.
    ["--set", "method_options.balanced_softmax={}", "--set", "method_options.cb.beta=0.5"],
    ["--set", "method_options={cb: {gamma: 2.0}}", "--methods", "cb[beta=0.5]"],
    ["--set", "training.precision=bfloat16", "--set", "contrastive_batch_size=32"],
]


@pytest.mark.parametrize("words", PLANS, ids=" ".join)
def test_the_command_of_a_cell_plans_its_runs(words):
    check(words)


@settings(max_examples=20)
@given(
    epochs=st.integers(1, 300),
    rate=st.floats(1e-9, 10, exclude_min=True),
    decay=st.floats(0, 10),
    batch_size=st.integers(1, 10_000),
    beta=st.floats(0, 1, exclude_max=True),
    seeds=st.lists(st.integers(0, 2**40), min_size=1, max_size=4, unique=True),
    preset=st.sampled_from(["quick", "paper", "imdrug"]),
)
def test_any_numbers_come_back_as_they_were(epochs, rate, decay, batch_size, beta, seeds, preset):
    words = [
        *("--preset", preset, "--datasets", "hiv", "--splits", "random", "--epochs", str(epochs)),
        *("--methods", f"vanilla,cb[beta={beta}]", "--seeds", ",".join(map(str, seeds))),
        *("--set", f"training.learning_rate={rate}", "--set", f"training.weight_decay={decay}"),
        *("--set", f"training.batch_size={batch_size}"),
    ]
    check(words)


@pytest.mark.parametrize(
    "words",
    [
        ["--data", "/some/where/my set.csv.gz", *FILE],
        ["--data", "my set.csv.gz", *FILE, "--protein-col", "seq"],
        ["--datasets", 'csv[path="my set.csv.gz",smiles_columns=["a,b"],label_column="é]"]'],
        [
            "--datasets",
            'csv[path="my set.csv.gz",smiles_columns=[s],label_column=y,conflicts=drop]',
        ],
    ],
    ids=" ".join,
)
def test_a_file_of_the_users_is_planned_again(words):
    check([*words, "--methods", "vanilla,sdr", "--splits", "random"])


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--discard-surplus", "--methods", "cb,cb[beta=0.5],dive,sdr"],
        ["--set", "training.precision=float32", "--set", "contrastive_batch_size=128"],
        ["--set", "method_options={cb: {gamma: 2.0}}", "--methods", "cb,cb[beta=0.5]"],
    ],
    ids=" ".join,
)
def test_a_preset_in_a_file_is_followed_and_changes_to_it_are_kept(words, tmp_path):
    path = tmp_path / "it's mine.yaml"
    path.write_text(PRESET)
    check(["--preset", str(path), *words])


def test_the_command_is_short_where_the_preset_says_all():
    words = ["--preset", "paper", "--methods", "cb[beta=0.999]", "--datasets", "hiv"]
    resolved, jobs = planned(["python", "run_bench.py", *words, "--jobs", "1", "--device", "cpu"])
    plan = plan_document(resolved, jobs)["settings"]
    assert command(plan, "hiv", "random", "cb[beta=0.999]", [0, 1, 2]) == (
        "python run_bench.py --preset paper --datasets hiv --splits random "
        "--methods 'cb[beta=0.999]' --seeds 0,1,2 --out results/again"
    )


@pytest.mark.parametrize(
    "path", ["my.csv", "data/my.csv", "../my.csv", "/my/place/a.csv", "~/a.csv"]
)
def test_program_and_file_stand_in_the_command_as_they_were_typed(path):
    """The printed command finds neither the program nor the file."""
    words = ["--data", path, "--smiles-col", "SMILES", "--label-col", "y", "--delimiter", ";"]
    context = cli.make_context("run_bench.py", [*words, "--max-bad", "0.05"])
    resolved = resolve_arguments(context.params, "../bench/run_bench.py")
    [part] = expand(resolved.settings).datasets
    jobs = make_jobs(expand(resolved.settings), {part.label: "f" * 64}, {part.label: KINDS})
    plan = plan_document(resolved, jobs)["settings"]
    text = command(plan, part.label, "random", "vanilla", [0])
    assert text.startswith("python ../bench/run_bench.py --preset quick --datasets ")
    assert (
        f"'csv[path={path},smiles_columns=[SMILES],label_column=y,delimiter=semicolon,max_bad=0.05]'"
        in text
    )
    assert '"' not in text  # a cell of a CSV file would double it
    other = ["--data", path, "--smiles-col", "SMILES", "--label-col", "y"]
    plain = make_jobs(
        expand(resolve_arguments(cli.make_context("x", other).params).settings),
        {part.label: "f" * 64},
        {part.label: KINDS},
    )
    assert [job.job_id for job in plain] == [job.job_id for job in jobs]


def test_a_plan_of_an_earlier_version_has_no_command():
    plan = make_plan([make_job()])["settings"]
    for lacking in ("given", "datasets"):
        old = {key: value for key, value in plan.items() if key != lacking}
        assert command(old, "hiv", "random", "vanilla", [0]) is None


def test_runs_csv_ends_with_the_command_of_one_seed():
    jobs = [make_job(method="cb[beta=0.9]", seed=seed) for seed in (3, 4)]
    text = runs_csv(table2(make_plan(jobs), [make_record(jobs[0])], {}))
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0][-1] == "command"
    for row, seed in zip(rows[1:], "34", strict=True):
        assert shlex.split(row[-1])[-8:] == [
            *("--methods", "cb[beta=0.9]", "--seeds", seed),
            *("--set", "training.epochs=10", "--out", "results/again"),
        ]


def test_the_page_holds_the_command_of_all_seeds(monkeypatch):
    monkeypatch.setattr(write, "packed_libraries", dict)
    jobs = [make_job(method="</script>", seed=seed) for seed in (0, 1)]
    page = write.page(source_of(make_plan(jobs), [make_record(jobs[1])], {}))
    [cell] = Elements(page).details["cells"].values()
    assert "--methods '</script>' --seeds 0,1 " in cell["command"]
