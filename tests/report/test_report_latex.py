from __future__ import annotations

import re
import string

import pytest

from bench.errors import StoreError
from bench.report.model.table2 import table2
from bench.report.tables.table2 import table2_report
from bench.report.writers.latex import document, escape, report_latex
from tests.report.report_records import binary, make_job, make_plan, make_record

NAMES = [
    "a|b", "50%_of #1 & $x$ {y}", r"a\b~c^d", "<b>", '"q" \'s\' ``', "[x]", "*star", "τ-norm é",
    "--", "-1", "a\nb", "\x07",
]  # fmt: skip


def report_of(means, titles=None, dataset="hiv"):
    """`means` maps methods to balanced accuracies by seed; None is a missing run, nan undefined."""
    jobs, records = [], []
    for method, values in means.items():
        title = (titles or {}).get(method, method)
        for seed, value in enumerate(values):
            jobs.append(make_job(dataset, method=method, seed=seed, title=title))
            if value is not None:
                records.append(make_record(jobs[-1], binary(value)))
    return table2_report(table2(make_plan(jobs), records, {}))


def rows(text):
    """What stands between the rules of the tables."""
    return [row for body in re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.S)
            for row in body.strip().split("\n") if row]  # fmt: skip


def test_every_printable_character_is_printed_and_none_is_a_command():
    for character in string.printable.strip():
        latex = escape(character)
        if character in "\\{}$&#_%~^<>|\"`'[]*-":
            assert latex != character, character
        else:
            assert latex == character


def test_a_character_that_fonts_lack_is_printed_as_its_code():
    assert escape("τ") == r"\texttt{U+03C4}"


@pytest.mark.fault(52)
@pytest.mark.parametrize("name", NAMES)
def test_names_stay_in_their_place(name):
    text = report_latex(report_of({"mine": [0.7]}, {"mine": name}))
    [row] = rows(text)
    assert row.startswith(escape(name) + " & ")
    assert row.count("&") - escape(name).count("&") == 2
    assert row.endswith(r" \\")


@pytest.mark.fault(52)
def test_all_strange_names_compile(compiled):
    titles = {f"m{place}": name for place, name in enumerate(NAMES)}
    report = report_of({method: [0.7, 0.8] for method in titles}, titles, dataset="uspto_[a]%")
    assert "Output written" in compiled(
        {"paper.tex": document(["t"]), "t.tex": report_latex(report)}
    )


@pytest.mark.fault(52)
@pytest.mark.parametrize("methods", [0, 1, 200])
def test_no_row_one_row_and_two_hundred(methods, compiled):
    report = report_of({f"m{i:03d}": [0.7] for i in range(methods)})
    text = report_latex(report)
    assert len(rows(text)) == methods
    # What is longer than a page goes on in another table.
    assert text.count(r"\begin{table}") == -(-methods // 40)
    compiled({"paper.tex": document(["t"]), "t.tex": text})


@pytest.mark.fault(52)
def test_ties_are_both_bold_and_a_hole_is_never_the_best():
    jobs = [make_job(method=method) for method in "abcd"]
    records = [make_record(job, binary(0.7)) for job in jobs[:2]]
    records.append(make_record(jobs[2], binary(0.6)))
    table = table2(make_plan(jobs), records, {})
    lines = rows(report_latex(table2_report(table)))
    assert [r"\textbf{70.00}" in line for line in lines] == [True, True, False, False]
    assert lines[3].startswith("d & -- (0/1) & ")


@pytest.mark.fault(52)
def test_a_figure_that_is_nan_is_refused_rather_than_the_best():
    job = make_job()
    record = make_record(job, metrics={"balanced_accuracy": float("nan")})
    with pytest.raises(StoreError, match="finite"):
        table2(make_plan([job]), [record], {})


@pytest.mark.fault(50)
def test_hole_failure_stand_in_published_and_ours_look_different():
    jobs = [make_job("hiv", method="cb", seed=seed) for seed in range(3)]
    jobs += [make_job("hiv", method="vanilla"), make_job("chembl_ki", method="cb")]
    records = [make_record(job, binary(0.8)) for job in (jobs[0], jobs[2], jobs[4])]
    failures = {jobs[1]["job_id"]: {"reason": "out of memory", "error": ""}}
    text = report_latex(table2_report(table2(make_plan(jobs), records, failures)))
    vanilla, cb = rows(text)
    assert vanilla.startswith(r"vanilla & -- (0/1) & \textit{\textcolor{black!60}{71.89}} & ")
    assert cb.startswith(r"cb & 80.00 $\pm$ 0.00 (2/3)\dag{} & ")
    assert r"chembl\_ki\ddag{}" in text
    assert "out of memory" in text
    assert "sbap" not in text
