"""Methods and folders against a baseline: figures, what is paired, what is refused."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from bench import cli
from bench.commands.report import checked_table
from bench.metrics import recalls
from bench.report.model.paired_cells import gap_over_seeds
from bench.report.model.sampling_variance import covariance_from
from bench.sweep.store import Store
from tests.report.report_records import make_grid, make_plan, sha256
from tests.report.stored_runs import arrays_of, record_of

COUNTS = (60, 20)
STRENGTHS = {"vanilla": 0.8, "cb": 1.4, "ib": 1.3}


def fill(folder, methods=("vanilla", "cb"), seeds=(0, 1), edit=None, draw=0):
    """A results folder with a plan and its runs; `draw` makes other figures of the same runs."""
    store, jobs = Store(folder), make_grid(methods=methods, seeds=seeds)
    for job in jobs:
        job["title"] = job["method"]
        arrays = arrays_of(
            COUNTS, [int(sha256(job["job_id"])[:8], 16), draw], STRENGTHS[job["method"]]
        )
        record = record_of(job, arrays)
        if edit is not None:
            edit(record)
        store.write(job["job_id"], record, arrays, {})
    store.write_plan(make_plan(jobs))
    return folder


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["run_bench.py", *map(str, arguments)])
    return cli.main()


def lines_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.fixture
def out(tmp_path):
    return fill(tmp_path / "results", ("vanilla", "cb", "ib"))


def test_methods_of_one_folder_have_the_intervals_of_the_statistics(monkeypatch, out, tmp_path):
    to = tmp_path / "compared.csv"
    asked = ("compare", "cb", "ib", "--baseline", "vanilla", "--out", out, "--csv", to)
    assert run(monkeypatch, *asked) == 0
    store = Store(out)
    table, _ = checked_table(store, store.read_plan())
    rows = lines_of(to)
    assert [(row["method"], row["baseline"]) for row in rows] == [
        ("cb", "vanilla"),
        ("ib", "vanilla"),
    ]
    for row in rows:
        gap = gap_over_seeds(
            table, "random", table.columns[0], row["method"], "vanilla",
            covariance_from(store.decisions),
        )  # fmt: skip
        shown = [float(row[name]) for name in ("difference", "low", "high")]
        assert shown == pytest.approx([gap.mean, gap.low, gap.high], abs=1e-4)
        assert float(row["mean"]) - float(row["baseline_mean"]) == pytest.approx(gap.mean, abs=2e-4)
        assert (row["seeds"], row["significant"] == "yes") == ("2", gap.sign != "alike")


def test_without_a_baseline_it_is_the_last_of_the_methods(monkeypatch, capsys, out, tmp_path):
    to = tmp_path / "compared.csv"
    assert run(monkeypatch, "compare", "cb", "ib", "vanilla", "--out", out, "--csv", to) == 0
    pairs = [(row["method"], row["baseline"]) for row in lines_of(to)]
    assert pairs == [("cb", "vanilla"), ("ib", "vanilla")]
    assert run(monkeypatch, "compare", "cb", "--out", out) == 2
    assert "Expected --baseline NAME" in capsys.readouterr().err


def test_methods_are_known_by_what_tables_call_them_too(monkeypatch, out, tmp_path):
    to = tmp_path / "compared.csv"
    named = ("compare", "CB Loss", "--baseline", "Vanilla GCN", "--out", out, "--csv", to)
    assert run(monkeypatch, *named) == 0
    assert [(row["method"], row["baseline"]) for row in lines_of(to)] == [("cb", "vanilla")]


def test_methods_are_known_however_their_options_are_spelt(monkeypatch, tmp_path):
    """A sweep takes quotes and any order, and so does what reads its results."""
    label, to = "cb[base=focal,beta=0.9]", tmp_path / "compared.csv"
    monkeypatch.setitem(STRENGTHS, label, STRENGTHS["cb"])
    out = fill(tmp_path / "results", ("vanilla", label))
    for spelt, baseline in ((label, "vanilla"), ('cb[ beta=0.90, base="focal"]', "vanilla[]")):
        named = ("compare", spelt, "--baseline", baseline, "--out", out, "--csv", to)
        assert run(monkeypatch, *named) == 0
        assert [(row["method"], row["baseline"]) for row in lines_of(to)] == [(label, "vanilla")]
    other = fill(tmp_path / "other", ("ib",))
    spelt = ("compare", out, other, "--baseline", 'results/cb[ beta=0.90, base="focal"]')
    assert run(monkeypatch, *spelt, "--csv", to) == 0
    assert {row["baseline"] for row in lines_of(to)} == {f"results/{label}"}


def test_a_method_of_two_folders_is_compared_with_itself_and_others_with_the_baseline(
    monkeypatch, capsys, tmp_path
):
    before = fill(tmp_path / "before", ("vanilla", "cb"), seeds=(0, 1, 2))
    after = fill(tmp_path / "after", ("vanilla", "ib"), seeds=(1, 2), draw=1)
    to = tmp_path / "compared.csv"
    asked = ("compare", before, after, "--baseline", "vanilla", "--csv", to)
    assert run(monkeypatch, *asked) == 0
    assert (
        "1 method in several folders: the later folder minus the first." in capsys.readouterr().out
    )
    pairs = {(row["method"], row["baseline"]): row for row in lines_of(to)}
    assert set(pairs) == {
        ("after/vanilla", "before/vanilla"),
        ("before/cb", "before/vanilla"),
        ("after/ib", "before/vanilla"),
    }
    assert pairs["after/vanilla", "before/vanilla"]["seeds"] == "2"
    assert pairs["before/cb", "before/vanilla"]["seeds"] == "3"
    # The runs have equal ids and other figures: each folder's own are read.
    own = [
        sum(Store(folder).read(job["job_id"])["metrics"]["balanced_accuracy"] for job in jobs) * 50
        for folder in (after, before)
        for jobs in [make_grid(methods=["vanilla"], seeds=[1, 2])]
    ]
    row = pairs["after/vanilla", "before/vanilla"]
    assert [float(row["mean"]), float(row["baseline_mean"])] == pytest.approx(own, abs=1e-4)


def test_two_folders_with_the_same_methods_need_no_baseline(monkeypatch, tmp_path):
    folders = [fill(tmp_path / name, draw=place) for place, name in enumerate(("a", "b"))]
    assert run(monkeypatch, "compare", *folders) == 0


def test_a_method_of_three_folders_is_counted_once(monkeypatch, capsys, tmp_path):
    folders = [fill(tmp_path / name, ("vanilla",), draw=n) for n, name in enumerate("abc")]
    assert run(monkeypatch, "compare", *folders) == 0
    assert "1 method in several folders" in capsys.readouterr().out


def change(*keys, to):
    def edit(record):
        inner = record
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = to

    return edit


@pytest.mark.parametrize(
    ("edit", "seeds", "said"),
    [
        (change("data", "content_sha256", to=sha256("x")), (0, 1), "same samples of hiv"),
        (change("data", "split_hash", to=sha256("y")), (0,), "same split of hiv"),
        (None, (7, 8), "no finished seed in common"),
    ],
)
def test_what_cannot_be_paired_is_refused_by_name(monkeypatch, capsys, tmp_path, edit, seeds, said):
    before = fill(tmp_path / "before")
    after = fill(tmp_path / "after", seeds=seeds, edit=edit)
    assert run(monkeypatch, "compare", before, after) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert said in error
    assert "vanilla" in error or "before" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cbb", "--baseline", "vanilla"], "did you mean 'cb'?"),
        (["cb", "--baseline", "vanila"], "did you mean 'vanilla'?"),
        (["cb"], "Expected --baseline NAME"),
        (["cb", "--baseline", "cb"], "other than the baseline cb"),
        (["cb", "--baseline", "vanilla", "--metric", "mcc"], "measure with an interval"),
    ],
)
def test_wrong_names_are_refused(monkeypatch, capsys, out, arguments, said):
    assert run(monkeypatch, "compare", *arguments, "--out", out) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_folders_and_methods_are_not_mixed(monkeypatch, capsys, out):
    assert run(monkeypatch, "compare", out, "cb", "--baseline", "vanilla") == 2
    assert "cb is no results folder" in " ".join(capsys.readouterr().err.split())


def test_another_measure_has_its_own_interval(monkeypatch, out, tmp_path):
    to = tmp_path / "compared.csv"
    asked = ("compare", "cb", "--baseline", "vanilla", "--out", out, "--csv", to)
    assert run(monkeypatch, *asked, "--metric", "recall_tail") == 0
    [row] = lines_of(to)
    records = [Store(out).read(job["job_id"]) for job in make_grid(methods=["cb"], seeds=[0, 1])]
    tail = [100 * recalls(np.array(record["confusion"]))[1] for record in records]
    assert float(row["mean"]) == pytest.approx(sum(tail) / 2, abs=1e-4)


def test_a_measure_that_no_run_has_is_not_a_missing_seed(monkeypatch, capsys, tmp_path):
    asked = ("--baseline", "vanilla", "--metric", "recall_few", "--out", fill(tmp_path))
    assert run(monkeypatch, "compare", "cb", *asked) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "cb and vanilla: few is undefined, as no such class has test samples." in said
    assert "fewer than 20 training samples. No such class has test samples there." in said
    assert "in common" not in said


def test_what_is_not_used_is_said(monkeypatch, capsys, tmp_path):
    folders = [fill(tmp_path / name) for name in ("before", "after")]
    assert run(monkeypatch, "compare", *folders, "--baseline", "vanila") == 2
    assert "did you mean" in capsys.readouterr().err
    assert run(monkeypatch, "compare", *folders, "--out", tmp_path) == 2
    assert "--out is the folder of methods" in " ".join(capsys.readouterr().err.split())
    assert run(monkeypatch, "compare", *folders, "--baseline", "vanilla") == 0
    assert "Not used: --baseline vanilla, as" in " ".join(capsys.readouterr().err.split())


def test_report_takes_one_folder_and_points_to_compare(monkeypatch, capsys, out, tmp_path):
    assert run(monkeypatch, "report", "--out", out, "--out", tmp_path / "other") == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"compare {out} {tmp_path / 'other'} --baseline NAME" in error
    assert run(monkeypatch, "report", "--out", out) == 0


def test_a_misspelt_command_is_met_with_the_right_one(monkeypatch, capsys):
    assert run(monkeypatch, "compar", "cb") == 2
    assert "compare" in capsys.readouterr().err
