"""What is shown of 650 classes: dots, groups and both ends, in files of a bounded size."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.commands import data, show
from bench.compliance.arithmetic import violations_of_arithmetic
from bench.metrics import matrix_of_record, matrix_to_record, recalls
from bench.metrics.groups import count_groups
from bench.report.figures import Embedding
from bench.report.figures.class_size import class_size_figures
from bench.report.figures.confusion import confusion_figures
from bench.report.figures.embedding import embedding_figures
from bench.report.figures.gain import gain_figures
from bench.report.figures.omega import omega_figures
from bench.report.figures.source import mean_over_runs
from bench.report.figures.style import COUNT_COLOURS, files_of, style
from bench.report.html import write
from bench.report.model.best_sets import best_sets
from bench.report.model.many_classes import (
    GROUPS,
    GROUPS_IN_WORDS,
    MOST_CLASSES_SHOWN,
    confusion_by_group,
    ends_by_size,
    largest_confusions,
    running_mean,
)
from bench.report.model.table2 import table2
from bench.report.model.verdict import verdicts
from bench.report.tables.figure1 import figure1
from bench.report.writers.markdown import report_markdown
from bench.report.writers.terminal import render_terminal
from bench.report.writers.write import write_report
from tests.report.report_records import (
    make_grid,
    make_job,
    make_plan,
    make_record,
    predictions_of,
    source_of,
)
from tests.report.test_figures import assert_texts_are_inside
from tests.report.test_page import Elements

K = 650
METHODS = ("vanilla", "cb", "sdr")


def matrix_of(job, classes):
    """Test samples fall from class to class; mistakes go to class 0, or of that to class 1."""
    rng = np.random.default_rng(int(job["job_id"][:8], 16))
    test = 1 + 300 // np.arange(1, classes + 1)
    right = rng.binomial(test, 0.6)
    matrix = np.diag(right)
    matrix[1:, 0] += (test - right)[1:]
    matrix[0, 1] += (test - right)[0]
    return matrix


def record_of(job, classes=K):
    matrix = matrix_of(job, classes)
    record = make_record(job, matrix)
    record["confusion"] = matrix_to_record(matrix)
    record["data"]["class_names"] = [f"kind {k}" for k in range(classes)]
    if job["method"] == "sdr":
        for report in record["history"]:
            weights = 1 + np.arange(classes) % 7 / 10
            report["method"] = {"omega": weights.tolist(), "subclusters": 2 * classes}
    return record


@pytest.fixture(scope="module")
def sweep():
    jobs = make_grid(("mine",), methods=METHODS, seeds=(0, 1))
    return make_plan(jobs), [record_of(job) for job in jobs]


@pytest.fixture(scope="module")
def source(sweep):
    return source_of(*sweep, {})


def test_the_verdict_speaks_of_the_rarest_classes_together(sweep):
    plan, records = sweep
    full = [{**r, "confusion": matrix_of_record(r["confusion"])} for r in records]
    table = table2(plan, records, {})
    leaders = best_sets(table, predictions_of(full))
    [verdict] = verdicts(replace(table, leaders=leaders), predictions_of(full))
    # The 195 rarest of 650 classes are the last: one test sample each, 1 + 300 // k = 1.
    assert any(
        one.text.startswith("The 195 rarest of 650 classes have 195 test samples together")
        for one in verdict.trust
    )
    assert len(verdict.use) == 1
    assert not any("chance" in one.text for one in verdict.avoid)


def drawn(figures):
    with style():
        return dict(figures)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=80), st.integers(1, 12))
def test_both_ends_are_apart_and_in_order(counts, most):
    counts = np.array(counts)
    largest, smallest = ends_by_size(counts, most)
    listed = [*largest.tolist(), *smallest.tolist()]
    assert len(set(listed)) == len(listed) == min(len(counts), 2 * most)
    assert counts[listed].tolist() == sorted(counts[listed], reverse=True)
    inside = np.setdiff1d(np.arange(len(counts)), listed)
    assert all(counts[largest].min() >= counts[k] >= counts[smallest].max() for k in inside)


@given(st.lists(st.tuples(st.integers(0, 99), st.floats(-1, 1) | st.just(np.nan)), min_size=1))
def test_the_running_mean_is_that_of_classes_of_about_that_size(pairs):
    counts, values = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    places, means = running_mean(counts, values)
    known = [(c, v) for c, v in zip(counts, values, strict=True) if c > 0 and v == v]
    assert places.tolist() == sorted({c for c, _ in known})
    for place, mean in zip(places, means, strict=True):
        own = [v for c, v in known if place / 1.5 <= c <= place * 1.5]
        assert mean == pytest.approx(sum(own) / len(own), abs=1e-12)


@given(st.integers(2, 7), st.data())
def test_where_samples_go_equals_a_count_one_by_one(classes, drawer):
    draw = st.lists(st.integers(0, 5), min_size=classes, max_size=classes)
    matrix = np.array([drawer.draw(draw) for _ in range(classes)])
    counts = np.array(
        drawer.draw(st.lists(st.integers(0, 150), min_size=classes, max_size=classes))
    )
    group = ["many" if n > 100 else "medium" if n >= 20 else "few" for n in counts]
    found = confusion_by_group(matrix, counts)
    for row, name in enumerate(GROUPS):
        tested = [k for k in range(classes) if group[k] == name and matrix[k].sum()]
        if not tested:
            assert np.isnan(found[row]).all()
            continue
        expected = np.zeros(4)
        for k in tested:
            for j in range(classes):
                column = 0 if j == k else 1 + GROUPS.index(group[j])
                expected[column] += matrix[k, j] / matrix[k].sum() / len(tested)
        np.testing.assert_allclose(found[row], expected, atol=1e-12)
        assert found[row].sum() == pytest.approx(1)


def test_the_largest_confusions_are_off_the_diagonal_and_above_zero():
    matrix = np.array([[50, 0, 3], [3, 9, 0], [7, 0, 0]])
    assert largest_confusions(matrix, 9) == [(2, 0, 7), (0, 2, 3), (1, 0, 3)]
    assert largest_confusions(matrix, 1) == [(2, 0, 7)]


def test_groups_by_counts_part_at_20_and_100():
    groups = count_groups(np.array([101, 100, 20, 19, 0]))
    assert {name: classes.tolist() for name, classes in groups.items()} == {
        "many": [0],
        "medium": [1, 2],
        "few": [3, 4],
    }


def test_a_mean_over_runs_leaves_out_runs_without_a_value():
    mean = mean_over_runs([np.array([1.0, np.nan, np.nan]), np.array([2.0, 4.0, np.nan])])
    np.testing.assert_array_equal(mean, [1.5, 4.0, np.nan])


def test_a_class_is_a_dot_at_its_size_and_its_recall(source, sweep):
    (figure,) = drawn(class_size_figures(source)).values()
    (axes,) = figure.axes
    vanilla = [r for r in sweep[1] if r["job"]["method"]["label"] == "vanilla"]
    dots, mean = axes.lines[0], axes.lines[1]
    assert dots.get_xdata().tolist() == vanilla[0]["data"]["train_counts"]
    recall = np.mean([recalls(matrix_of_record(one["confusion"])) for one in vanilla], axis=0)
    np.testing.assert_allclose(dots.get_ydata(), 100 * recall)
    assert len(mean.get_xdata()) == len(set(vanilla[0]["data"]["train_counts"]))
    assert axes.get_xscale() == "log"
    assert not axes.collections  # no whiskers
    assert {20, 100} <= {line.get_xdata()[0] for line in axes.lines[2:4]}


def test_classes_without_training_or_test_samples_are_drawn_by_nobody(source):
    records = json.loads(json.dumps(dict(source.records)))
    for record in records.values():
        record["data"]["train_counts"][3] = 0
        record["confusion"]["cells"] = [c for c in record["confusion"]["cells"] if c[0] != 5]
    there = replace(source, records=records)
    (figure,) = drawn(class_size_figures(there)).values()
    assert len(figure.axes[0].lines[0].get_xdata()) == K - 1
    (figure,) = drawn(gain_figures(there)).values()
    assert sum(len(line.get_xdata()) for line in figure.axes[0].lines[:3]) == K - 1
    (figure,) = drawn(confusion_figures(there)).values()
    assert not np.isnan(figure.axes[0].images[0].get_array()).any()


def test_gains_are_dots_in_the_colours_of_groups(source):
    (figure,) = drawn(gain_figures(source)).values()
    panel = figure.axes[0]
    assert not panel.patches
    dots = panel.lines[:3]
    assert [line.get_color() for line in dots] == [COUNT_COLOURS[name] for name in GROUPS]
    assert sum(len(line.get_xdata()) for line in dots) == K
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert all(any(words in text for text in legend) for words in GROUPS_IN_WORDS.values())
    # Nothing is written over the legend.
    assert figure.get_supxlabel() == ""


@pytest.mark.parametrize("figures", [class_size_figures, confusion_figures, gain_figures])
def test_what_two_methods_of_many_classes_are_told_by_is_inside_the_figure(figures):
    jobs = make_grid(("a_data_set_of_650_classes",), methods=METHODS[:2], seeds=(0,))
    records = [record_of(job) for job in jobs]
    (figure,) = drawn(figures(source_of(make_plan(jobs), records, {}))).values()
    assert_texts_are_inside(figure)


def test_confusion_is_by_groups_where_classes_are_many(source, sweep):
    (figure,) = drawn(confusion_figures(source)).values()
    image = figure.axes[0].images[0].get_array()
    assert image.shape == (3, 4)
    expected = np.mean(
        [
            confusion_by_group(matrix_of({"job_id": record["job_id"]}, K),
                               np.array(record["data"]["train_counts"]))
            for record in sweep[1]
            if record["job"]["method"]["label"] == "vanilla"
        ],
        axis=0,
    )  # fmt: skip
    np.testing.assert_allclose(image, 100 * expected)


def test_omega_is_a_line_a_group(source):
    (figure,) = drawn(omega_figures(source)).values()
    assert len(figure.axes) == 1  # no bar of colours
    assert len(figure.axes[0].lines) == 1 + 3
    assert len(figure.axes[0].collections) == 3


def test_embeddings_are_coloured_by_the_size_of_the_class(source):
    job = make_job("mine", method="sdr")
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(K), 2)
    clusters = np.where(labels < 640, labels, -1)
    points = rng.normal(size=(2 * K, 3))
    embedding = Embedding(job["job_id"], points, labels, clusters)
    (figure,) = drawn(embedding_figures(source, [embedding])).values()
    samples, grey, centres = (dots for axes in figure.axes[:2] for dots in axes.collections)
    assert len(samples.get_offsets()) == len(grey.get_offsets()) == 2 * K
    assert len(centres.get_offsets()) == 640
    first = np.asarray(centres.get_offsets())[0]
    np.testing.assert_allclose(first, np.asarray(grey.get_offsets())[:2].mean(axis=0))
    assert centres.get_array()[0] == source.records[job["job_id"]]["data"]["train_counts"][0]
    assert not figure.legends


def test_pictures_stay_small(source):
    with style():
        for _, figure in (*class_size_figures(source), *gain_figures(source)):
            assert max(map(len, files_of(figure).values())) < 500_000


@pytest.fixture(scope="module")
def content(source):
    """The details of the page."""
    libraries = write.packed_libraries
    write.packed_libraries = dict
    try:
        text = write.page(source)
    finally:
        write.packed_libraries = libraries
    return Elements(text).details, len(text)


def test_details_list_both_ends_and_hold_the_rest_as_numbers(content, sweep):
    details, _ = content
    run = details["cells"]["c0"]["runs"][0]
    assert "perClass" not in run
    assert "confusion" not in run
    many = run["many"]
    record = next(r for r in sweep[1] if r["job_id"] == run["job"])
    matrix = matrix_of(record, K)
    assert many["listed"] == [*range(15), *range(K - 15, K)]
    assert many["perClass"][0][:2] == [2107, 301]
    assert many["right"] == np.diag(matrix).tolist()
    assert details["facts"][many["counts"]] == {
        "train": record["data"]["train_counts"],
        "test": record["data"]["test_counts"],
    }
    assert many["confusions"][0] == list(largest_confusions(matrix, 1)[0])
    assert len(many["confusions"]) == 20
    assert [row[0] for row in many["groups"]] == list(GROUPS)
    assert sum(row[2] for row in many["groups"]) == K
    assert (details["show"].endswith(" show"), details["out"]) == (True, "--out results")


def test_class_weights_of_many_classes_are_those_of_groups(content):
    details, _ = content
    cell = next(cell for cell in details["cells"].values() if cell["label"] == "sdr")
    history = cell["runs"][0]["history"]
    assert history["omegaOf"] == list(GROUPS)
    weights, counts = 1 + np.arange(K) % 7 / 10, 7 * (1 + 300 // np.arange(1, K + 1))
    assert history["omega"][0][0] == pytest.approx(weights[counts > 100].mean(), abs=5e-4)


def test_thirty_methods_of_many_classes_stay_below_four_megabytes(content):
    _, size = content
    libraries = sum(map(len, write.packed_libraries().values()))
    assert libraries + size * 30 / len(METHODS) < 4e6


@pytest.mark.parametrize(("classes", "many"), [(MOST_CLASSES_SHOWN, False), (51, True)])
def test_as_many_classes_as_can_be_shown_keep_their_bars(classes, many):
    jobs = [make_job("mine"), make_job("mine", method="cb")]
    there = source_of(make_plan(jobs), [record_of(job, classes) for job in jobs], {})
    (figure,) = drawn(gain_figures(there)).values()
    assert bool(figure.axes[0].patches) is not many
    (figure,) = drawn(confusion_figures(there)).values()
    assert figure.axes[0].images[0].get_size() == ((3, 4) if many else (classes, classes))


def test_people_read_both_ends_of_figure_1_and_the_csv_holds_all(source, sweep):
    report = figure1(source.table, sweep[1])
    assert len(report.sections[0].lines) == 21  # the last is the rank correlation
    assert [line[0].text for line in report.sections[0].lines[:2]] == ["kind 0", "kind 1"]
    assert report.sections[0].lines[-2][0].text == f"kind {K - 1}"
    assert len(report.csv_lines) == K * len(METHODS)
    assert any("figure1.csv holds all" in text for _, text in report.notes)
    assert max(map(len, report_markdown(report).splitlines())) < 1500


def test_the_rank_correlation_is_that_of_the_csv_file(source, sweep):
    report = figure1(source.table, sweep[1])
    held = pd.DataFrame(report.csv_lines, columns=report.csv_header)
    said = report.sections[0].lines[-1]
    assert said[0].text == "rank correlation with samples"
    drawn_rows = [row.label for row in source.table.rows if row.group == "paper"]
    assert len(said) == 2 + len(drawn_rows) > 2
    for entry, label in zip(said[2:], drawn_rows, strict=True):
        of_row = held[held["method"] == label]
        expected = of_row["train_samples"].rank().corr(of_row["recall"].rank())
        assert entry.text == f"{expected:.2f}"


def test_no_table_has_a_line_of_650_names(sweep, tmp_path):
    table = table2(*sweep, {})
    texts = [path.read_text() for path in write_report(tmp_path, table)]
    assert not any("kind 7" in text for text in texts)
    assert render_terminal(table)


def test_a_run_of_many_classes_is_shown_by_groups_and_both_ends(sweep):
    record = sweep[1][0]
    matrix = matrix_of(record, K)
    text = "\n".join(show._many_classes(record, matrix))
    lines = text.splitlines()
    assert len(lines) < 50
    assert "The 10 largest classes in training" in text
    assert "The 10 smallest classes in training" in text
    assert "kind 9 " in text
    assert not any(line.startswith("  kind 10 ") for line in lines)
    assert f"kind {K - 10} " in text
    assert f"All {K} as CSV: " in text
    large = np.array(record["data"]["train_counts"]) > 100
    recall = np.mean((matrix.diagonal() / matrix.sum(axis=1))[large])
    (many,) = (line for line in lines if line.startswith("  many: more than 100"))
    assert many.split()[4] == f"{recall:.4f}"
    true, predicted, samples = largest_confusions(matrix, 1)[0]
    said = f"  {samples} of {matrix[true].sum()}: kind {true} taken for kind {predicted}"
    assert said in lines


def test_a_data_set_of_many_classes_is_listed_by_both_ends():
    facts = SimpleNamespace(class_counts=tuple((f"kind {k}", 1000 - k) for k in range(K)))
    names = [name for name, _ in data._shown_classes(facts)]
    assert names == [f"kind {k}" for k in (*range(10), *range(K - 10, K))]
    rows = list(csv.reader(io.StringIO(data._classes_csv(facts))))
    assert rows[:2] == [["class", "samples"], ["kind 0", "1000"]]
    assert len(rows) == 1 + K
    few = SimpleNamespace(class_counts=facts.class_counts[:MOST_CLASSES_SHOWN])
    assert data._shown_classes(few) == few.class_counts


def test_a_violation_is_short_whatever_the_number_of_classes(sweep):
    record = json.loads(json.dumps(sweep[1][0]))
    record["per_class"]["auroc"].pop()
    record["confusion"]["cells"][0][2] += 1
    whats = {violation.rule: violation.what for violation in violations_of_arithmetic(record)}
    assert whats.keys() == {"confusion matrix adds up", "counts fit"}
    assert whats["counts fit"].endswith("but got lengths [649, 650].")
    assert max(map(len, whats.values())) < 4500


def test_all_classes_are_in_the_csv_the_largest_first(sweep):
    record = json.loads(json.dumps(sweep[1][0]))
    record["per_class"]["auroc"][2] = None
    record["data"]["train_counts"][:2] = [5, 9000]
    rows = list(csv.DictReader(io.StringIO(show._classes_csv(record))))
    assert [row["class"] for row in rows[:2]] == ["kind 1", "kind 2"]
    assert len(rows) == K
    assert rows[0]["train"] == "9000"
    assert float(rows[1]["recall"]) == recalls(matrix_of_record(record["confusion"]))[2]
    assert rows[1]["auroc"] == ""
