from bench.report.figures.cost import cost_figures
from bench.report.html import write
from bench.report.model.costs import methods_built_on, seconds_with_required
from bench.report.model.table2 import table2
from bench.report.writers.markdown import markdown
from tests.report.report_records import (
    lines_of,
    make_grid,
    make_job,
    make_plan,
    make_record,
    source_of,
)


def table(*requirements, left_out=(), outside=()):
    """Runs of 12.25 s each; a method and the methods whose runs it depends on.

    Of those left out there is no record, but of those `outside` there is one outside the plan.
    """
    jobs = {method: make_job(method=method) for method, _ in requirements}
    records = []
    for method, required in requirements:
        record = make_record(jobs[method])
        record["job"]["requires"] = {name: jobs[name]["job_id"] for name in required}
        records.append(record)
    planned = [job for method, job in jobs.items() if method not in left_out]
    found = [record for record in records if record["job"]["method"]["name"] not in left_out]
    others = [record for record in records if record["job"]["method"]["name"] in outside]
    return jobs, table2(make_plan(planned), found, {}, required=others)


def test_what_is_built_on_counts_once_however_far_down():
    jobs, found = table(
        ("vanilla", []),
        ("dive", ["vanilla"]),
        ("stack", ["dive", "vanilla"]),
    )
    costs = seconds_with_required(found)
    one = costs[jobs["vanilla"]["job_id"]]
    assert costs[jobs["dive"]["job_id"]] == 2 * one
    assert costs[jobs["stack"]["job_id"]] == 3 * one
    assert methods_built_on(found) == {"dive": ["vanilla"], "stack": ["dive", "vanilla"]}


def test_a_cost_of_which_a_part_is_not_known_is_not_told():
    _, found = table(("vanilla", []), ("dive", ["vanilla"]), left_out=["vanilla"])
    assert seconds_with_required(found) == {}
    assert methods_built_on(found) == {"dive": ["others"]}


def test_a_run_outside_the_table_costs_what_its_record_says():
    jobs, found = table(
        ("vanilla", []),
        ("dive", ["vanilla"]),
        ("stack", ["dive"]),
        left_out=["vanilla", "dive"],
        outside=["vanilla", "dive"],
    )
    assert seconds_with_required(found) == {jobs["stack"]["job_id"]: 3 * 12.25}


def test_table_page_and_figure_have_one_mean_and_mark_other_machines(monkeypatch):
    monkeypatch.setattr(write, "packed_libraries", dict)
    jobs = make_grid(methods=("cb", "vanilla"))
    records = [make_record(job) for job in jobs]
    for record in records:
        record["time"]["seconds"] = 10.0 if record["job"]["seed"] == 2 else 1.0
    plan = make_plan(jobs)
    joined = [job["job_id"] for job in jobs if job["method"] == "cb"]
    plan["settings"]["joined"] = {"source": "reference", "runs": joined}
    source = source_of(plan, records, {})
    found = {line.row.label: (line.seconds, line.elsewhere) for line in lines_of(source)}
    assert found == {"cb": (4.0, True), "vanilla": (4.0, False)}
    [(_, figure)] = cost_figures(source)
    [axes] = figure.axes
    assert [bars.lines[0].get_xdata().tolist() for bars in axes.containers] == [[4.0], [4.0]]
    assert [text.get_text() for text in axes.texts] == ["*"]
    assert axes.get_xlabel().endswith("\n* measured on another machine")
    text = write.page(source)
    assert (text.count("4.0 s*"), text.count("<span>* measured on another machine")) == (2, 1)
    written = " ".join(markdown(source.table).split())
    assert "| vanilla | 4.0 |" in written
    assert "Those of cb were measured on another machine" in written
