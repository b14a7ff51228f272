"""Folds of one seed: pooled in tables, kept apart in lists of runs, corrected in tests."""

from __future__ import annotations

import csv
import dataclasses
import io
import statistics
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import t as student

from bench.api.results import Results
from bench.report.document.caption import caption
from bench.report.figures.omega import omega_figures
from bench.report.figures.source import Source
from bench.report.html import write
from bench.report.model import measures
from bench.report.model.best_sets import best_sets
from bench.report.model.paired_cells import gap_over_seeds
from bench.report.model.sampling_variance import covariance_from
from bench.report.model.sampling_variance import test_to_train_of as ratio_of
from bench.report.model.table2 import table2
from bench.report.writers.csv_files import runs_csv
from bench.report.writers.markdown import markdown
from bench.split import SPLITS
from bench.statistics import summarise
from bench.statistics.variance import covariance_of_means, errors_of_gaps
from bench.sweep.decisions import decisions_of
from tests.report.report_records import make_grid, make_plan, make_record, source_of
from tests.report.stored_runs import arrays_of, record_of

COUNTS = (200, 60)
BA = measures.MAIN[0]
FOLDS = tuple(f"cv5[fold={fold}]" for fold in range(5))


def stored(splits=FOLDS, seeds=(0, 1)):
    jobs = make_grid(splits=splits, methods=("cb", "vanilla"), seeds=seeds)
    arrays = {
        job["job_id"]: arrays_of(COUNTS, [place], 2.0 if job["method"] == "cb" else 1.8)
        for place, job in enumerate(jobs)
    }
    records = [record_of(job, arrays[job["job_id"]]) for job in jobs]
    table = table2(make_plan(jobs), records, {})
    decided = lambda job_id: decisions_of(arrays[job_id])  # noqa: E731
    return dataclasses.replace(table, leaders=best_sets(table, decided)), decided


@pytest.fixture(scope="module")
def folded():
    return stored()


def test_folds_and_seeds_are_one_column(folded):
    table, _ = folded
    assert table.splits == ("cv5",)
    cell = table.cells["cv5", "hiv", "cb", BA.name]
    assert cell.n == cell.expected == 10
    assert cell.complete
    assert sorted(cell.values) == [0, 1, 2, 3, 4, 1000, 1001, 1002, 1003, 1004]
    of_runs = [BA.printed(run.result.metrics[BA.name]) for run in cell.runs]
    assert list(cell.values.values()) == of_runs
    assert cell.mean == pytest.approx(statistics.fmean(of_runs))


def test_lists_of_runs_name_the_fold_and_its_command(folded):
    table, _ = folded
    lines = list(csv.DictReader(io.StringIO(runs_csv(table))))
    assert len({(line["split"], line["seed"], line["method"]) for line in lines}) == 20
    last = next(line for line in lines if line["split"] == "cv5[fold=4]" and line["seed"] == "1")
    assert "--splits 'cv5[fold=4]'" in last["command"]
    text = markdown(table)
    assert "## cv5 split" in text
    assert "| 1, fold 4 |" in text
    assert "those of folds are corrected" in text


def test_the_interval_is_that_of_the_corrected_resampled_test(folded):
    table, _ = folded
    cell = table.cells["cv5", "hiv", "cb", BA.name]
    values = list(cell.values.values())
    ratio = cell.runs[0].result.test_to_train
    half = student.ppf(0.975, 9) * statistics.stdev(values) * (1 / 10 + ratio) ** 0.5
    assert cell.interval == pytest.approx((cell.mean - half, cell.mean + half))


def test_a_small_class_that_some_folds_test_counts_alike_whatever_their_order(folded):
    table, _ = folded
    cell = table.cells["cv5", "hiv", "cb", BA.name]
    # Two samples, each tested once a seed and trained on, or validated, in the other folds.
    counts = [((40, 1), (140, 1))] * 2 + [((40, 0), (140, 1))] * 3
    runs = tuple(
        dataclasses.replace(
            run,
            result=dataclasses.replace(run.result, tested=tested, train_counts=trained),
        )
        for run, (tested, trained) in zip(cell.runs, counts * 2, strict=True)
    )
    one, other = (dataclasses.replace(cell, runs=own) for own in (runs, runs[::-1]))
    assert one.interval == other.interval
    values = list(cell.values.values())
    half = student.ppf(0.975, 9) * statistics.stdev(values) * (1 / 10 + 2 / 5) ** 0.5
    assert one.interval == pytest.approx((max(cell.mean - half, 0), min(cell.mean + half, 100)))
    assert ratio_of(runs) == ratio_of(runs[::-1]) == pytest.approx(2 / 5)


def test_bold_compares_all_runs_and_speaks_of_seeds(folded):
    table, decided = folded
    leaders = table.leaders["cv5", "hiv", BA.name]
    assert len(leaders.seeds) == 10
    assert leaders.different_seeds == 2
    gap = gap_over_seeds(table, "cv5", table.columns[0], "cb", "vanilla", covariance_from(decided))
    assert gap.pairs == 10
    text = dict(caption(table))
    assert "on means over n = 2 paired seeds" in text["Bold"]
    assert "corrected resampled test" in text["cv5 split"]
    assert "fold=" not in text["cv5 split"]


def test_an_interval_counts_seeds_apart_from_folds(folded):
    table, decided = folded
    store = SimpleNamespace(root=None, decisions=decided)
    found = Results(store, Source(table, {})).interval("cb", "vanilla")
    assert (found.seeds, found.pairs) == (2, 10)
    assert "(2 seeds, 10 pairs of runs)" in str(found)
    one, decided = stored(seeds=(0,))
    store.decisions = decided
    found = Results(store, Source(one, {})).interval("cb", "vanilla")
    assert "(1 seed, 5 pairs of runs)" in str(found)
    assert "these two trained models only" not in str(found)


def test_figures_and_the_page_name_the_fold(monkeypatch):
    monkeypatch.setattr(write, "packed_libraries", dict)
    jobs = make_grid(splits=FOLDS, methods=("sdr",), seeds=(1,))
    records = [make_record(job) for job in jobs[:4]]
    for record in records:
        for report in record["history"]:
            report["method"] = {"omega": [1.0, 1.0]}
    there = source_of(make_plan(jobs), records, {})
    [(_, figure)] = omega_figures(there)
    assert figure.axes[0].get_title() == "hiv: sdr, seed 1, fold 0"
    text = write.page(there)
    assert "<td>cv5[fold=4]</td>" in text
    assert "missed on the cv5 split (seed 1, fold 0)" in text


def test_a_single_fold_is_a_split_like_any_other():
    table, _ = stored(splits=("cv5[fold=3]",))
    assert table.splits == ("cv5[fold=3]",)
    assert {run.fold for run in table.runs} == {None}
    assert sorted(table.cells["cv5[fold=3]", "hiv", "cb", BA.name].values) == [0, 1]


def test_two_methods_are_compared_as_bouckaert_and_frank_do():
    """Corrected repeated 5 x 5 cross-validation, their equation 3, with 24 degrees of freedom."""
    scores = np.random.default_rng(0).normal([0.8, 0.7], 0.05, (25, 2))
    covariance, degrees = covariance_of_means(scores, None, test_to_train=0.25)
    differences = scores[:, 0] - scores[:, 1]
    expected = (1 / 25 + 1 / 4) * differences.var(ddof=1)
    assert errors_of_gaps(covariance, 0, scores)[1] ** 2 == pytest.approx(expected)
    assert degrees == 24


def test_summaries_without_a_ratio_are_as_before():
    values = [0.1, 0.25, 0.3]
    assert summarise(values) == summarise(values, test_to_train=0.0)
    wider = summarise(values, test_to_train=0.25)
    before = summarise(values)
    assert (wider.high - wider.mean) / (before.high - before.mean) == pytest.approx(1.75**0.5)


class TestTheSameTestSetForEverySeed:
    V = np.array([[4.0, 1.0], [1.0, 2.0]])

    def test_seeds_do_not_average_the_chance_of_its_samples_out(self):
        scores = np.array([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]]) * 2**0.5
        chance = np.stack([self.V] * 3)
        covariance, _ = covariance_of_means(scores, chance, test_to_train=np.inf)
        # The mean square is 1, and all of it is training.
        np.testing.assert_allclose(covariance, self.V + np.eye(2) / 3)

    def test_methods_without_noise_are_as_exact_as_their_test_set(self):
        scores = np.array([[1.0, 0.0]] * 3)
        covariance, degrees = covariance_of_means(
            scores, np.stack([self.V] * 3), test_to_train=np.inf
        )
        np.testing.assert_allclose(covariance, self.V)
        assert degrees > 1000

    def test_nothing_is_claimed_where_its_chance_is_not_known(self):
        scores = np.array([[1.0, 0.0], [1.1, 0.0], [0.9, 0.0]])
        covariance, _ = covariance_of_means(scores, None, test_to_train=np.inf)
        assert errors_of_gaps(covariance, 0, scores).tolist() == [0, np.inf]

    @pytest.mark.parametrize(
        ("split", "same"), [("time", True), ("column", True), ("random", False)]
    )
    def test_it_is_known_by_the_split(self, split, same):
        table, _ = stored(splits=(split,), seeds=(0, 1, 2))
        runs = table.cells[split, "hiv", "cb", BA.name].runs
        assert np.isinf(ratio_of(runs)) == same
        assert np.isfinite(ratio_of(runs[:1]))
        auroc = table.leaders[split, "hiv", "auroc_ovr_macro"].confidence_set
        assert np.isinf(max(auroc.errors)) == same
        if same:
            assert auroc.members == (0, 1)

    def test_intervals_there_say_nothing_of_other_samples(self, monkeypatch):
        monkeypatch.setattr(write, "packed_libraries", dict)
        narrow, alone = "a little too narrow", "of the randomness of training alone"
        for splits, where in (
            (("time",), "On the time split, all seeds have one test set"),
            (("random", "time"), "too narrow. On the time split, all seeds"),
            (("random",), ""),
        ):
            jobs = make_grid(splits=splits)
            there = source_of(make_plan(jobs), [make_record(job) for job in jobs], {})
            text = markdown(there.table)
            assert where in text
            assert (narrow in text, alone in text) == ("random" in splits, "time" in splits)
            assert ("nothing of other samples (time)" in write.page(there)) == ("time" in splits)

    def test_a_split_of_the_users_says_it(self, monkeypatch):
        monkeypatch.setattr(SPLITS.get("random").cls, "same_test", True, raising=False)
        table, _ = stored(splits=("random",), seeds=(0, 1, 2))
        assert np.isinf(ratio_of(table.cells["random", "hiv", "cb", BA.name].runs))

    def test_it_is_known_by_equal_hashes(self):
        table, _ = stored(splits=("mine",))
        runs = table.cells["mine", "hiv", "cb", BA.name].runs
        same = [
            dataclasses.replace(run, result=dataclasses.replace(run.result, split_hash="0" * 64))
            for run in runs
        ]
        assert np.isfinite(ratio_of(runs))
        assert np.isinf(ratio_of(same))
