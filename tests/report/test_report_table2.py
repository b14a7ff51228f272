from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import DataError
from bench.report.document.caption import caption
from bench.report.model import measures
from bench.report.model.published import PAPERS_FORM, published, read_published
from bench.report.model.table2 import table2
from bench.report.writers.markdown import markdown
from tests.report.report_records import binary, make_grid, make_job, make_plan, make_record

BA, BF1 = measures.MAIN
PUBLISHED = Path(__file__).parents[2] / "datasets" / "published"


def table_of(jobs, records=None, failures=None):
    records = [make_record(job) for job in jobs] if records is None else records
    return table2(make_plan(jobs), records, failures or {})


def cell_of(table, split="random", dataset="hiv", method="vanilla", measure=BA):
    return table.cells[split, dataset, method, measure.name]


@pytest.mark.fault(44)
def test_deviation_is_of_the_sample_not_of_the_population():
    jobs = make_grid()
    scores = [0.1, 0.2, 0.3]
    records = [make_record(job, binary(score)) for job, score in zip(jobs, scores, strict=True)]
    cell = cell_of(table_of(jobs, records))
    assert cell.mean == pytest.approx(20.0)
    assert cell.std == pytest.approx(10.0)
    assert cell.n == 3


@pytest.mark.fault(44)
def test_one_run_has_no_deviation():
    cell = cell_of(table_of(make_grid(seeds=(0,))))
    assert cell.mean is not None
    assert cell.std is None


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_order_of_jobs_and_records_does_not_matter(data):
    jobs = make_grid(("hiv", "uspto_50k"), ("standard", "random"), ("cb", "vanilla", "mine"))
    records = [make_record(job) for job in jobs if job["seed"] or job["method"] == "cb"]
    expected = markdown(table_of(jobs, records))
    shuffled = table_of(data.draw(st.permutations(jobs)), data.draw(st.permutations(records)))
    assert markdown(shuffled) == expected


def test_every_published_cell_is_joined_to_its_own_run():
    with (PUBLISHED / "table2.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 60
    forms = {name: PAPERS_FORM.get(name, name) for name in published().datasets}
    table = table_of(make_grid(forms.values(), published().splits, published().methods, [0]))
    for row in rows:
        place = (row["split"], forms[row["dataset"]], row["method"])
        for measure in (BA, BF1):
            cell = cell_of(table, *place, measure)
            assert cell.published == float(row[measure.name])
            assert cell.difference == cell.mean - float(row[measure.name])
    assert sum(cell.published is not None for cell in table.cells.values()) == 120


@pytest.mark.parametrize(
    ("split", "dataset", "method"),
    [
        ("scaffold", "hiv", "cb"),
        ("standard[return_surplus=true]", "hiv", "cb"),
        ("random", "chembl_ki", "cb"),
        ("random", "hiv", "focal"),
        ("random", "hiv", "cb[beta=0.99]"),
        ("random", "uspto_50k[inputs=product]", "cb"),
    ],
)
def test_what_the_paper_did_not_run_has_no_published_figure(split, dataset, method):
    cell = cell_of(table_of([make_job(dataset, split, method)]), split, dataset, method)
    assert cell.published is None
    assert cell.difference is None


def test_missing_run_stays_expected():
    jobs = make_grid()
    cell = cell_of(table_of(jobs, [make_record(job) for job in jobs[:2]]))
    assert (cell.n, cell.expected, cell.complete) == (2, 3, False)
    assert [run.status for run in cell.runs] == ["complete", "complete", "missing"]


def test_cell_without_runs_has_neither_mean_nor_difference():
    cell = cell_of(table_of(make_grid(), []))
    assert (cell.mean, cell.std, cell.difference, cell.n) == (None, None, None, 0)
    assert cell.published == 71.89
    assert not cell.undefined


def test_record_outranks_the_failure_of_an_earlier_attempt():
    job = make_job()
    table = table_of([job], failures={job["job_id"]: {"reason": "out of memory", "error": ""}})
    assert table.runs[0].status == "complete"
    assert table.runs[0].reason is None


def test_rows_follow_the_paper_then_controls_then_extensions_by_the_alphabet():
    groups = {
        "sdr": "paper",
        "zeta": "extension",
        "cb[gamma=2]": "paper",
        "alpha": "extension",
        "bootstrap": "control",
        "cb": "paper",
        "vanilla": "paper",
    }
    table = table_of([make_job(method=m, group=group) for m, group in groups.items()])
    assert [row.label for row in table.rows] == [
        "vanilla", "cb", "cb[gamma=2]", "sdr", "bootstrap", "alpha", "zeta",
    ]  # fmt: skip


def test_columns_and_splits_follow_the_paper_then_the_alphabet():
    names = ("davis", "uspto_50k", "chembl_ki", "hiv[x=1]", "hiv", "sbap")
    table = table_of(
        make_grid(names, ("scaffold", "random[x=1]", "standard", "random"), seeds=(0,))
    )
    assert [column.label for column in table.columns] == [
        "hiv", "hiv[x=1]", "sbap", "uspto_50k", "chembl_ki", "davis",
    ]  # fmt: skip
    assert table.splits == ("random", "random[x=1]", "standard", "scaffold")


def test_rows_with_one_title_are_told_apart_by_their_labels():
    jobs = [make_job(method="mine", title="Mine"), make_job(method="other", title="Mine")]
    assert [row.heading for row in table_of(jobs).rows] == ["Mine (mine)", "Mine (other)"]


def best_of(means):
    """`means` maps methods to balanced accuracies by seed; None is a missing run."""
    jobs, records = [], []
    for method, values in means.items():
        for seed, value in enumerate(values):
            jobs.append(make_job(method=method, seed=seed))
            if value is not None:
                records.append(make_record(jobs[-1], binary(value)))
    table = table_of(jobs, records)
    return table.best("random", table.columns[0], BA)


def test_ties_are_all_best():
    assert best_of({"a": [0.8], "b": [0.7], "c": [0.8]}) == {"a", "c"}


def test_means_that_print_alike_tie_whatever_their_further_digits():
    assert best_of({"a": [0.7], "b": [0.69996]}) == {"a", "b"}
    assert best_of({"a": [0.7], "b": [0.69994]}) == {"a"}


def test_incomplete_cell_is_never_best():
    assert best_of({"a": [0.9, None], "b": [0.7, 0.7]}) == {"b"}
    assert best_of({"a": [None], "b": [None]}) == frozenset()


def test_lowest_is_best_where_lower_is_better():
    jobs = [make_job(method=method) for method in "ab"]
    losses = [{"log_loss": 0.3}, {"log_loss": 0.2}]
    records = [make_record(job, metrics=loss) for job, loss in zip(jobs, losses, strict=True)]
    table = table_of(jobs, records)
    measure = next(m for m in measures.ALL if m.name == "log_loss")
    assert table.best("random", table.columns[0], measure) == {"b"}
    assert cell_of(table, method="b", measure=measure).mean == 0.2


def test_undefined_figure_is_in_no_mean_and_never_best():
    jobs = [make_job(method=method) for method in "ab"]
    aurocs = [{"auroc_ovr_macro": None}, {"auroc_ovr_macro": 0.6}]
    records = [make_record(job, metrics=auroc) for job, auroc in zip(jobs, aurocs, strict=True)]
    table = table_of(jobs, records)
    (auroc,) = measures.AUROC
    assert table.best("random", table.columns[0], auroc) == {"b"}
    assert cell_of(table, method="a", measure=auroc).undefined


def test_plan_without_jobs_gives_an_empty_table():
    table = table_of([])
    assert (table.splits, table.rows, table.columns, table.runs) == ((), (), (), ())


def published_folder(folder, table2):
    (folder / "table1.csv").write_text((PUBLISHED / "table1.csv").read_text())
    (folder / "table2.csv").write_text(table2)
    return folder


HEADER = "split,method,title,dataset,balanced_accuracy,balanced_f1\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEADER.replace("title,", ""), "Expected the columns"),
        (HEADER + "random,cb,CB,hiv,71,101\n", r"0\.\.100, but got '101' .* line 2"),
        (HEADER + "random,cb,CB,hiv,,70\n", r"0\.\.100, but got ''"),
        (HEADER + "random,cb,CB,hiv,71,nan\n", r"0\.\.100, but got 'nan'"),
        (HEADER + "random,cb,CB,hiv,71,70\n" * 2, "again in .* line 3"),
    ],
)
def test_damaged_published_file_is_refused_with_its_place(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read_published(published_folder(tmp_path, text))


@pytest.mark.parametrize(
    ("label", "comparable"),
    [
        ("uspto_50k", False),
        ("uspto_50k[inputs=joined]", True),
        ("uspto_50k[inputs=product]", False),
    ],
)
def test_a_reaction_is_compared_as_one_graph(label, comparable):
    job = make_job(dataset="uspto_50k") | {"dataset_label": label}
    record = make_record(job)
    record["job"]["dataset"]["label"] = label
    table = table_of([job], [record])
    cell = cell_of(table, dataset=label)
    assert cell.published == (85.57 if comparable else None)
    elsewhere = "The published figures stand there." in markdown(table)
    assert elsewhere is (label == "uspto_50k")


@pytest.mark.parametrize(
    ("settings", "compared"),
    [
        ({}, True),
        ({"backbones": {"molecule": "gcn_dgl"}}, True),
        ({"backbones": {"molecule": "gcn[hidden=32]"}}, False),
        ({"method_options": {"vanilla": {"x": 1}}}, False),
        ({"method_options": {"cb": {"beta": 0.5}}}, True),
        ({"method_options": {"vanilla": {"x": 1}}, "preset": "paper"}, True),
    ],
)
def test_changed_options_and_encoders_are_not_compared(settings, compared):
    job = make_job()
    plan = make_plan([job])
    plan["settings"] = {**plan["settings"], **settings}
    table = table2(plan, [make_record(job)], {})
    assert (cell_of(table).published is not None) == compared


@pytest.mark.parametrize(
    ("usual", "label", "compared"),
    [
        ("gcn", "vanilla[backbone=gin]", False),
        ("gcn", "vanilla[backbone=gcn_dgl]", True),
        ("gcn", "vanilla[backbone=gcn[hidden=32]]", False),
        ("gin", "vanilla", False),
        ("gin", "vanilla[backbone=gcn]", True),
        ("gin", "cb[backbone=gcn]", True),
        ("gin", "cb[backbone=gcn,beta=0.9]", False),
    ],
)
def test_the_encoder_of_a_row_decides_whether_it_is_compared(usual, label, compared):
    job = make_job(method=label)
    plan = make_plan([job])
    plan["settings"]["backbones"] = {"molecule": usual}
    cell = cell_of(table2(plan, [make_record(job)], {}), method=label)
    assert (cell.published is not None) == compared


def test_share_of_test_samples_is_that_of_the_class_where_it_is_largest():
    """A test set cut down to the smallest class still holds all test samples of that class."""
    record = make_record(make_job(), [[20, 0], [0, 20]])
    record["data"]["train_counts"] = [700, 70]
    [run] = table2(make_plan([make_job()]), [record], {}).runs
    assert run.result.test_to_train == 20 / 70


def test_a_method_with_a_loop_of_its_own_has_its_own_epochs():
    jobs = [make_job(method=name) for name in ("vanilla", "chemprop", "gone")]
    records = [make_record(job) for job in jobs]
    records[1]["job"]["method"]["options"] = {"epochs": 7}
    epochs = {run.method: run.result.epochs for run in table2(make_plan(jobs), records, {}).runs}
    assert epochs["chemprop"] == 7
    assert epochs["vanilla"] == epochs["gone"] == records[0]["job"]["training"]["epochs"]
    [said] = [
        text for name, text in caption(table2(make_plan(jobs), records, {})) if name == "Training"
    ]
    assert "7 (chemprop)" in said
