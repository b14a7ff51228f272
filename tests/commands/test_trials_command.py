"""Settings are chosen by trials on validation, and the table is made with them."""

import json

import numpy as np
import pytest

from bench.commands import trials as commands_trials
from bench.commands.trials import settle
from bench.config import resolve
from bench.method import METHODS
from bench.report.tables.search import Validation
from bench.sweep.plan import expand, make_jobs
from bench.sweep.store import Store
from bench.sweep.trials import grid_of_trials, key_of
from tests.commands.conftest import ROWS as ROWS_OF_TOY

ROWS = "cb_focal,vanilla,class_balanced_sampling"


@pytest.fixture
def arguments(toy_arguments):
    def make(*more, **places):
        return toy_arguments("--methods", ROWS, "--trials", 3, *more, **places)

    return make


def trial_plan(folder):
    return Store(folder).read_plan("trials")


def test_the_table_has_the_settings_chosen_and_says_how(bench, arguments, tmp_path):
    code, out, _ = bench(*arguments())
    assert code == 0
    assert "6 runs: 0 done before, 6 to do" in out
    assert "3 runs: 0 done before, 3 to do" in out
    folder = tmp_path / "results"
    jobs = trial_plan(folder)["jobs"]
    assert {job["seed"] for job in jobs} == {100}
    scores = {}
    for job in jobs:
        selection = Store(folder).read(job["job_id"])["selection"]
        scores.setdefault(job["method"], []).append(
            (selection["valid_balanced_accuracy"], job["method_label"])
        )
    assert {name: len(tried) for name, tried in scores.items()} == {
        "cb_focal": 3, "class_balanced_sampling": 2, "vanilla": 1,
    }  # fmt: skip
    plan = Store(folder).read_plan()
    assert {job["seed"] for job in plan["jobs"]} == {0}
    for job in plan["jobs"]:
        best = max(score for score, _ in scores[job["method"]])
        chosen = {label: score for score, label in scores[job["method"]]}[job["method_label"]]
        assert chosen == pytest.approx(best, abs=5e-5)
    caption = (folder / "table2.md").read_text()
    assert "settings chosen by 3 trials of each method on validation, seed 100" in caption
    assert "the first trial as without a search; the highest balanced accuracy on" in caption
    assert "All trials there are: class_balanced_sampling 2." in caption.replace("\\", "")
    assert "Nothing to choose: vanilla." in caption
    # Rows are called as they were asked for, and the caption names what was chosen.
    chosen = plan["settings"]["trials"]["chosen"]
    rows = [line.split("|")[1].strip() for line in caption.splitlines() if line.startswith("| ")]
    assert {"CB Focal Loss", "Class-balanced sampling", "Vanilla GCN"} <= set(rows)
    assert all(
        found.replace("[", "\\[").replace("]", "\\]") in caption for found in chosen.values()
    )
    assert bench("verify", "--out", folder)[0] == 0
    # What a repeat of an entry needs stands in its label.
    assert not any("trials" in one for one in plan["settings"]["given"])


def test_again_nothing_is_trained_and_more_trials_use_the_fewer(bench, arguments):
    bench(*arguments())
    code, out, _ = bench(*arguments())
    assert code == 0
    assert "6 runs: 6 done before, 0 to do" in out
    assert "3 runs: 3 done before, 0 to do" in out
    _, out, _ = bench(*arguments("--trials", 4))
    assert "7 runs: 6 done before, 1 to do" in out


def test_an_interrupted_search_goes_on_with_what_is_done(bench, arguments, monkeypatch, tmp_path):
    seen = []

    def interrupted(store, plan):
        seen.append(len(plan["jobs"]))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bench.commands.run.outcomes_of", interrupted)
        code, _, _ = bench(*arguments())
    assert (code, seen) == (130, [6])
    assert not Store(tmp_path / "results").has_plan()  # no table of trials
    _, out, _ = bench(*arguments())
    assert "6 runs: 6 done before, 0 to do" in out


def test_a_dry_run_shows_the_trials_then_what_they_chose(bench, arguments, tmp_path):
    code, out, _ = bench(*arguments("--dry-run"))
    assert code == 0
    assert out.count("seed 100") == 6
    assert "Then 3 runs with settings that depend on these trials." in out
    assert "9 runs: 0 done, 9 to do" in out
    assert not (tmp_path / "results").exists()
    bench(*arguments())
    _, out, _ = bench(*arguments("--dry-run"))
    assert "9 runs: 9 done, 0 to do" in out
    assert "cb_focal: " in out


def test_settings_shows_the_trials(bench, arguments, tmp_path):
    bench(*arguments())
    code, out, _ = bench("settings", "--out", tmp_path / "results")
    assert code == 0
    assert "3 of 3 methods have a choice; 6 of 6 runs are done." in out
    text = (tmp_path / "results" / "settings.md").read_text()
    assert "seed 100" in text
    code, out, _ = bench("verify", "--out", tmp_path / "results")
    assert code == 0
    assert "The plan of preset trials: 6 runs, 6 done." in out


def test_nothing_of_the_test_part_decides(bench, arguments, monkeypatch):
    """Records with every figure of the test set taken out give the same choice."""
    _, before, _ = bench(*arguments())
    keys = {"selection", "history", "data", "job_id"}
    seen = []
    validation_of = commands_trials.validation_of

    def only_validation(record):
        seen.append(record["job_id"])
        return validation_of({key: record[key] for key in keys})

    monkeypatch.setattr(commands_trials, "validation_of", only_validation)
    _, after, _ = bench(*arguments("--dry-run"))
    assert seen
    chosen = [line for line in before.splitlines() if line.endswith(" trials")]
    assert chosen == [line for line in after.splitlines() if line.endswith(" trials")]
    assert len(chosen) == 2


def test_a_trial_that_fails_is_not_chosen_and_the_others_count(
    bench, arguments, monkeypatch, tmp_path
):
    cls = METHODS.get("cb_focal").cls
    real = cls.setup

    def setup(self):
        if self.options.beta != 0.9999:
            raise RuntimeError("no memory for this one")
        real(self)

    monkeypatch.setattr(cls, "setup", setup)
    code, out, _ = bench(*arguments())
    assert code == 0
    assert "memory for this one" in out
    assert "cb_focal: unchanged, the best of 3 trials" in out


def test_lists_of_values_and_proposals_on_the_command_line(bench, arguments):
    pytest.importorskip("optuna")
    methods = ("--methods", "cb_focal[beta=[0.9,0.99]]")
    code, out, _ = bench(*arguments(*methods, "--sampler", "tpe", "--trials", 2))
    assert code == 0
    assert "CB Focal Loss [beta=0.9" in out
    assert "CB Focal Loss [beta=0.99" in out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--trials", 0), "trials.number"),
        (("--seeds", "0,100"), "seed that the table does not use"),
        (("--sampler", "grid"), "trials.sampler"),
        (("--methods", "cb[beta=[]]"), "at least one value"),
        (("--methods", "cb[bta=0.5]"), "did you mean beta"),
        (("--set", "trials.sed=5"), "did you mean seed"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_done(
    bench, arguments, tmp_path, more, words
):
    code, _, err = bench(*arguments(*more))
    assert code == 2
    assert words in err
    assert not (tmp_path / "results").exists()


def test_a_sampler_without_trials_is_refused(bench, toy_arguments):
    code, _, err = bench(*toy_arguments("--sampler", "tpe"))
    assert code == 2
    assert "--sampler goes with --trials" in err


def test_settings_and_ranges_are_shown(bench, arguments):
    _, out, _ = bench(*arguments("--print-config"))
    [line] = [line for line in out.splitlines() if line.startswith("trials.number")]
    assert line.split()[1:] == ["3", "command", "line"]
    _, out, _ = bench("--list", "methods", "--long")
    assert "--trials: 0.9 to 0.99999, near one" in out
    assert "--trials: 0.5 to 2, linear, where base is focal" in out


def test_a_plan_with_a_search_of_wrong_shape_is_refused(bench, arguments, tmp_path):
    bench(*arguments())
    path = tmp_path / "results" / "plan.json"
    plan = json.loads(path.read_text())
    del plan["checksum"]
    plan["settings"]["trials"]["tried"] = {"cb": "many"}
    path.write_text(json.dumps(plan))
    code, _, err = bench("report", "--out", tmp_path / "results")
    assert code == 2
    assert "tried" in err


def test_a_data_set_that_cannot_be_split_has_no_part_in_the_search(bench, csv, tmp_path):
    """Without a score on it no mean over data sets would be known, and no settings chosen."""
    common = ROWS_OF_TOY[:50]
    paths = (csv(common), csv([*common, ("CC", "rare"), ("CCC", "rare")], name="small.csv"))
    spec = 'csv[path="{}",smiles_columns=[smiles],label_column=class]'
    code, out, err = bench(
        "--datasets", ",".join(spec.format(path) for path in paths), "--splits", "standard",
        "--epochs", 2, "--set", "training.batch_size=16", "--executor", "in-process",
        "--methods", ROWS, "--trials", 3, "--seeds", 1, "--out", tmp_path / "results",
    )  # fmt: skip
    assert code == 0
    assert "small is left out on the standard split: " in err
    assert "6 runs: 0 done before, 6 to do" in out
    assert "cb_focal: " in out
    assert "stays as asked for" not in err


def test_a_row_without_a_scored_trial_is_named(bench, arguments, monkeypatch, tmp_path):
    def setup(self):
        raise RuntimeError("no memory for this one")

    monkeypatch.setattr(METHODS.get("cb_focal").cls, "setup", setup)
    _, out, err = bench(*arguments())
    assert "cb_focal stays as asked for, as no trial of it has a score on validation." in err
    assert "cb_focal: " not in out
    caption = (tmp_path / "results" / "table2.md").read_text().replace("\\", "")
    assert "As asked for, since no trial has a score: cb_focal." in caption
    bench("verify", "--out", tmp_path / "results")


@pytest.mark.parametrize("rows", [("spcl", "spcl[queue=64]"), ("spcl[queue=64]", "spcl")])
def test_rows_that_share_a_trial_each_get_the_best_of_their_own(rows):
    """What they share is at another place of each, under the label of the first."""
    resolved = resolve("quick", {"methods": list(rows), "datasets": ["hiv"], "trials.number": 20})
    scores = {}

    def run(jobs, plan):
        for number, job in enumerate(plan["jobs"]):
            score = float(number * 37 % 101)  # one of each, in no order
            scores[job["job_id"]] = Validation(score, 1, np.array([score]), (5, 5))
        return scores, {}

    def jobs_of(grid):
        return make_jobs(grid, {"hiv": "0" * 64}, {"hiv": ["molecule"]})

    settled = settle(expand(resolved.settings), resolved, jobs_of, run)
    everything = grid_of_trials(expand(resolved.settings), resolved.settings, settled.trials)
    found = {
        key_of(part): scores[job.job_id].score
        for part, job in zip(everything.methods, jobs_of(everything), strict=True)
    }
    assert len(everything.methods) < 40  # some are shared
    for row, parts in settled.trials.items():
        best = max(parts, key=lambda part: found[key_of(part)])
        assert settled.chosen[row] == best
