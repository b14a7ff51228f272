"""The benchmark of reports on sizes that take no time."""

from click.testing import CliRunner

from bench.commands.report import rebuild_report
from bench.commands.verify import verify_results
from bench.perf.reports import reports
from bench.perf.synthetic_runs import write_runs
from bench.sweep.store import Store


def test_every_measure_is_a_line_and_the_machine_is_named(monkeypatch):
    # tests/test_perf_command.py holds that fresh processes are fresh.
    here = lambda threads, work, *given: work(*given)  # noqa: E731
    monkeypatch.setattr("bench.perf.reports.in_fresh_process", here)
    options = ["--runs", "40", "--classes", "3", "--samples", "30", "--many-classes", "20"]
    done = CliRunner().invoke(reports, [*options, "--markdown"])
    assert done.exit_code == 0, done.output
    assert "- CPU: " in done.stdout
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    measured = [line.strip("| ").split("|")[0].strip() for line in table[2:]]
    assert measured == ["report", "verify", "AUROC", "run and report, 1 epoch"]
    assert "20 classes, 60 rows" in table[-1]


def test_its_runs_keep_every_rule_and_are_as_from_an_archive(tmp_path):
    write_runs(tmp_path, 40, 4, 50)
    store = Store(tmp_path)
    assert len(store.job_ids()) == 40
    assert not any(map(store.has_weights, store.job_ids()))
    assert verify_results(tmp_path) == 0
    assert rebuild_report(tmp_path) == 0
