"""``--metrics``: columns that are chosen, and figures that are younger than a run."""

import csv
import io
import math

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from bench.cli import cli
from bench.commands.report import checked_table, with_all_figures
from bench.compliance.predictions import violations_of_predictions
from bench.compliance.records import violations_of_records
from bench.errors import UnknownNameError
from bench.metrics import evaluate
from bench.metrics.evaluation import ADDED, LOWER_IS_BETTER
from bench.report.document.caption import rare_classes
from bench.report.figures.source import Source
from bench.report.html import write
from bench.report.html.details import details_json
from bench.report.model import measures
from bench.report.model.classes import classes_used
from bench.report.model.measures import KNOWN, MAIN, measures_named
from bench.report.model.tail import tail_interval
from bench.report.writers.csv_files import runs_csv, table2_csv
from bench.report.writers.markdown import markdown
from bench.report.writers.terminal import render_terminal
from bench.sweep.store import Store
from tests.report.report_records import lines_of, make_grid, make_plan
from tests.report.stored_runs import arrays_of, record_of, store_run

ASKED = measures_named(["balanced_accuracy", "mcc", "average_precision", "bedroc", "recall_few"])
COUNTS = {"hiv": [30, 10], "uspto_50k": [20, 10, 5]}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Records as they were before the measures, of two classes and of three."""
    store = Store(tmp_path_factory.mktemp("older"))
    jobs = make_grid(tuple(COUNTS), methods=("vanilla", "cb"), seeds=(0, 1))
    for job in jobs:
        store_run(store, job, COUNTS[job["dataset"]])
    store.write_plan(make_plan(jobs))
    return store


@pytest.fixture(scope="module")
def table(store):
    return checked_table(store, store.read_plan(), shown=ASKED)[0]


def figures_of(store, run):
    arrays = store.predictions(run.job_id)
    counts = np.array(run.result.train_counts)
    record = evaluate(arrays["test_labels"], arrays["test_logits"], counts).to_record()
    return record["metrics"]


def test_figures_of_older_runs_are_those_of_their_predictions(store, table):
    assert not set(ADDED) & store.read(table.runs[0].job_id)["metrics"].keys()
    for run in table.runs:
        expected = figures_of(store, run)
        for measure in ASKED:
            assert run.result.metrics[measure.name] == pytest.approx(expected[measure.name])


def test_what_cannot_be_computed_is_missing(table):
    [_, uspto] = table.columns
    cell = table.cell("random", uspto, table.rows[0], KNOWN["bedroc"])
    assert cell.undefined
    assert cell.values == {}
    assert "n/a" in markdown(table)


def test_the_rare_class_is_named_where_a_column_is_of_it(store, table):
    [(subject, text)] = rare_classes(table)
    assert subject == "Rare class"
    names = [
        f"{store.read(run.job_id)['data']['class_names'][-1]} of {run.dataset}"
        for run in (table.runs[0], table.runs[-1])
    ]
    assert text.startswith("; ".join(names))
    assert f"**Rare class**: {names[0].split()[0]}" in markdown(table)
    assert rare_classes(checked_table(store, store.read_plan())[0]) == []


def test_of_a_run_without_logits_those_of_predicted_labels_are_there(store):
    """An archive keeps predicted classes alone."""
    record = store.read(store.job_ids()[0])
    store_of_labels = type("", (), {"has_predictions": lambda self, job_id: False})()
    [found] = with_all_figures(store_of_labels, [record], ASKED)
    assert found["metrics"]["mcc"] is not None
    assert not {"bedroc", "average_precision"} & found["metrics"].keys()
    assert with_all_figures(store_of_labels, [record], MAIN) == [record]


def test_predictions_are_read_where_they_are_needed_alone(store):
    record = store.read(store.job_ids()[0])
    broken = type("", (), {"has_predictions": lambda self, job_id: pytest.fail("were asked for")})
    [found] = with_all_figures(broken(), [record], measures_named(["mcc", "g_mean", "ece"]))
    assert {"mcc", "g_mean"} <= found["metrics"].keys()


def test_without_the_option_tables_are_what_they_were(store):
    plan = store.read_plan()
    table = checked_table(store, plan)[0]
    same = checked_table(store, plan, shown=MAIN)[0]
    assert [markdown(table), table2_csv(table), runs_csv(table)] == [
        markdown(same), table2_csv(same), runs_csv(same),
    ]  # fmt: skip
    assert not set(ADDED) & {line["metric"] for line in rows(table2_csv(table))}
    assert [m.name for m in table.recorded] == [m.name for m in measures.ALL]


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_columns_are_those_asked_for_and_definitions_stand_above(table):
    text = markdown(table)
    assert "| hiv BA |" in " ".join(text.split())
    assert "hiv MCC" in text
    assert "BF1" not in text
    assert "in percent but for MCC, on the test set" in text
    assert f"- **MCC**: {KNOWN['mcc'].says}. Not in percent." in text
    assert "## Further figures" not in text


def test_the_long_form_has_the_usual_figures_and_those_asked_for(table):
    found = rows(table2_csv(table))
    names = list(dict.fromkeys(line["metric"] for line in found))
    usual = [measure.name for measure in measures.ALL]
    assert names == [*usual, "mcc", "average_precision", "bedroc", "recall_few"]
    mcc = next(line for line in found if line["metric"] == "mcc")
    assert -1 <= float(mcc["mean"]) <= 1
    assert mcc["in_best_group"] in ("yes", "no")
    assert "mcc" in runs_csv(table).splitlines()[0].split(",")


def test_many_figures_stand_below_each_other_where_they_are_too_wide(store):
    table = checked_table(store, store.read_plan(), shown=tuple(KNOWN.values()))[0]
    out = io.StringIO()
    console = Console(file=out, width=80)
    console.print(render_terminal(table))
    text = out.getvalue()
    assert text.count("vanilla") >= 8
    for measure in KNOWN.values():
        assert measure.heading in text
    assert "…" not in text


def test_the_page_has_them(store, table, monkeypatch):
    done = {run.job_id: store.read(run.job_id) for run in table.runs}
    source = Source(table, done)
    lines = lines_of(source)
    shown = [figure.measure for figure in lines[0].figures]
    assert shown == list(dict.fromkeys((MAIN[0], *ASKED)))
    assert '["MCC",3]' in details_json(source, lines, "results")
    monkeypatch.setattr(write, "packed_libraries", dict)
    assert "random split</b>: in percent but for MCC on the test set" in write.page(source)


def test_recall_of_few_has_the_interval_of_the_tail(table):
    [hiv, uspto] = table.columns
    row = table.rows[0]
    cell = table.cell("random", uspto, row, KNOWN["recall_few"])
    assert cell.undefined  # 35 training samples at least
    assert tail_interval(cell) is None
    cell = table.cell("random", hiv, row, KNOWN["average_precision"])
    assert classes_used(cell) == (2, 2, 2)


def test_an_unknown_measure_is_refused_with_the_list(store):
    with pytest.raises(UnknownNameError, match=r"'mmc' \(--metrics.*did you mean 'mcc'"):
        measures_named(["mmc"])
    for command in (["report"], ["paper"], []):
        given = [*command, "--out", str(store.root), "--metrics", "mmc"]
        result = CliRunner().invoke(cli, given)
        assert isinstance(result.exception, UnknownNameError)
    assert CliRunner().invoke(cli, ["report", "--metrics", " "]).exit_code == 2


def test_every_measure_says_what_it_is_and_which_end_is_better():
    assert set(ADDED) < KNOWN.keys()
    for measure in KNOWN.values():
        assert measure.higher_is_better == (measure.name not in LOWER_IS_BETTER)
        assert measure.says
        assert not measure.says.endswith(".")
    assert len({measure.heading for measure in KNOWN.values()}) == len(KNOWN)
    assert [m.name for m in measures_named(["mcc", "ece", "mcc"])] == ["mcc", "ece"]


class TestRules:
    def new(self):
        """A record of today with the predictions it was made from."""
        [job] = make_grid(seeds=(0,))
        arrays = arrays_of(COUNTS["hiv"], 3)
        record = record_of(job, arrays)
        counts = np.array(record["data"]["train_counts"])
        figures = evaluate(arrays["test_labels"], arrays["test_logits"], counts)
        record["metrics"] = figures.to_record()["metrics"]
        return record, arrays

    def broken(self, record, arrays):
        found = [*violations_of_records([record]), *violations_of_predictions(record, arrays)]
        return {violation.rule for violation in found}

    def test_a_record_of_today_and_one_of_before_keep_all(self):
        record, arrays = self.new()
        assert not self.broken(record, arrays)
        for name in ADDED:
            del record["metrics"][name]
        assert not self.broken(record, arrays)

    @pytest.mark.parametrize("name", ADDED)
    def test_a_figure_that_was_changed_is_found(self, name):
        record, arrays = self.new()
        value = record["metrics"][name]
        record["metrics"][name] = 0.123 if value is None else value * 0.99
        assert "metrics recomputed" in self.broken(record, arrays)

    def test_a_figure_of_the_matrix_needs_no_predictions(self):
        record, _ = self.new()
        record["metrics"]["mcc"] -= 0.01
        assert {b.rule for b in violations_of_records([record])} == {"metrics follow"}

    @pytest.mark.parametrize(
        ("name", "value"), [("mcc", -1.1), ("bedroc", 1.2), ("enrichment_1pct", -1), ("g_mean", 2)]
    )
    def test_a_figure_out_of_range_is_found(self, name, value):
        record, _ = self.new()
        record["metrics"][name] = value
        assert {b.rule for b in violations_of_records([record])} == {"metrics in range"}

    def test_who_chose_the_epoch_is_as_asked_and_its_value_that_of_the_predictions(self):
        record, arrays = self.new()
        counts = np.array(record["data"]["train_counts"])
        valid = evaluate(arrays["valid_labels"], arrays["valid_logits"], counts)
        record["job"]["training"]["select_by"] = "mcc"
        assert self.broken(record, arrays) == {"selected as asked"}
        record["selection"] |= {"by": "mcc", "value": valid.mcc}
        assert not self.broken(record, arrays)
        record["selection"]["value"] += 0.01
        assert self.broken(record, arrays) == {"selection recomputed"}
        record["selection"]["by"] = record["job"]["training"]["select_by"] = "samples"
        assert self.broken(record, arrays) == {"selection recomputed"}
        del record["job"]["training"]["select_by"]
        assert "selected as asked" in self.broken(record, arrays)
        assert not math.isnan(valid.mcc)
