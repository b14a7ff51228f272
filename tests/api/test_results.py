"""What the results of a benchmark say: frames, claims, pictures, files."""

import numpy as np
import pandas as pd
import pytest

import bench
from bench.api.results import Best, Interval, Results
from bench.dataset import Entity
from bench.errors import ArgumentError, UsageError
from bench.report.figures.source import source_of_table
from bench.report.model.measures import measures_named
from bench.report.model.paired_cells import gap_over_seeds
from bench.report.model.sampling_variance import covariance_from
from bench.report.model.table2 import table2
from bench.sweep.store import Store
from tests.api.conftest import compare
from tests.report.report_records import make_grid, make_plan, make_record


def test_the_table_holds_means_of_the_runs_best_first(results):
    table, runs = results.table, results.runs
    assert list(table["split"]) == ["random", "random", "standard", "standard"]
    for _, row in table.iterrows():
        own = runs[(runs["method"] == row["method"]) & (runs["split"] == row["split"])]
        assert row["balanced_accuracy"] == pytest.approx(own["balanced_accuracy"].mean())
        assert row["balanced_accuracy_std"] == pytest.approx(own["balanced_accuracy"].std())
        assert (row["n"], row["planned"], row["failed"]) == (3, 3, 0)
    for _, own in table.groupby("split"):
        assert own["balanced_accuracy"].is_monotonic_decreasing
        assert own["best"].iloc[0] is True


def test_figures_are_those_of_the_written_table_in_percent(results):
    written = pd.read_csv(results.folder / "table2.csv")
    written = written[written["metric"] == "balanced_accuracy"].set_index(["split", "method"])
    table = results.table.set_index(["split", "method"])
    both = table.join(written[["mean", "in_best_group"]])
    assert np.allclose(both["balanced_accuracy"], both["mean"], atol=1e-4)
    assert list(both["best"]) == list(both["in_best_group"] == "yes")


def test_every_class_of_every_run_has_a_row(results):
    classes = results.per_class
    assert len(classes) == 12 * 3
    assert set(classes["class"]) == {"alcohol", "amine", "ring"}
    first = classes[(classes["split"] == "random") & (classes["seed"] == 0)]
    first = first[first["method"] == "vanilla"]
    runs = results.runs.set_index(["split", "method", "seed"])
    mean = runs.loc[("random", "vanilla", 0), "balanced_accuracy"]
    assert first["recall"].mean() == pytest.approx(mean)
    assert first["support"].sum() == 16


def test_earlier_results_are_opened_as_they_were(results):
    opened = bench.load_results(results.folder)
    pd.testing.assert_frame_equal(opened.table, results.table)
    pd.testing.assert_frame_equal(opened.runs, results.runs)
    assert bench.load_results(results.folder, preset="quick").methods == results.methods


def test_the_verdict_is_text_and_names_the_methods_of_the_best_set(results):
    [verdict] = results.verdict
    assert verdict.label == "toy"
    assert repr(results.verdict) == str(results.verdict)
    for one in verdict.use:
        best = results.best(split=one.split)
        assert one.methods == best.confidence_set
        assert f"{best.mean:.2f} %" in one.text
        assert one.text in str(results.verdict)


def test_the_best_and_the_interval_are_those_of_the_statistics(results):
    best = results.best(split="random")
    leaders = results.source.table.leaders["random", "toy", "balanced_accuracy"]
    assert set(best.confidence_set) == leaders.members
    assert best.significant is (len(leaders.members) == 1)
    assert best.method in str(best)
    found = results.interval("vanilla", "ecfp_forest", split="standard")
    column = results.source.table.columns[0]
    gap = gap_over_seeds(
        results.source.table, "standard", column, "vanilla", "ecfp_forest",
        covariance_from(Store(results.folder).decisions),
    )  # fmt: skip
    assert (found.mean, found.low, found.high, found.seeds) == (gap.mean, gap.low, gap.high, 3)
    assert found.significant is (gap.sign != "alike")
    assert "95 % interval" in str(found)
    assert results.interval("vanilla[]", " ecfp_forest", split="standard") == found


@pytest.mark.filterwarnings("ignore::bench.errors.BenchWarning")
def test_of_one_seed_no_lead_is_claimed(tmp_path):
    done = compare(out=tmp_path, seeds=[0])
    best = done.best()
    assert (best.significant, best.confidence_set) == (None, ())
    assert "cannot be tested" in str(best)
    assert set(done.table["best"]) == {None}
    assert "these two trained models only" in str(done.interval("vanilla", "ecfp_forest")) or (
        done.interval("vanilla", "ecfp_forest").significant is None
    )
    assert len(done.plot().axes) == 1


@pytest.mark.filterwarnings("ignore::bench.errors.BenchWarning")
def test_folds_of_one_seed_are_one_seed(tmp_path):
    best = compare(out=tmp_path, methods=["ecfp_forest"], splits=["cv5"], seeds=[0]).best()
    assert (best.significant, best.seeds) == (None, 1)


def test_what_cannot_be_said_is_said():
    assert "nothing can be said" in str(Interval("a", "b", None, None, None, 0))
    assert Interval("a", "b", None, None, None, 0).significant is None
    assert Interval("a", "b", 1.0, 1.0, 1.0, 2).significant is None
    assert Interval("a", "b", 2.0, 1.0, 3.0, 2).significant is True
    assert Interval("a", "b", 2.0, -1.0, 3.0, 2).significant is False
    assert "significantly above all" in str(Best("a", "A", 70.0, True, ("a",), 3))
    assert "(1 seed)" in str(Best("a", "A", 70.0, True, ("a",), 1))


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda r: r.best(), "Expected one data set and split.*split='random'"),
        (lambda r: r.best(split="scafold"), "split of these results"),
        (lambda r: r.best(dataset="tox", split="random"), "Did you mean 'toy'"),
        (lambda r: r.interval("vanila", "ecfp_forest", split="random"), "Did you mean 'vanilla'"),
        (lambda r: r.plot(measure="accuracy"), "balanced_accuracy"),
        (lambda r: r.model("cb", split="random"), "There are: vanilla, ecfp_forest"),
        (lambda r: r.model("vanilla", split="random", seed=9), "seeds \\[0, 1, 2\\]"),
    ],
)
def test_what_is_not_there_is_refused(results, ask, words):
    with pytest.raises(ArgumentError, match=words):
        ask(results)
    with pytest.raises(ValueError):
        ask(results)


def test_the_chart_has_a_panel_a_split_with_the_best_on_top(results, tmp_path):
    figure = results.plot()
    assert len(figure.axes) == 2
    for axes, (_, own) in zip(figure.axes, results.table.groupby("split"), strict=True):
        assert [text.get_text() for text in axes.get_yticklabels()] == list(own["title"])
        assert axes.yaxis_inverted()
    figure.savefig(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes()[1:4] == b"PNG"
    assert results.plot(split="random")._repr_png_()[1:4] == b"PNG"


def test_the_chart_takes_every_figure_of_the_table(results):
    shown = results.plot(split="random", measure="recall_tail")
    assert shown.axes[0].get_xlabel() == "tail (%)"
    opened = bench.load_results(results.folder, metrics=["log_loss", "mcc"])
    for name, label, sign in (("log_loss", "log loss, lower is better", 1), ("mcc", "MCC", -1)):
        axes = opened.plot(split="random", measure=name).axes[0]
        assert axes.get_xlabel() == label
        own = opened.table[opened.table["split"] == "random"]
        order = own.iloc[(sign * own[name]).argsort(kind="stable")]
        assert [text.get_text() for text in axes.get_yticklabels()] == list(order["title"])
    with pytest.raises(ArgumentError, match="recall_tail"):
        opened.plot(measure="recall_tail")


def test_without_tasks_there_is_no_mean_rank(results):
    frame = results.mean_ranks
    assert frame.empty
    assert list(frame.columns) == [
        "file", "method", "title", "balanced_accuracy", "balanced_f1", "tasks",
    ]  # fmt: skip


def test_the_page_is_the_one_that_the_harness_writes(results, tmp_path):
    path = results.to_html(tmp_path / "new" / "page.html")
    text = path.read_text()
    assert "Vanilla GCN" in text
    assert "ECFP forest" in text


def test_each_figure_says_how_many_runs_are_in_its_mean(tmp_path):
    jobs = make_grid()
    records = [make_record(job, metrics={"bedroc": 0.5}) for job in jobs]
    records[2]["metrics"]["bedroc"] = None
    [measure] = measures_named(["bedroc"], where="metrics")
    table = table2(make_plan(jobs), records, {}, shown=(measure,))
    found = Results(Store(tmp_path), source_of_table(table, records))
    [row] = found.table.to_dict("records")
    assert (row["n"], row["bedroc_n"], row["planned"]) == (3, 2, 3)
    assert "(2/3)" in found._repr_html_()
    assert "/3)" not in found._repr_html_().replace("(2/3)", "", 1)


def test_a_notebook_shows_a_table_and_names_as_they_are(results):
    shown = results._repr_html_()
    assert "<b>" in shown
    assert "±" in shown
    assert results.best(split="random").method in shown
    assert repr(results).startswith("Results('")
    assert "2 methods, 1 data set, 12 of 12 runs" in repr(results)
    assert len(repr(results)) < 200 + len(str(results.folder))


def test_the_model_of_a_run_predicts_and_is_a_classifier(results):
    model = results.model("vanilla", split="random", seed=1)
    molecules = [Entity("smiles", "molecule", ["CCO", "CCN", "c1ccccc1"])]
    logits = model.predict(molecules).logits
    assert logits.shape == (3, 3)
    runs = results.runs
    run = runs[(runs["method"] == "vanilla") & (runs["split"] == "random") & (runs["seed"] == 1)]
    classifier = bench.LongTailClassifier.load(results.folder / "runs" / run["job_id"].iloc[0])
    assert classifier.classes_.tolist() == ["alcohol", "amine", "ring"]
    assert classifier.random_state == 1
    expected = classifier.classes_[logits.argmax(axis=1)]
    assert np.array_equal(classifier.predict(["CCO", "CCN", "c1ccccc1"]), expected)
    first = results.model("ecfp_forest", split="random")
    assert first.card.seed == 0


def test_other_figures_are_shown_where_they_are_asked_for(results):
    opened = bench.load_results(results.folder, metrics=["mcc", "g_mean"])
    table = opened.table
    assert {"balanced_accuracy", "mcc", "g_mean_std"} <= set(table.columns)
    assert not {"balanced_f1", "recall_tail"} & set(table.columns)
    assert table["mcc"].between(-1, 1).all()
    assert "MCC" in opened._repr_html_().replace("mcc", "MCC")
    assert "Percent but for MCC, mean" in opened._repr_html_()
    assert "mcc" in results.runs.columns
    with pytest.raises(UsageError, match=r"metrics=; --list metrics.*'mcc'"):
        bench.load_results(results.folder, metrics="mmc")
