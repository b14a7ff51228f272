"""``run_bench.py report --html`` writes the page that ``paper`` writes."""

from __future__ import annotations

import pytest

from bench.cli import cli
from bench.commands import paper, report
from bench.report.figures import write
from bench.report.figures.groups import group_figures
from bench.report.html import write as page
from bench.sweep.store import Store
from tests.report.report_records import make_grid, make_plan
from tests.report.stored_runs import store_run


@pytest.fixture
def out(tmp_path, monkeypatch):
    """A folder of three seeds of two methods; one kind of pictures is drawn, in this process."""
    jobs = make_grid(methods=("vanilla", "cb"))
    store = Store(tmp_path)
    for job in jobs:
        store_run(store, job, [60, 20])
    store.write_plan(make_plan(jobs))
    monkeypatch.setattr(write, "_KINDS", (group_figures,))
    monkeypatch.setattr(page, "packed_libraries", dict)
    for command in (paper, report):
        monkeypatch.setattr(command, "default_jobs", lambda: 1)
    return tmp_path


def run(*words):
    return cli.main([*map(str, words)], standalone_mode=False)


def test_the_page_is_written_without_the_paper_and_where_files_are_asked_for(out, capsys):
    assert run("report", "--out", out) == 0
    assert not (out / "report.html").exists()
    assert run("report", "--html", "--out", out, "--to", out / "there") == 0
    assert not (out / "report.html").exists()
    text = (out / "there" / "report.html").read_text()
    assert "report.html" in capsys.readouterr().out.replace("\n", "")
    assert 'class="number gap"' in text
    assert 'data-picture="picture-groups_random_hiv"' in text
    assert run("paper", "--out", out) == 1  # the other tables have no runs
    assert (out / "report.html").read_text() == text
