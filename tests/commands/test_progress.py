import time
from io import StringIO
from threading import Thread
from types import SimpleNamespace

import pytest
from rich.console import Console

from bench.commands import progress
from bench.commands.progress import LiveRuns, LiveStep
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


def _without_a_clock(monkeypatch):
    """Times read alike, however long a busy machine lets a thread wait."""
    monkeypatch.setattr(progress, "in_words", lambda _: "0 seconds")


def _until(console, text, seconds=20.0):
    """Wait for `text` on `console`, and give the lines."""
    ends = time.monotonic() + seconds
    while text not in console.file.getvalue() and time.monotonic() < ends:
        time.sleep(0.01)
    return console.file.getvalue().splitlines()


def test_a_run_that_tells_of_no_epoch_shows_that_it_goes_on(monkeypatch):
    monkeypatch.setattr(progress, "_PLAIN_RUN_SECONDS", 0.02)
    _without_a_clock(monkeypatch)
    jobs, live = _live(monkeypatch, terminal=False)
    with live:
        for job in jobs[:2]:
            live.started(job.job_id)
        line = f"{jobs[0].describe()} · 0 seconds so far"
        assert line in _until(progress.console, line)
        live.finished(Outcome(jobs[0].job_id), None)
        line = f"{jobs[1].describe()} · 0 seconds so far"
        assert line in _until(progress.console, line)
        live.finished(Outcome(jobs[1].job_id), None)
    said = progress.console.file.getvalue()
    time.sleep(0.1)
    assert progress.console.file.getvalue() == said


def test_a_step_without_news_shows_that_it_goes_on(monkeypatch):
    monkeypatch.setattr(progress, "_PLAIN_LINE_SECONDS", 0.02)
    _without_a_clock(monkeypatch)
    console = Console(file=StringIO(), force_terminal=False, width=120, highlight=False)
    with LiveStep("Training ecfp_forest", to=console) as step:
        assert _until(console, "\n")[0] == "Training ecfp_forest · 0 seconds so far"
        step.advance("Writing trees", 3, 10)
        assert "Writing trees: 3 of 10 · 0 seconds so far" in _until(console, "3 of 10 · ")


def test_signs_of_life_become_rarer(monkeypatch):
    monkeypatch.setattr(progress, "_PLAIN_LINE_SECONDS", 0.05)
    console = Console(file=StringIO(), force_terminal=False, width=120, highlight=False)
    with LiveStep("Training ecfp_forest", to=console):
        time.sleep(1.0)
    # After 0.05, 0.15, 0.35 and 0.75 seconds; every 0.05 it would be 20.
    assert 1 <= len(console.file.getvalue().splitlines()) <= 4


def test_a_step_that_says_what_comes_next_leaves_its_bar_behind():
    console = Console(file=StringIO(), force_terminal=True, width=120, highlight=False)
    step = LiveStep("Looking", to=console)
    step.advance("Building features", 10, 10)
    step.say("Training")
    [task] = step._progress.tasks
    assert (task.description, task.completed, task.total) == ("Training", 0, None)


def test_on_a_terminal_bars_move_and_no_line_is_needed(monkeypatch):
    monkeypatch.setattr(progress, "_PLAIN_LINE_SECONDS", 0.01)
    console = Console(file=StringIO(), force_terminal=True, width=120, highlight=False)
    with LiveStep("Training ecfp_forest", to=console):
        time.sleep(0.1)
    assert "so far" not in console.file.getvalue()


def test_a_run_may_begin_while_another_thread_draws_the_screen(monkeypatch):
    jobs, live = _live(monkeypatch, terminal=True)
    live.started(jobs[0].job_id)
    beginning = Thread(target=live.started, args=(jobs[1].job_id,))
    asked = live._seconds

    def begin_meanwhile(job):
        if not beginning.ident:
            beginning.start()
            beginning.join(timeout=0.2)
        return asked(job)

    monkeypatch.setattr(live, "_seconds", begin_meanwhile)
    live._screen()
    beginning.join(timeout=20)
    assert _row(live)[0]["running"] == "2"
