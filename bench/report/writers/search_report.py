"""Which settings a search chose for each method, from validation alone, and the evidence for it."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from bench.metrics.evaluation import LOWER_IS_BETTER
from bench.report.document.numbers import FAILED, HOLE, fixed
from bench.report.document.report import (
    Entry,
    Report,
    Section,
    Value,
    dataset_heading,
    line,
    plain_headings,
)
from bench.report.model.cells import Column
from bench.report.model.published import STAND_INS
from bench.report.tables.search import Search, Trial
from bench.report.writers.markdown import report_markdown
from bench.training.settings import SELECT_BY


def settings_report(search: Search) -> Report:
    """Choices, all trials, and whether the curves of what was chosen are flat."""
    chosen = [method for method in search.trials if search.chosen(method) is not None]
    return Report(
        "settings",
        "Settings chosen on validation",
        (
            f"{len(chosen)} of {len(search.trials)} methods have all their scores and a choice. "
            f"Data sets: {', '.join(column.label for column in search.columns)}; {search.split} "
            f"split, seed {search.seed}, {search.epochs} epochs.",
        ),
        tuple(_notes(search)),
        (_choices(search), _trials(search), _curves(search)),
        ("method", "trial", "dataset", "split", "seed", "default", "chosen", "score",
         "standard_error_at_most", "mean", "gain", "selected_epoch", "late_gain", "status"),
        tuple(_csv_lines(search)),
    )  # fmt: skip


def settings_markdown(search: Search) -> str:
    """The report, and what goes into a preset."""
    return (
        f"{report_markdown(settings_report(search))}\n## For a preset\n\n"
        f"```yaml\n{preset_snippet(search)}```\n"
    )


def preset_snippet(search: Search) -> str:
    """``method_options`` of a preset, in YAML; a method without a choice is a comment."""
    lines, comments = [], []
    for method in search.trials:
        trial = search.chosen(method)
        if trial is None:
            comments.append(f"# {method}: {_no_choice(search, method)}")
        elif "[" in method:  # a row of its own beside the plain method, which is what presets set
            comments.append(f"# {method}: {trial.label}")
        elif trial.default:
            comments.append(f"# {method}: its defaults")
        else:
            options = yaml.safe_dump(dict(trial.options), default_flow_style=True, width=1000)
            gain = search.gain(method, trial)
            points = "" if gain is None else f"{fixed(gain)} points over the defaults, "
            lines.append(f"  {method}: {options.strip()} # {points}{_reading(search, trial, gain)}")
    head = ["method_options:", *lines] if lines else ["method_options: {}"]
    return "\n".join([*head, *comments]) + "\n"


def _notes(search: Search) -> list[tuple[str, str]]:
    stand_ins = [column for column in search.columns if column.name in STAND_INS]
    failed = [
        (FAILED, f"{label} / {trial.label}: {reason}")
        for trials in search.trials.values()
        for trial in trials
        for label, reason in trial.failed.items()
    ]
    return [
        ("Scores", _scores(search)),
        ("Choice", "the highest mean over the data sets; of means that print alike the defaults, "
         "then what stands first in the plan. A method with a missing run has none."),
        ("Standard error", "at most, of one score: binomial, from the validation samples of each "
         "class, at its largest (recalls of one half), as records hold no recalls of validation. "
         "Of a gain: that of the difference of two independent means. Trials share their "
         "validation samples, which makes it smaller; training of another seed, and taking the "
         "highest of several, make a gain less certain."),
        ("Within noise", "a gain of at most two standard errors."),
        ("Marks", f"{HOLE}: no figure; {FAILED}: the run failed. Bold: the choice."),
        *((dataset_heading(column), f"a proxy data set for the paper's {STAND_INS[column.name]}.")
          for column in stand_ins),
        *failed,
    ]  # fmt: skip


def _scores(search: Search) -> str:
    unseen = "Nothing of the test set was looked at."
    if search.by == SELECT_BY:
        return f"balanced accuracy on validation, in percent, of the epoch selected on it. {unseen}"
    sign = "minus " if search.by in LOWER_IS_BETTER else ""
    return f"{sign}100 times {search.by} on validation, of the epoch selected on it. {unseen}"


def _choices(search: Search) -> Section:
    headings = ("method", "choice", "mean", "mean of the defaults", "gain", "2 standard errors",
                "reading")  # fmt: skip
    lines = []
    for method in search.trials:
        trial, default = search.chosen(method), search.default(method)
        before = None if default is None else search.mean(default)
        if trial is None:
            reading = _no_choice(search, method)
            lines.append(line(method, HOLE, HOLE, _number(before), HOLE, HOLE, reading))
            continue
        error, gain = search.error_of_gain, search.gain(method, trial)
        lines.append(
            line(
                method,
                Entry(trial.label, "best"),
                _number(search.mean(trial)),
                _number(before),
                _number(gain),
                _number(None if error is None else 2 * error),
                _reading(search, trial, gain),
            )
        )
    return Section("Choices", plain_headings(headings), tuple(lines))


def _no_choice(search: Search, method: str) -> str:
    return f"no choice, scores not there: {search.missing(method)}"


def _reading(search: Search, trial: Trial, gain: float | None) -> str:
    """What a choice is worth, in words."""
    error = search.error_of_gain
    if trial.default:
        return "the defaults"
    if gain is None:
        return "the defaults were not tried"
    if error is None:
        return "not tested"
    return "within noise" if abs(gain) <= 2 * error else "beyond noise"


def _trials(search: Search) -> Section:
    headings = ("trial", *map(dataset_heading, search.columns), "mean", "gain", "defaults")
    errors = (_number(search.errors.get(column.label)) for column in search.columns)
    lines = [line("standard error at most", *errors, "", "", "")]
    for method, trials in search.trials.items():
        chosen = search.chosen(method)
        for trial in trials:
            lines.append(
                line(
                    Entry(trial.label, "best" if trial is chosen else "plain"),
                    *(_score(trial, column) for column in search.columns),
                    _number(search.mean(trial)),
                    _number(search.gain(method, trial)),
                    "yes" if trial.default else "",
                )
            )
    return Section("Trials", plain_headings(headings), tuple(lines))


def _score(trial: Trial, column: Column) -> str:
    if column.label in trial.found:
        return _number(trial.found[column.label].score)
    return HOLE + FAILED * (column.label in trial.failed)


def _curves(search: Search) -> Section:
    headings = ["choice"]
    for column in search.columns:
        headings += [f"{dataset_heading(column)} epoch", f"{dataset_heading(column)} late gain"]
    lines = []
    for method in search.trials:
        if (trial := search.chosen(method)) is None:
            lines.append(line(f"{method} (no choice)", *[HOLE] * (len(headings) - 1)))
            continue
        entries = []
        for column in search.columns:
            run = trial.found[column.label]
            entries += [str(run.epoch), _number(run.late_gain)]
        lines.append(line(trial.label, *entries))
    title = (
        "Are the curves flat? Selected epoch, and mean over the last fifth of the epochs minus "
        "that over the fifth before"
    )
    return Section(title, plain_headings(headings), tuple(lines))


def _csv_lines(search: Search) -> Iterable[tuple[Value, ...]]:
    for method, trials in search.trials.items():
        chosen = search.chosen(method)
        for trial in trials:
            for column in search.columns:
                label = column.label
                run = trial.found.get(label)
                state = "failed" if label in trial.failed else "missing"
                yield (
                    method, trial.label, label, search.split, search.seed, int(trial.default),
                    None if chosen is None else int(trial is chosen),
                    None if run is None else run.score, search.errors.get(label),
                    search.mean(trial), search.gain(method, trial),
                    None if run is None else run.epoch,
                    None if run is None else run.late_gain,
                    state if run is None else "complete",
                )  # fmt: skip


def _number(value: float | None) -> str:
    return HOLE if value is None else fixed(value)
