"""Figures show the numbers of the records, holes as holes, and equal bytes for equal records."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from bench.report.figures import Embedding, draw_figures, write_figures
from bench.report.figures.class_size import class_size_figures
from bench.report.figures.confusion import confusion_figures, shares
from bench.report.figures.cost import cost_figures
from bench.report.figures.critical_difference import critical_difference_figures, ranks_of
from bench.report.figures.curves import curve_figures
from bench.report.figures.embedding import embedding_figures, project
from bench.report.figures.gain import gain_figures
from bench.report.figures.groups import group_figures
from bench.report.figures.intervals import interval_figure
from bench.report.figures.omega import omega_figures
from bench.report.figures.style import (
    MARKERS,
    PALETTE,
    file_name,
    in_lines,
    logarithmic,
    side_label,
    style,
    whole,
)
from bench.report.model import measures
from bench.report.model.registered import with_registered_names
from tests.report.report_records import (
    CLASS_COUNTS,
    make_grid,
    make_job,
    make_plan,
    make_record,
    source_of,
)

ROOT = Path(__file__).parents[2]
METHODS = ("vanilla", "cb", "sdr")
DATASETS = ("hiv", "mine", "bbbp")  # as few as can show that three methods differ


def source(jobs, confusions=None, failures=None, left_out=()):
    """The source of `jobs`; `confusions` maps (method, seed) to a matrix."""
    records = [
        make_record(job, (confusions or {}).get((job["method"], job["seed"])))
        for job in jobs
        if job["job_id"] not in {*left_out, *(failures or {})}
    ]
    for record in records:
        if record["job"]["method"]["name"].startswith("sdr"):
            for report in record["history"]:
                weight = 1 + report["epoch"] / 100
                report["method"] = {"omega": [weight, 2 - weight], "subclusters": 3}
    return source_of(make_plan(jobs), records, failures or {})


def drawn(figures):
    with style():
        return dict(figures)


def texts(figure):
    return {text.get_text() for axes in figure.axes for text in [axes.title, *axes.texts]}


def assert_texts_are_inside(figure):
    """Titles, names of axes and legends, as they are laid out."""
    figure.draw_without_rendering()
    of_axes = [
        artist
        for axes in figure.axes
        for artist in (axes.title, axes.xaxis.label, axes.yaxis.label)
        if artist.get_text()
    ]
    for artist in [*figure.texts, *figure.legends, *of_axes]:
        box = artist.get_window_extent()
        assert min(box.x0, box.y0) >= 0, artist
        assert box.x1 <= figure.bbox.x1, artist
        assert box.y1 <= figure.bbox.y1, artist


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every figure of three methods on three data sets, where ranks mean something."""
    folder = tmp_path_factory.mktemp("figures")
    paths = write_figures(folder, draw_figures(ranked(METHODS, DATASETS)))
    assert sorted(paths) == sorted(folder.iterdir())
    return folder


def test_every_figure_comes_as_pdf_svg_and_png(folder):
    names = {path.stem for path in folder.iterdir()}
    assert names == {
        *(f"{kind}_random" for kind in ("class_size", "cost", "omega")),
        *(f"critical_difference_{measure.name}" for measure in measures.MAIN),
        *(
            f"{kind}_random_{dataset}"
            for kind in ("gain", "groups", "confusion", "curves")
            for dataset in DATASETS
        ),
    }
    assert len(list(folder.iterdir())) == 3 * len(names)
    for name in names:
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert ElementTree.parse(folder / f"{name}.svg").getroot().tag.endswith("svg")


@pytest.mark.fault(52)
def test_equal_records_give_equal_bytes_in_other_processes(folder, tmp_path):
    program = (
        "import sys; sys.path.insert(0, 'tests/report'); from pathlib import Path\n"
        "from test_figures import DATASETS, METHODS, ranked\n"
        "from bench.report.figures import draw_figures, write_figures\n"
        "pictures = draw_figures(ranked(METHODS, DATASETS), jobs=2)\n"
        "write_figures(Path(sys.argv[1]), pictures)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_gain_is_the_difference_of_recalls_by_class_size_and_paired_by_seed():
    confusions = {
        ("vanilla", 0): [[80, 10], [15, 15]],
        ("vanilla", 1): [[90, 0], [30, 0]],
        ("cb", 0): [[71, 19], [6, 24]],
        ("cb", 1): [[81, 9], [9, 21]],
    }
    # The baseline lacks the third seed, so that it has no partner there.
    lone = make_job(method="vanilla", seed=2)["job_id"]
    figure = drawn(
        gain_figures(source(make_grid(methods=("vanilla", "cb")), confusions, left_out={lone}))
    )["gain_random_hiv"]
    (panel,) = figure.axes
    assert panel.get_title() == "cb"
    assert [bar.get_height() for bar in panel.patches] == pytest.approx([-10.0, 50.0])
    assert [bar.get_x() + bar.get_width() / 2 for bar in panel.patches] == pytest.approx([0, 1])
    assert [label.get_text() for label in panel.get_xticklabels()] == ["630", "210"]


@pytest.mark.parametrize(("classes", "turned"), [(4, 0), (10, 90)])
def test_ticks_of_many_classes_are_turned_on_panels_without_a_run_too(monkeypatch, classes, turned):
    monkeypatch.setitem(CLASS_COUNTS, "uspto_50k", list(range(50, 50 - classes, -1)))
    jobs = make_grid(("uspto_50k",), methods=("vanilla", "cb", "sdr"))
    missing = {job["job_id"] for job in jobs if job["method"] == "sdr"}
    (figure,) = drawn(gain_figures(source(jobs, left_out=missing))).values()
    for axes in figure.axes:
        assert {label.get_rotation() for label in axes.get_xticklabels()} == {turned}


def test_the_baseline_of_a_gain_is_named_where_encoders_differ():
    labels = ("vanilla[backbone=gin]", "cb[backbone=gin]", "cb")
    plan = make_plan(make_grid(methods=labels))
    plan["settings"]["backbones"] = {"molecule": "gcn"}
    records = [make_record(job) for job in plan["jobs"]]
    (figure,) = drawn(gain_figures(source_of(with_registered_names(plan), records, {}))).values()
    assert figure.get_suptitle().startswith("Gain over Vanilla GIN by class")
    assert len(figure.axes) == 2


def test_a_legend_of_costs_is_no_wider_than_its_figure():
    jobs = [
        {**job, "title": f"{job['method']} with a title of many words"}
        for job in make_grid(methods=("vanilla", "cb", "sdr", "ib"))
    ]
    with style():
        (figure,) = dict(cost_figures(source(jobs))).values()
        figure.canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


LONG = ("mine_of_a_longer_name_of_two_lines",)


@pytest.mark.parametrize("methods", [("vanilla", "cb"), ("vanilla", "forest")])
@pytest.mark.parametrize(
    "figures",
    [class_size_figures, confusion_figures, cost_figures, curve_figures, gain_figures,
     group_figures],
)  # fmt: skip
def test_what_two_methods_are_told_by_is_inside_the_figure(figures, methods):
    """A lone panel makes a small figure."""
    there = source(make_grid(LONG, methods=methods, seeds=(0,)))
    for record in there.records.values():
        if record["job"]["method"]["name"] == "forest":
            record["history"] = []
    (figure,) = drawn(figures(there)).values()
    assert_texts_are_inside(figure)


@pytest.mark.filterwarnings("error")  # of a layout that does not fit
@pytest.mark.parametrize("classes", [2, 60])
@pytest.mark.parametrize(
    "figures",
    [class_size_figures, confusion_figures, cost_figures, critical_difference_figures,
     curve_figures, gain_figures, group_figures],
)  # fmt: skip
def test_names_of_methods_of_any_length_leave_room_for_what_they_name(
    figures, classes, monkeypatch
):
    """With and without places to break them; a legend is no wider than its panel."""
    # Others draw each data set by itself: one is as good as three.
    together = (class_size_figures, cost_figures, critical_difference_figures)
    datasets = DATASETS if figures in together else DATASETS[:1]
    for dataset in datasets:
        monkeypatch.setitem(CLASS_COUNTS, dataset, list(range(50 + classes, 50, -1)))
    methods = ("vanilla", "sdr", *(
        f"{name}[members={'+'.join(['balanced_softmax[backbone=mpnn_ecfp]', 'ecfp_forest'] * 3)}]"
        for name in ("sdr_released", "a stack of models that differ in what they read")
    ))  # fmt: skip
    for figure in drawn(figures(source(make_grid(datasets, methods=methods)))).values():
        assert_texts_are_inside(figure)
        for axes in [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]:
            box = axes.get_window_extent()
            assert box.width > 0.1 * figure.bbox.width
            ticks = [label.get_window_extent() for label in axes.get_yticklabels()]
            assert all(tick.x0 >= 0 for tick in ticks)
            assert not any(one.overlaps(other) for one, other in pairwise(ticks))
            if (legend := axes.get_legend()) is not None:
                assert legend.get_window_extent().width <= box.width


@pytest.mark.parametrize("height", [1.5, 2.8])
def test_a_name_of_an_axis_is_whole_however_low_the_figure(height):
    figure = Figure(figsize=(5, height), layout="constrained")
    figure.subplots()
    side_label(figure, "left axis: validation balanced accuracy [%], mean over all seeds")
    assert_texts_are_inside(figure)


@pytest.mark.parametrize("inches", [0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 2])
def test_no_line_ends_within_a_number_of_runs(inches):
    lines = in_lines("Diverse stack (ours) [BS · ECFP forest], n = 3", inches, 7).split("\n")
    assert lines[-1].endswith("n = 3")


def test_one_epoch_has_one_tick():
    with style():
        axes = Figure().subplots()
        axes.plot([1], [50], "o")
        whole(axes.xaxis)
        shown = [tick for tick in axes.get_xticks() if 0.9 < tick < 1.1]
    assert shown == [1]


def test_whiskers_stay_within_what_a_figure_can_be():
    """Recalls of 0 and 100 % have a deviation of 70.7 points, and so have gains of 0 and 100."""
    confusions = {
        ("cb", 0): [[90, 0], [0, 30]],
        ("cb", 1): [[0, 90], [30, 0]],
        ("vanilla", 0): [[0, 90], [30, 0]],
        ("vanilla", 1): [[0, 90], [30, 0]],
    }
    there = source(make_grid(methods=("vanilla", "cb"), seeds=(0, 1)), confusions)
    reaches = {
        group_figures: (0, 0, 100),
        cost_figures: (1, 0, 100),
        class_size_figures: (1, 0, 100),
        gain_figures: (1, -100, 100),
    }
    for figures, (axis, low, high) in reaches.items():
        (figure,) = drawn(figures(there)).values()
        ends = [
            end[axis]
            for axes in figure.axes
            for lines in axes.collections
            for segment in lines.get_segments()
            for end in segment
        ]
        assert len(ends) >= 4
        assert min(ends) >= low - 1e-9
        assert max(ends) <= high + 1e-9
        assert max(ends) - min(ends) > 50


def test_classes_of_a_confusion_matrix_are_named_where_their_names_are_short():
    there = source([make_job()])
    (record,) = there.records.values()
    for names, ticks in ((["active", "inert"], ["active", "inert"]), (["x" * 40, "y"], ["0", "1"])):
        record["data"]["class_names"] = names
        (figure,) = drawn(confusion_figures(there)).values()
        assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ticks


def test_the_recall_of_rare_classes_is_the_first_picture():
    pictures = draw_figures(source(make_grid(methods=("vanilla", "cb"))), suffixes=["svg"])
    assert pictures[0].title == "Frequent and rare classes: hiv, random split"
    assert all(list(picture.files) == ["svg"] for picture in pictures)


def test_no_gain_without_the_baseline():
    assert drawn(gain_figures(source(make_grid(methods=("cb", "sdr"))))) == {}


def test_methods_without_a_run_keep_a_panel_that_says_so():
    jobs = make_grid(methods=("vanilla", "cb", "sdr"), seeds=(0, 1))
    failures = {job["job_id"]: {"reason": "x"} for job in jobs if job["method"] == "cb"}
    left_out = {make_job(method="sdr", seed=1)["job_id"]}
    there = source(jobs, failures=failures, left_out=left_out)
    for figures in (gain_figures, confusion_figures, curve_figures):
        (figure,) = drawn(figures(there)).values()
        assert {"cb (0/2, failed)", "sdr (1/2, missing)", "no complete run"} <= texts(figure)
    (figure,) = drawn(group_figures(there)).values()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["vanilla", "cb (0/2, failed)", "sdr (1/2, missing)"]
    assert "no complete run" in texts(figure)


@pytest.mark.parametrize("figures", [gain_figures, confusion_figures, curve_figures, omega_figures])
def test_titles_of_panels_side_by_side_do_not_run_into_each_other(figures):
    """Labels as long as those of an ablation, with and without places to break them."""
    methods = (
        "vanilla",
        *(f"sdr[name_of_an_option={n},agg=mean,reweighting=subcluster]" for n in range(4)),
        *(f"sdr[networks=balanced_softmax+cb+cost_sensitive+dive+ib+{n}]" for n in range(4)),
    )
    (figure,) = drawn(figures(source(make_grid(methods=methods, seeds=(0,))))).values()
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    assert len(boxes) >= 8
    for place, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:place])


def test_a_legend_names_stages_only_where_one_begins():
    there = source([make_job(), make_job(method="decoupling")])
    (figure,) = drawn(curve_figures(there)).values()
    assert "dotted" not in figure.legends[0].get_title().get_text()
    for place, report in enumerate(
        there.records[make_job(method="decoupling")["job_id"]]["history"]
    ):
        report["stage"] = 1 + (place > 0)
    (figure,) = drawn(curve_figures(there)).values()
    assert "dotted: a new stage begins" in figure.legends[0].get_title().get_text()


def test_markers_of_a_class_stand_around_its_size():
    there = source(make_grid(methods=("vanilla", "cb", "sdr"), seeds=(0, 1)))
    (figure,) = drawn(class_size_figures(there)).values()
    first, second, third = (line.get_xdata() for line in figure.axes[0].lines)
    assert second == pytest.approx([630, 210])
    assert first * third == pytest.approx(second**2)


@pytest.mark.parametrize("ends", [(20, 45), (31, 39), (3, 4000), (0.2, 7e6), (1, 1.001)])
def test_a_logarithmic_axis_has_enough_ticks_and_not_too_many(ends):
    with style():
        axes = Figure().subplots()
        axes.set_xscale("log")
        logarithmic(axes.xaxis)
        axes.set_xlim(ends)
        shown = [tick for tick in axes.get_xticks() if ends[0] <= tick <= ends[1]]
    assert 3 <= len(shown) <= 9


def test_stand_in_is_named_in_titles():
    figures = drawn(cost_figures(source([make_job("chembl_ki")])))
    assert figures["cost_random"].axes[0].get_title() == "chembl_ki (proxy for SBAP)"


def test_class_size_shows_wilson_for_one_run_and_the_deviation_for_more():
    one = source([make_job()], {("vanilla", 0): [[45, 45], [18, 12]]})
    (figure,) = drawn(class_size_figures(one)).values()
    low, high = figure.axes[0].collections[0].get_segments()[1][:, 1]
    assert (low, high) == pytest.approx((24.59, 57.68), abs=0.01)  # 12 of 30
    more = source(
        make_grid(seeds=(0, 1)),
        {("vanilla", 0): [[45, 45], [18, 12]], ("vanilla", 1): [[45, 45], [12, 18]]},
    )
    (figure,) = drawn(class_size_figures(more)).values()
    low, high = figure.axes[0].collections[0].get_segments()[1][:, 1]
    assert (low, high) == pytest.approx((50 - 200**0.5, 50 + 200**0.5))


def test_class_size_does_not_depend_on_what_is_bold():
    jobs = make_grid(methods=("vanilla", "cb", "ib"), seeds=(0,))
    confusions = {("cb", 0): [[90, 0], [0, 30]], ("ib", 0): [[45, 45], [15, 15]]}
    records = [make_record(job, confusions.get((job["method"], 0))) for job in jobs]
    (figure,) = drawn(class_size_figures(source_of(make_plan(jobs), records, {}, {}))).values()
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["vanilla, n = 1", "cb, n = 1"]


def test_confusion_is_normalised_by_row_and_averaged_over_seeds():
    assert shares({"confusion": [[1, 3], [0, 0]]})[0].tolist() == [25.0, 75.0]
    assert np.isnan(shares({"confusion": [[1, 3], [0, 0]]})[1]).all()
    confusions = {("vanilla", 0): [[90, 0], [15, 15]], ("vanilla", 1): [[72, 18], [15, 15]]}
    (figure,) = drawn(confusion_figures(source(make_grid(seeds=(0, 1)), confusions))).values()
    assert figure.axes[0].images[0].get_array()[0].tolist() == [90.0, 10.0]
    assert "90.0\n± 14.1" in texts(figure)


@pytest.mark.parametrize(("dataset", "least"), [("hiv", 0.0), ("uspto_50k", 0.2)])
def test_an_error_of_one_percent_is_seen_where_no_numbers_are(monkeypatch, dataset, least):
    monkeypatch.setattr("bench.report.figures.confusion._MOST_NUMBERED", 3)
    (figure,) = drawn(confusion_figures(source([make_job(dataset)]))).values()
    norm = figure.axes[0].images[0].norm
    assert (norm(0), norm(100)) == (0, 1)
    assert norm(1) >= least
    assert bool(figure.axes[0].texts) is (dataset == "hiv")


def test_a_class_that_one_seed_does_not_test_keeps_the_figures_of_the_others():
    whole = [[10, 0, 0], [0, 4, 0], [0, 0, 2]]
    confusions = {
        ("vanilla", 0): [[8, 2, 0], [0, 4, 0], [0, 0, 2]],
        ("vanilla", 1): [[10, 0, 0], [0, 2, 2], [0, 0, 0]],
        ("cb", 0): [[10, 0, 0], [0, 4, 0], [0, 1, 1]],
        ("cb", 1): [[10, 0, 0], [0, 4, 0], [0, 0, 0]],
    }
    there = source(
        make_grid(methods=("vanilla", "cb"), seeds=(0, 1)), dict.fromkeys(confusions, whole)
    )
    for record in there.records.values():
        job = record["job"]
        record["confusion"] = confusions[job["method"]["name"], job["seed"]]
    (confusion,) = drawn(confusion_figures(there)).values()
    said = [text.get_text() for text in confusion.axes[0].texts]
    assert said[0] == "90.0\n± 14.1"
    assert said[6:] == ["0.0", "0.0", "100.0"]
    (sizes,) = drawn(class_size_figures(there)).values()
    means = sizes.axes[0].containers[0].lines[0].get_ydata()
    assert means.tolist() == [90.0, 75.0, 100.0]
    (gain,) = drawn(gain_figures(there)).values()
    assert sorted(bar.get_height() for bar in gain.axes[0].patches) == [-50.0, 10.0, 25.0]
    for record in there.records.values():
        record["confusion"] = [[10, 0, 0], [0, 4, 0], [0, 0, 0]]
    (empty,) = drawn(confusion_figures(there)).values()
    assert [text.get_text() for text in empty.axes[0].texts][6:] == ["none"] * 3


def test_bars_of_groups_are_the_cells_of_the_table():
    there = source(make_grid(("uspto_50k",), methods=("vanilla", "cb")))
    (figure,) = drawn(group_figures(there)).values()
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    cells = [
        there.table.cells["random", "uspto_50k", row, measure.name].mean
        for measure in measures.GROUP_RECALL
        for row in ("vanilla", "cb")
    ]
    assert widths == pytest.approx(cells)


def test_two_classes_have_no_bar_of_the_middle():
    (figure,) = drawn(group_figures(source([make_job()]))).values()
    assert len(figure.axes[0].patches) == 2


def test_omega_is_drawn_as_recorded_and_only_where_it_is():
    assert drawn(omega_figures(source([make_job()]))) == {}
    figures = drawn(omega_figures(source([make_job(method="sdr")])))
    dashed, largest, smallest = figures["omega_random"].axes[0].lines
    assert largest.get_ydata().tolist() == [1 + epoch / 100 for epoch in range(1, 11)]
    assert smallest.get_ydata()[-1] == pytest.approx(0.9)
    assert dashed.get_linestyle() == "--"


def test_method_without_epochs_has_no_curve():
    record = make_record(make_job())
    record["history"], record["selection"]["epoch"] = [], 0
    assert drawn(curve_figures(source_of(make_plan([make_job()]), [record], {}))) == {}


def ranked(methods, datasets):
    """Method m is better than method m + 1 everywhere."""
    jobs = make_grid(datasets, ("random",), methods, (0,))
    wrong = {(m, 0): [[90 - 9 * i, 9 * i], [3 * i, 30 - 3 * i]] for i, m in enumerate(methods)}
    return source(jobs, wrong)


def test_gain_of_one_pair_says_so_in_its_title():
    for seeds, said in (((0,), True), ((0, 1), False)):
        jobs = make_grid(methods=("vanilla", "cb"), seeds=seeds)
        [figure] = drawn(gain_figures(source(jobs))).values()
        assert ("(one trained pair)" in figure.get_suptitle()) == said


def test_ranks_of_few_data_sets_are_drawn_without_a_verdict():
    three = ("vanilla", "cb", "ib")
    assert drawn(critical_difference_figures(ranked(three, ("hiv",)))) == {}
    figures = drawn(critical_difference_figures(ranked(three, DATASETS)))
    assert set(figures) == {f"critical_difference_{measure.name}" for measure in measures.MAIN}
    figure = figures["critical_difference_balanced_accuracy"]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["vanilla (1.00)", "cb (2.00)", "ib (3.00)"]
    said = " ".join(figure.get_supxlabel().split())
    assert said.startswith("Too few data sets for a test: 3, and 5 are the least (one trained run")
    assert "bars join" not in said
    assert len(figure.axes[0].lines) == 1  # the ranks, and no bars


def test_ranks_of_five_data_sets_are_drawn_with_bars_and_forms_of_a_data_set_are_one():
    three, five = ("vanilla", "cb", "ib"), ("hiv", "chembl_ki", "a", "b", "c", "hiv[x=1]")
    there = ranked(three, five)
    ranks = ranks_of(there.table, measures.MAIN[0])
    assert (ranks.datasets, ranks.meaningful) == (5, True)
    figure = drawn(critical_difference_figures(there))["critical_difference_balanced_accuracy"]
    assert "The bars join methods" in " ".join(figure.get_supxlabel().split())
    assert len(figure.axes[0].lines) > 1
    assert not ranks_of(ranked(three, five[:4]).table, measures.MAIN[0]).meaningful


def test_a_method_that_is_not_planned_everywhere_is_not_called_missing():
    jobs = make_grid(DATASETS, methods=(*METHODS, "ib"))
    there = source(
        [job for job in jobs if (job["dataset"], job["method"]) != ("bbbp", "sdr")],
        left_out=[job["job_id"] for job in jobs if job["method"] == "cb"][:1],
    )
    (figure, _) = drawn(critical_difference_figures(there)).values()
    note = " ".join(figure.get_supxlabel().split())
    assert "Not ranked, as runs are missing: cb. " in note
    assert note.endswith("as they are not planned on all data sets and splits: sdr.")


def test_a_method_with_a_hole_is_not_ranked():
    jobs = make_grid(("hiv",), ("random", "standard"), ("vanilla", "cb", "ib"), (0, 1))
    hole = make_job("hiv", "random", "cb", 1)["job_id"]
    ranks = ranks_of(source(jobs, left_out={hole}).table, measures.MAIN[0])
    assert ranks.left_out == (1,)


def test_projection_keeps_the_direction_of_largest_variance():
    line = np.outer(np.arange(10.0), [3.0, 4.0, 0.0])
    points, explained = project(line)
    assert explained == pytest.approx([1, 0], abs=1e-9)
    assert np.ptp(points[:, 0]) == pytest.approx(45)


@pytest.mark.parametrize("clusters", [None, np.array([0, 0, 1, 1, 2, -1])])
def test_embedding_draws_classes_and_the_centres_of_sub_clusters(clusters):
    job = make_job(method="sdr")
    points = np.array([[0, 0], [2, 0], [0, 9], [2, 9], [5, 5], [7, 7]])
    embedding = Embedding(job["job_id"], points, np.array([0, 0, 1, 1, 1, 0]), clusters)
    figures = drawn(embedding_figures(source([job]), [embedding]))
    figure = figures["embedding_random_hiv_sdr_0"]
    assert len(figure.axes) == (1 if clusters is None else 2)
    assert sum(len(dots.get_offsets()) for dots in figure.axes[0].collections) == 6
    if clusters is not None:
        assert len(figure.axes[1].collections) == 1 + 3
        centre = np.asarray(figure.axes[1].collections[1].get_offsets()[0])
        assert centre == pytest.approx(project(points)[0][:2].mean(axis=0))


def test_names_are_neither_formulas_nor_paths(tmp_path):
    jobs = [
        make_job("hiv[x=../../a]", method=name, title="$\\frac{<script>$")
        for name in ("vanilla", "sdr")
    ]
    paths = write_figures(tmp_path, draw_figures(source(jobs)))
    assert sorted(paths) == sorted(tmp_path.iterdir())
    assert file_name("a[b=1]") != file_name("a[b=2]")


def test_empty_plan_draws_nothing(tmp_path):
    assert write_figures(tmp_path / "figures", draw_figures(source([]))) == []


@pytest.mark.slow
def test_two_hundred_methods_fit_a_figure():
    jobs = make_grid(methods=("vanilla", *(f"m{i:03d}" for i in range(200))), seeds=(0,))
    (figure,) = drawn(gain_figures(source(jobs))).values()
    assert len(figure.axes) == 200


def test_series_repeat_colour_and_marker_as_late_as_can_be():
    count = len(PALETTE) * len(MARKERS)
    pairs = {(PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)]) for i in range(count)}
    assert len(pairs) == count


def test_the_line_of_chance_counts_the_classes_that_its_split_tests():
    jobs = make_grid(("uspto_50k",), ("random", "scaffold"), METHODS[:2], (0,))
    matrices = {
        ("random", "vanilla"): np.full((4, 4), 5),
        ("random", "cb"): np.diag([10] * 4) + 5,
        ("scaffold", "vanilla"): [[5, 5], [5, 5]],
        ("scaffold", "cb"): [[9, 1], [1, 9]],
    }
    records = [make_record(job, matrices[job["split"], job["method"]]) for job in jobs]
    shown = source_of(make_plan(jobs), records, {})
    axes = interval_figure(shown, shown.places()).axes
    chances = [
        [line.get_xdata()[0] for line in one.lines if line.get_linestyle() == ":"] for one in axes
    ]
    assert chances == [[25], [50]]
