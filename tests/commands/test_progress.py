from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console

from bench.commands import progress
from bench.commands.progress import LiveRuns
from bench.sweep.costs import Costs
from bench.sweep.worker import Outcome
from tests.sweep.test_estimate import _record
from tests.sweep.test_plan import _jobs


def _live(monkeypatch, *, terminal):
    console = Console(file=StringIO(), force_terminal=terminal, width=120, highlight=False)
    monkeypatch.setattr(progress, "console", console)
    jobs = _jobs(splits=["random"], seeds=[0, 1, 2, 3], **{"training.epochs": 10})
    return jobs, LiveRuns(jobs, reused=5, side_by_side=2, costs=Costs({}))


def _row(live):
    """The table of counts as heading to cell."""
    console = Console(file=StringIO(), width=120)
    console.print(live._screen())
    lines = [line for line in console.file.getvalue().splitlines() if line.strip()]
    return dict(zip(lines[0].split()[:5], lines[2].split()[:5], strict=True)), lines


def _epoch(number, seconds):
    return SimpleNamespace(epoch=number, seconds=seconds, valid_balanced_accuracy=0.5)


def test_counts_and_time_left_follow_the_runs(monkeypatch):
    jobs, live = _live(monkeypatch, terminal=True)
    counts, lines = _row(live)
    assert counts == {"done": "0", "reused": "5", "running": "0", "failed": "0", "left": "4"}
    assert "not known yet" in lines[2]
    for job in jobs[:2]:
        live.started(job.job_id)
    live.epoch(jobs[0].job_id, _epoch(4, 20.0))
    counts, lines = _row(live)
    assert (counts["running"], counts["left"]) == ("2", "2")
    # 120 s for this one, as much for each of three that nothing is known of, two at a time.
    assert "about 4 minutes" in lines[2]
    assert "4/10" in lines[3]
    assert "validation BA 50.0" in lines[3]
    live.finished(Outcome(jobs[0].job_id), _record("hiv", "cb", 600))
    live.finished(Outcome(jobs[1].job_id, "by design"), None)
    counts, lines = _row(live)
    assert counts == {"done": "1", "reused": "5", "running": "0", "failed": "1", "left": "2"}
    assert "about 10 minutes" in lines[2]  # two at a time, at what the record says


def test_a_run_that_begins_anew_goes_back_to_its_first_epoch(monkeypatch):
    jobs, live = _live(monkeypatch, terminal=True)
    live.epoch(jobs[0].job_id, _epoch(7, 1.0))
    live.started(jobs[0].job_id)
    counts, lines = _row(live)
    assert counts["running"] == "1"
    assert "0/10" in lines[3]


@pytest.mark.parametrize("terminal", [True, False])
def test_each_run_that_ends_is_a_line(monkeypatch, terminal):
    jobs, live = _live(monkeypatch, terminal=terminal)
    with live:
        live.epoch(jobs[0].job_id, _epoch(10, 1.0))
        live.finished(Outcome(jobs[0].job_id), None)
    text = progress.console.file.getvalue()
    assert f"1/4 {jobs[0].describe()} · last validation BA 50.0" in text
    assert ("time left" in text) is terminal
