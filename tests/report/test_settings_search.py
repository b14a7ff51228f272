"""What a search chose, from validation alone; holes, ties and noise are seen."""

from __future__ import annotations

import csv
import io
import shutil

import numpy as np
import pytest

from bench.cli import cli
from bench.commands.settings import write_settings
from bench.config import resolve
from bench.errors import StoreError
from bench.report.figures.convergence import convergence_figure
from bench.report.figures.style import files_of, style
from bench.report.tables.search import is_default as registered_default
from bench.report.tables.search import search_of, validation_of
from bench.report.writers.csv_files import report_csv
from bench.report.writers.search_report import preset_snippet, settings_markdown, settings_report
from bench.spec import parse_spec
from bench.strict_yaml import load_yaml
from bench.sweep.store import Store
from tests.report.report_records import make_grid, make_plan, make_record

DATASETS = ("hiv", "chembl_ki")
TRIALS = ("vanilla", "cb[beta=0.9]", "cb[beta=0.9999]", "cb[beta=0.99]")
FILES = {
    "settings.md", "settings.csv",
    *(f"settings_convergence.{suffix}" for suffix in ("pdf", "svg", "png")),
}  # fmt: skip


def scored(job, score, curve=None):
    record = make_record(job)
    record["job"]["method"]["options"] = parse_spec(job["method_label"]).options
    curve = np.linspace(0.5, score, 10) if curve is None else curve
    record["selection"] = {"epoch": 10, "valid_balanced_accuracy": score}
    record["history"] = [
        {"epoch": e, "train_loss": 1.0, "valid_balanced_accuracy": float(s), "seconds": 1.0}
        for e, s in enumerate(curve, start=1)
    ]
    return record


def is_default(method, options):
    return options in ({}, {"beta": 0.9999})


def search(scores, failed=()):
    """The search in which a trial has the `scores` on both data sets, None where it has no run."""
    jobs = make_grid(DATASETS, ("random",), TRIALS, (100,))
    found, reasons = {}, {}
    for job in jobs:
        score = scores.get(job["method_label"], (0.5, 0.5))[DATASETS.index(job["dataset"])]
        if score is not None:
            found[job["job_id"]] = validation_of(scored(job, score))
        elif job["method_label"] in failed:
            reasons[job["job_id"]] = "ran out of memory"
    return search_of(make_plan(jobs), found, reasons, is_default)


def test_an_encoder_is_a_row_of_its_own_with_its_own_defaults():
    labels = ("cb", "cb[beta=0.9]", "cb[backbone=gin]", "cb[backbone=gin,beta=0.9]")
    jobs = make_grid(("hiv",), ("random",), labels, (100,))
    scores = dict(zip(labels, (0.5, 0.6, 0.8, 0.7), strict=True))
    found = {job["job_id"]: validation_of(scored(job, scores[job["method_label"]])) for job in jobs}
    of_plan = search_of(make_plan(jobs), found, {}, registered_default)
    assert {row: of_plan.chosen(row).label for row in of_plan.trials} == {
        "cb": "cb[beta=0.9]",
        "cb[backbone=gin]": "cb[backbone=gin]",
    }
    assert of_plan.default("cb[backbone=gin]").label == "cb[backbone=gin]"
    text = preset_snippet(of_plan)
    assert "cb: {beta: 0.9}" in text
    assert "# cb[backbone=gin]: cb[backbone=gin]" in text


CLEAR = {"cb[beta=0.9]": (0.7, 0.8), "cb[beta=0.9999]": (0.6, 0.6), "cb[beta=0.99]": (0.9, 0.5)}


def test_the_highest_mean_over_data_sets_is_chosen():
    found = search(CLEAR)
    chosen = found.chosen("cb")
    assert (chosen.label, found.mean(chosen)) == ("cb[beta=0.9]", pytest.approx(75))
    assert found.gain("cb", chosen) == pytest.approx(15)
    assert found.chosen("vanilla").label == "vanilla"


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        # 0.1 + 0.2 is not 0.3: equal means that differ in their last bit are equal.
        ({"cb[beta=0.9]": (0.7, 0.8), "cb[beta=0.9999]": (0.8, 0.7)}, "cb[beta=0.9999]"),
        ({"cb[beta=0.9]": (0.75001, 0.75), "cb[beta=0.9999]": (0.8, 0.7)}, "cb[beta=0.9999]"),
        ({"cb[beta=0.9]": (0.7502, 0.75), "cb[beta=0.9999]": (0.8, 0.7)}, "cb[beta=0.9]"),
        ({"cb[beta=0.9]": (0.7, 0.8), "cb[beta=0.99]": (0.8, 0.7)}, "cb[beta=0.9]"),
    ],
)
def test_of_equal_means_the_defaults_win_then_the_first(scores, expected):
    assert search(scores).chosen("cb").label == expected


def test_a_hole_takes_the_choice_from_its_method_alone_and_is_seen():
    found = search({**CLEAR, "cb[beta=0.99]": (0.9, None)}, failed=["cb[beta=0.99]"])
    assert found.chosen("cb") is None
    assert found.chosen("vanilla") is not None
    text = settings_markdown(found)
    [line] = [line for line in text.splitlines() if line.startswith("| cb\\[beta=0.99\\]")]
    assert [place.strip() for place in line.split("|")[2:6]] == ["90.00", "–†", "–", "–"]
    assert "- **†**: chembl_ki / cb\\[beta=0.99\\]: ran out of memory" in text
    assert "no choice, scores not there: 1" in text
    assert "cb (no choice)" in text
    assert preset_snippet(found).splitlines()[0] == "method_options: {}"
    rows = list(csv.DictReader(io.StringIO(report_csv(settings_report(found)))))
    assert [row["status"] for row in rows if row["trial"] == "cb[beta=0.99]"] == [
        "complete", "failed",
    ]  # fmt: skip
    assert {row["chosen"] for row in rows if row["method"] == "cb"} == {""}


def test_standard_errors_are_those_of_recalls_of_one_half():
    found = search(CLEAR)
    # 90 and 30, 12 and 60 validation samples.
    hiv, ki = 50 * (0.25 / 90 + 0.25 / 30) ** 0.5, 50 * (0.25 / 12 + 0.25 / 60) ** 0.5
    assert found.errors == pytest.approx({"hiv": hiv, "chembl_ki": ki})
    assert found.error_of_gain == pytest.approx((2 * (hiv**2 + ki**2)) ** 0.5 / 2)
    assert found.error_of_gain == pytest.approx(6.72, abs=0.01)


@pytest.mark.parametrize(("gain", "reading"), [(0.13, "within noise"), (0.14, "beyond noise")])
def test_a_gain_is_held_against_two_standard_errors(gain, reading):
    found = search({"cb[beta=0.9]": (0.6 + gain, 0.6 + gain), "cb[beta=0.9999]": (0.6, 0.6)})
    assert reading in settings_markdown(found)
    assert f"points over the defaults, {reading}" in preset_snippet(found)


def test_what_goes_into_a_preset_is_a_preset(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(preset_snippet(search(CLEAR)))
    assert load_yaml(path) == {"method_options": {"cb": {"beta": 0.9}}}
    assert resolve(str(path), {}).settings.method_options == {"cb": {"beta": 0.9}}


def test_late_gain_compares_the_last_two_fifths():
    job = make_grid()[0]
    curve = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.7, 0.7, 0.9]
    assert validation_of(scored(job, 0.9, curve)).late_gain == pytest.approx(15)
    assert validation_of(scored(job, 0.9, curve[:4])).late_gain is None
    record = scored(job, 0.9, curve)
    record["history"][-1]["valid_balanced_accuracy"] = None
    assert validation_of(record).late_gain is None


def test_an_undefined_score_is_a_hole():
    record = make_record(make_grid()[0])
    record["selection"]["valid_balanced_accuracy"] = None
    jobs = make_grid(("hiv",), methods=("vanilla",), seeds=(100,))
    found = {jobs[0]["job_id"]: validation_of(record)}
    search = search_of(make_plan(jobs), found, {}, is_default)
    assert search.chosen("vanilla") is None


def test_several_seeds_or_splits_are_refused():
    for places in ({"seeds": (0, 1)}, {"splits": ("random", "standard"), "seeds": (0,)}):
        with pytest.raises(StoreError, match="one split and one seed"):
            search_of(make_plan(make_grid(**places)), {}, {}, is_default)


def test_curves_have_a_line_a_choice_with_its_selected_epoch():
    with style():
        figure = convergence_figure(search({**CLEAR, "vanilla": (None, 0.5)}))
    hiv, ki = figure.axes
    assert ki.get_title() == "chembl_ki (proxy for SBAP)"
    none, line, selected = hiv.lines
    assert list(none.get_xdata()) == []
    assert line.get_ydata()[-1] == pytest.approx(70)
    assert (list(selected.get_xdata()), list(selected.get_ydata())) == ([10], [pytest.approx(70)])
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "vanilla: no choice", "CB Loss [beta=0.9]",  # as registered, not as the plan calls it
    ]  # fmt: skip


def test_curves_without_a_choice_say_so():
    with style():
        figure = convergence_figure(search(dict.fromkeys(TRIALS, (None, None))))
        assert files_of(figure)["svg"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["no method has a choice"]


def stored(folder, change=lambda record: None):
    """A folder with the search of the preset, and the plan of a later benchmark."""
    store = Store(folder)
    jobs = make_grid(DATASETS, ("random",), TRIALS, (100,))
    for place, job in enumerate(jobs):
        record = scored(job, 0.6 + 0.01 * (place % 3))
        change(record)
        store.write(job["job_id"], record, {"x": np.zeros(1)}, {"network.w": np.zeros(1)})
    plan = make_plan(jobs)
    plan["settings"]["preset"] = "search"
    store.write_plan(plan)
    store.write_plan(make_plan(make_grid(methods=("ib",))))
    return jobs


def test_the_command_writes_the_search_and_says_by_its_code_that_all_is_there(tmp_path, capsys):
    jobs = stored(tmp_path)
    assert write_settings(tmp_path) == 0
    assert "2 of 2 methods have a choice; 8 of 8 runs are done." in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} >= FILES
    # 0.9999 is what the method stands at, as its class says.
    assert "| cb\\[beta=0.9999\\]" in (tmp_path / "settings.md").read_text()
    shutil.rmtree(tmp_path / "runs" / jobs[0]["job_id"])
    context = cli.make_context("run_bench.py", ["settings", "--out", str(tmp_path)])
    assert cli.invoke(context) == 1


def test_figures_of_the_test_part_change_nothing(tmp_path):
    """Choosing by what the table will show makes the table's figures too high."""

    def better(record):
        other = make_record({**make_grid()[0], **{"dataset": record["job"]["dataset"]["name"]}},
                            np.diag(record["data"]["test_counts"]))  # fmt: skip
        for part in ("metrics", "confusion", "per_class"):
            record[part] = other[part]

    stored(tmp_path / "one")
    stored(tmp_path / "other", better)
    write_settings(tmp_path / "one")
    write_settings(tmp_path / "other")
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_of_trials_that_were_drawn_one_that_failed_is_only_not_chosen():
    jobs = make_grid(DATASETS, ("random",), TRIALS, (100,))
    plan = make_plan(jobs)
    plan["settings"]["trials"] = {}
    scores = {"cb[beta=0.9]": 0.7, "cb[beta=0.9999]": 0.6, "vanilla": 0.5}
    found = {
        job["job_id"]: validation_of(scored(job, scores[job["method_label"]]))
        for job in jobs
        if job["method_label"] in scores
    }
    ids = [job["job_id"] for job in jobs if job["method_label"] == "cb[beta=0.99]"]
    done = search_of(plan, found, dict.fromkeys(ids, "diverged"), is_default)
    assert done.missing("cb") == 0
    assert done.chosen("cb").label == "cb[beta=0.9]"
    # A run that is missing may still turn out the best.
    assert search_of(plan, found, {ids[0]: "diverged"}, is_default).chosen("cb") is not None
    assert search_of(plan, found, {}, is_default).chosen("cb") is None
    none = {job["job_id"]: "diverged" for job in jobs}
    assert search_of(plan, {}, none, is_default).chosen("cb") is None


def test_trials_belong_to_the_rows_that_their_jobs_name():
    jobs = make_grid(DATASETS, ("random",), ("cb", "cb[beta=0.9]"), (100,))
    rows = {"cb": ["cb"], "cb[beta=0.9]": ["cb", "cb[beta=0.9]"]}
    jobs = [{**job, "trial_of": rows[job["method_label"]]} for job in jobs]
    trials = search_of(make_plan(jobs), {}, {}, is_default).trials
    assert {row: [trial.label for trial in tried] for row, tried in trials.items()} == {
        "cb": ["cb", "cb[beta=0.9]"], "cb[beta=0.9]": ["cb[beta=0.9]"],
    }  # fmt: skip
