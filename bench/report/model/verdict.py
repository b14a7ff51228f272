"""What follows from a table, in sentences: what to use, what to avoid, how far to trust it.

All of it is by balanced accuracy, whatever columns are shown. A fact that is not in the records
gives no sentence.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from bench.metrics import frequency_groups
from bench.report.model.best_sets import best_sets
from bench.report.model.cells import (
    EARLIER_CODE,
    Advice,
    BestSet,
    Cell,
    Column,
    Result,
    Run,
    Table,
    Verdict,
)
from bench.report.model.costs import measured_elsewhere, seconds_with_required
from bench.report.model.frequency import group_recall, groups_of
from bench.report.model.lead import Lead, lead_of
from bench.report.model.measures import GROUP_RECALL, MAIN
from bench.report.model.paired_cells import gap_over_seeds
from bench.report.model.sampling_variance import Covariance, Predictions, covariance_from
from bench.report.model.tail import tail_interval
from bench.report.model.wording import counted, duration, fixed, split_heading
from bench.statistics import Difference

__all__ = ["Advice", "Verdict", "judged", "verdicts"]

_BA, _TAIL = MAIN[0], GROUP_RECALL[-1]
# Methods that a sentence names; the others are counted.
_NAMED = 5
# Fewer optimiser steps than a network usually needs to get anywhere.
_FEW_STEPS = 1000
# With fewer seeds the interval of a mean is so wide that it reaches down to chance for most.
_SEEDS_FOR_INTERVAL = 3
# Plain training, which others are held against.
_PLAIN = "vanilla"


def judged(table: Table, predictions: Predictions) -> Table:
    """`table` with the best set of each column, and what follows from them."""
    table = replace(table, leaders=best_sets(table, predictions))
    return replace(table, verdicts=tuple(verdicts(table, predictions)))


def verdicts(table: Table, predictions: Predictions) -> list[Verdict]:
    """What to use, avoid and trust on each data set, in the order of the table.

    Parameters
    ----------
    table : Table
        With its `leaders`: without them nothing is called significant.
    predictions : callable
        Gives what was decided in a run, by its job id.
    """
    costs = seconds_with_required(table)
    return [_verdict(table, column, costs, predictions) for column in table.columns]


def _verdict(
    table: Table, column: Column, costs: Mapping[str, float], predictions: Predictions
) -> Verdict:
    splits = [split for split in table.splits if column in table.columns_of(split)]
    covariance = covariance_from(predictions)
    places = [_Place(table, split, column, costs, covariance) for split in splits]

    def of_each(*kinds: Callable[[_Place], Advice | None]) -> Iterator[Advice]:
        for kind in kinds:
            for place in places:
                if place.ranked and (advice := kind(place)) is not None:
                    heading = split_heading(place.split) if len(places) > 1 else ""
                    yield replace(advice, split=place.split, heading=heading)

    return Verdict(
        column.label,
        use=tuple(of_each(_use)),
        avoid=tuple(of_each(_others_of_one_class, _at_chance, _worse, _rising)),
        trust=(
            *_not_complete(places),
            # What may overturn the order comes first: the terminal shows a few sentences alone.
            *of_each(_best_of_one_class, _few_steps, _resolved, _one_cluster),
            *_disagreement(places),
            *of_each(_rare, _best_rising),
        ),
    )


@dataclass(frozen=True)
class _Place:
    """One split of one data set."""

    table: Table
    split: str
    column: Column
    costs: Mapping[str, float]
    covariance: Covariance

    @cached_property
    def headings(self) -> dict[str, str]:
        """Method label to what tables call it, without marks, of all that are planned here."""
        rows = self.table.rows_of(self.split, [self.column])
        return {row.label: row.heading.removesuffix(f" ({EARLIER_CODE})") for row in rows}

    def cell(self, label: str) -> Cell:
        """Balanced accuracy of a method."""
        return self.table.cells[self.split, self.column.label, label, _BA.name]

    @cached_property
    def ranked(self) -> list[str]:
        """Methods with a finished run, the highest mean first, of equal ones as in the table."""
        means = {label: self.cell(label).mean for label in self.headings}
        known = {label: mean for label, mean in means.items() if mean is not None}
        return sorted(known, key=lambda label: -known[label])

    @cached_property
    def lead(self) -> Lead:
        """The best; only where there is a finished run."""
        lead = lead_of(self.table, self.split, self.column)
        assert lead is not None  # or nothing is said of the place
        return lead

    @property
    def leaders(self) -> BestSet | None:
        """The best set by balanced accuracy; None where nothing can be tested."""
        return self.lead.best_set

    @property
    def best(self) -> str:
        """The method with the highest mean, among those that are compared."""
        return self.lead.label

    @cached_property
    def best_set(self) -> list[str]:
        """The best and what is not significantly different from it, best first."""
        if self.leaders is None:
            return [self.best]
        return [label for label in self.leaders.ranked if label in self.leaders.members]

    @cached_property
    def behind(self) -> dict[str, float]:
        """Points behind the best of all that are compared, the best among them."""
        if self.leaders is None:
            return {}
        return dict(zip(self.leaders.methods, self.leaders.confidence_set.gaps, strict=True))

    @cached_property
    def others(self) -> tuple[str, ...]:
        """What the best is compared with, best first."""
        return () if self.leaders is None else self.leaders.ranked[1:]

    @cached_property
    def worse(self) -> dict[str, float]:
        """Points behind the best of those that are significantly worse, the worst first."""
        if self.leaders is None:
            return {}
        found = {
            label: gap for label, gap in self.behind.items() if label not in self.leaders.members
        }
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def percent(self, label: str) -> str:
        """The mean of a method that has one."""
        mean = self.cell(label).mean
        assert mean is not None  # of what is ranked
        return f"{fixed(mean)} %"

    def finished(self, label: str) -> list[tuple[Run, Result]]:
        """Runs of a method that are in its mean."""
        cell = self.cell(label)
        return [
            (run, run.result)
            for run in cell.runs
            if run.result is not None and run.replicate in cell.values
        ]

    def seconds(self, label: str) -> float | None:
        """Mean time of a run with those that it depends on; None where that is not known."""
        runs = [run.job_id for run, _ in self.finished(label)]
        known = [self.costs[job_id] for job_id in runs if job_id in self.costs]
        return statistics.fmean(known) if runs and len(known) == len(runs) else None

    def gap(self, first: str, second: str) -> Difference | None:
        """`first` minus `second`, paired by seed."""
        return gap_over_seeds(self.table, self.split, self.column, first, second, self.covariance)

    def named(self, labels: Iterable[str], says: Callable[[str], str] = lambda label: "") -> str:
        """Methods by their headings, each with what is said of it in brackets, a handful at most.

        The rest is counted.
        """
        listed = list(labels)
        shown = [
            self.headings[label] + (f" ({said})" if (said := says(label)) else "")
            for label in listed[:_NAMED]
        ]
        more = len(listed) - len(shown)
        between = "; " if any("," in self.headings[label] for label in listed) else ", "
        return between.join(shown) + (f" and {more} more" if more else "")


def _said(sentence: str, methods: tuple[str, ...] = ()) -> Advice:
    return Advice((sentence,), methods)


def _use(place: _Place) -> Advice:
    """The best, whether its lead is real, the cheapest that is as good, and what it misses.

    Where no method is above chance, that alone.
    """
    lead, chance = place.lead, _chance(place, place.best)
    if lead.mean <= chance:
        return _said(f"No method is above chance ({fixed(chance)} %): use none of them.")
    best = place.headings[place.best]
    runs, percent = _in_words(lead.runs), f"{fixed(lead.mean)} %"
    highest = f"{best} has the highest balanced accuracy{lead.among}, {percent} ({runs})"
    if len(place.ranked) == 1:
        sentences = [
            f"{best} has a balanced accuracy of {percent} ({runs}).",
            "No other method has a finished run here.",
        ]
    elif place.leaders is None:
        sentences = [f"{highest}, but that is no evidence: {_why_untested(place)}"]
    else:
        sentences = [f"{highest}: {_gaps(place)}.", *_not_compared(place), _significance(place)]
    return Advice((*sentences, *_costs(place), *_missed(place)), tuple(place.best_set))


def _not_compared(place: _Place) -> list[str]:
    """Methods above the best of which runs are missing."""
    higher = place.lead.higher
    if not higher:
        return []
    means = place.named(higher, place.percent)
    return [f"Higher, but not compared, as runs are missing: {means}."]


def _gaps(place: _Place) -> str:
    """Points above the next method, and above plain training, of those that are compared."""
    plain = [label for label in place.others if label == _PLAIN]
    names = {label: place.headings[label] for label in (place.others[0], *plain)}
    names |= {label: f"plain training ({place.headings[label]})" for label in plain}
    return " and ".join(
        f"{fixed(place.behind[label])} points above {name}" for label, name in names.items()
    )


def _significance(place: _Place) -> str:
    """Than which of the others the best is significantly better."""
    others, alike = len(place.others), place.best_set[1:]
    compared = " compared" if place.lead.limited else ""
    if not alike:
        than = f"all {others} others{compared}" if others > 1 else f"the other method{compared}"
        return f"It is significantly better than {than}."
    if others == 1:
        return f"It is not significantly better than the other method{compared}."
    if len(alike) == others:
        return f"It is not significantly better than any of the {others} others{compared}."
    rest = others - len(alike)
    return (
        f"It is not significantly better than {place.named(alike)}; than the other "
        f"{rest if rest > 1 else 'one'} it is."
    )


def _missed(place: _Place) -> list[str]:
    """Which share of the test samples of rare and of frequent classes the best takes wrongly."""
    groups = groups_of([result for label in place.ranked for _, result in place.finished(label)])
    shares = [
        (group, 100 - recall)
        for group in groups
        if (recall := group_recall(place.cell(place.best), group)) is not None
    ]
    named = [
        f"{fixed(share, 1)} % of "
        + (f"class {group.class_name}" if group.class_name else f"{group.name} classes")
        for group, share in reversed(shares)
    ]
    best = place.headings[place.best]
    return [f"{best} misses {' and '.join(named)} in the test set."] if named else []


def _why_untested(place: _Place) -> str:
    if all(place.cell(label).n <= 1 for label in place.ranked):
        return "one seed cannot tell which differences are real."
    return "too many runs are missing to test any difference."


def _costs(place: _Place) -> list[str]:
    """What a run of the best costs, and of the cheapest method that is as good.

    That is one above chance that is not significantly worse, among all methods and alone.
    """
    doubtful = (_one_class(place, place.best_set), _at_chance(place))
    useless = {label for advice in doubtful if advice is not None for label in advice.methods}
    costs = {
        label: seconds
        for label in place.best_set
        if label not in useless and (seconds := place.seconds(label)) is not None
    }
    if place.best not in costs:
        return []
    takes = f"A run takes {duration(costs[place.best])}"
    elsewhere = measured_elsewhere(place.table)
    machines = {
        (result.device, run.job_id in elsewhere)
        for label in costs
        for run, result in place.finished(label)
    }
    if len(costs) < 2 or len(machines) > 1:  # times of different machines are not compared
        joined = any(run.job_id in elsewhere for run, _ in place.finished(place.best))
        return [f"{takes}{', on another machine' * joined}."]
    cheaper = sorted(
        (label for label in costs if costs[label] < costs[place.best]),
        key=lambda label: costs[label],
    )
    if not cheaper:
        return [f"{takes}, less than any of these."]
    for label in cheaper:
        gap = place.gap(place.best, label)
        if gap is not None and gap.sign == "alike":
            return [
                f"{takes}; {place.headings[label]}, not significantly worse, takes "
                f"{duration(costs[label])} ({_with_interval(gap)})."
            ]
    return [f"{takes}."]


def _with_interval(gap: Difference) -> str:
    """How far behind the best a method is."""
    return f"{fixed(gap.mean)} points behind, 95 % interval {fixed(gap.low)} to {fixed(gap.high)}"


def _worse(place: _Place) -> Advice | None:
    if not place.worse:
        return None
    names = place.named(place.worse, lambda label: f"by {fixed(place.worse[label])} points")
    least = min(place.worse.values())
    rest = f" (by {fixed(least)} or more)" if len(place.worse) > _NAMED else ""
    text = f"Significantly worse than {place.headings[place.best]}: {names}{rest}."
    return _said(text, tuple(place.worse))


def _others_of_one_class(place: _Place) -> Advice | None:
    return _one_class(place, [label for label in place.ranked if label not in place.best_set])


def _best_of_one_class(place: _Place) -> Advice | None:
    """Of the best set, which is used all the same, it is a reason to doubt."""
    return _one_class(place, place.best_set)


def _one_class(place: _Place, labels: Sequence[str]) -> Advice | None:
    """Methods that take all test samples of a run for one class, though there are more."""
    found: dict[str, str] = {}
    for label in labels:
        runs = [
            result for _, result in place.finished(label) if np.count_nonzero(result.tested) > 1
        ]
        same = sum(np.count_nonzero(result.predicted) == 1 for result in runs)
        if same:
            found[label] = f"in {same} of {counted(len(runs), 'run')}"
    if not found:
        return None
    return _said(f"Predicts one class only: {place.named(found, found.__getitem__)}.", tuple(found))


def _at_chance(place: _Place) -> Advice | None:
    """Methods whose balanced accuracy, or the interval of it, is at or below chance.

    What few seeds leave open of the best set, as of its interval, is no reason to avoid it.
    """
    below: dict[str, str] = {}
    reaching: dict[str, str] = {}
    chances = []
    for label in place.ranked:
        cell = place.cell(label)
        chance = _chance(place, label)
        assert cell.mean is not None  # of what is ranked
        if cell.mean <= chance:
            below[label] = place.percent(label)
        elif (
            cell.interval is not None
            and cell.n >= _SEEDS_FOR_INTERVAL
            and label not in place.best_set
        ):
            low, high = cell.interval
            if low <= chance:
                bounds = f"95 % interval {fixed(low)} to {fixed(high)}"
                reaching[label] = f"{place.percent(label)}, {bounds}"
        if label in below or label in reaching:
            chances.append(chance)
    if not chances:
        return None
    level = f"chance ({fixed(statistics.fmean(chances))} %)"
    texts = []
    if below:
        texts.append(f"At or below {level}: {place.named(below, below.__getitem__)}.")
    if reaching:
        names = place.named(reaching, reaching.__getitem__)
        texts.append(f"Not clearly above {level}: {names}.")
    return _said(" ".join(texts), (*below, *reaching))


def _chance(place: _Place, label: str) -> float:
    """That of the runs of a method, mean over them."""
    return statistics.fmean(result.chance for _, result in place.finished(label))


def _rising(place: _Place) -> Advice | None:
    """Methods outside the best set that were still getting better when training ended."""
    return _still_rising(place, [label for label in place.ranked if label not in place.best_set])


def _best_rising(place: _Place) -> Advice | None:
    """The same of the best set, whose lead may only grow by it."""
    return _still_rising(place, place.best_set)


def _still_rising(place: _Place, labels: Sequence[str]) -> Advice | None:
    found: dict[str, str] = {}
    for label in labels:
        # One epoch is the best of one, whatever it does.
        runs = [result for _, result in place.finished(label) if result.trained_epochs > 1]
        last = sum(10 * result.selected_epoch > 9 * result.trained_epochs for result in runs)
        if runs and 2 * last > len(runs):
            found[label] = f"{last} of {counted(len(runs), 'run')}"
    if not found:
        return None
    names = place.named(found, found.__getitem__)
    return _said(
        f"Still improving on validation in the last tenth of the epochs: {names}. Longer training "
        "may help.",
        tuple(found),
    )


def _not_complete(places: Sequence[_Place]) -> list[Advice]:
    """Failed and missing runs of the data set."""
    runs = [run for place in places for label in place.headings for run in place.cell(label).runs]
    failed = [run for run in runs if run.status == "failed"]
    missing = [run for run in runs if run.status == "missing"]
    if not failed and not missing:
        return []
    labels = list(dict.fromkeys(run.method for run in (*failed, *missing)))
    headings = {label: text for place in places for label, text in place.headings.items()}
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    names = ", ".join(headings[label] for label in labels[:_NAMED]) + more
    return [
        _said(
            f"Of {counted(len(runs), 'run')}, {len(failed)} failed and {len(missing)} are missing "
            f"({names}). A method without all its runs on a split is not compared there.",
            tuple(labels),
        )
    ]


def _resolved(place: _Place) -> Advice | None:
    """How many runs there are and how small a difference they can show."""
    runs = place.lead.runs
    if place.leaders is not None:
        seeds = _in_words(runs)
        if place.worse:
            alike = [place.behind[label] for label in place.best_set[1:]]
            least = min(place.worse.values())
            text = f"Over {seeds}, the smallest significant lead is {fixed(least)} points"
            if alike:
                text += f", the largest that is not significant {fixed(max(alike))}"
                if max(alike) > least:
                    text += ": behind by more, but noisier"
            return _said(f"{text}.")
        most = fixed(max(place.behind.values()))
        return _said(f"Over {seeds}, not even the largest lead, {most} points, is significant.")
    if len(place.ranked) < 2:
        once = place.cell(place.best).n == 1
        return _said(f"{_in_words(runs)}: what another gives is not known.") if once else None
    first, second = place.ranked[:2]
    gap = place.gap(first, second)
    if gap is None or gap.pairs > 1:
        return None
    half = fixed((gap.high - gap.low) / 2, 1)
    return _said(
        f"One seed cannot tell which differences are real. Between {place.headings[first]} and "
        f"{place.headings[second]}, other test samples alone would move the difference by up to "
        f"{half} points either way (95 %).",
        (first, second),
    )


def _one_cluster(place: _Place) -> Advice | None:
    """Where all methods share runs, the test of the column has next to no power."""
    leaders = place.leaders
    if leaders is None or all(len(own) < len(leaders.methods) for own in leaders.clusters):
        return None
    return _said(
        "All methods depend on the same runs, so that the test of all together rests on the "
        "noisiest pair alone and hardly finds a difference. Compare two methods instead (command "
        "compare), or add a method of its own."
    )


def _rare(place: _Place) -> Advice | None:
    """How many test samples the rarest classes have, and what these resolve in one run."""
    cell = place.table.cells[place.split, place.column.label, place.best, _TAIL.name]
    bounds = tail_interval(cell)
    if bounds is None:
        return None
    results = [run.result for run in cell.runs if run.result is not None]
    tails = [frequency_groups(np.array(result.train_counts))["tail"] for result in results]
    tail = tails[0]
    half = fixed((bounds[1] - bounds[0]) / 2, 1)
    tested = sorted(
        {int(np.array(of.tested)[own].sum()) for of, own in zip(results, tails, strict=True)}
    )
    samples = counted(tested[-1], "test sample")
    if len(tested) > 1:
        samples = f"{tested[0]:,} to {samples}"
    if len(tail) == 1:
        names = results[0].class_names
        same = all(own[0] == tail[0] for own in tails)
        name = f", {names[tail[0]]}," if names and same else ""
        subject, what = f"The rarest class{name} has {samples}", "its recall"
    else:
        classes = len(results[0].train_counts)
        subject, what = (
            f"The {len(tail)} rarest of {classes:,} classes have {samples} together",
            ("their mean recall"),
        )
    return _said(f"{subject}: in one run {what} is uncertain by ±{half} points (95 %).")


def _disagreement(places: Sequence[_Place]) -> list[Advice]:
    """Splits on which another method is best, or on which the same one does far worse."""
    tested = [place for place in places if place.ranked and place.leaders is not None]
    found = []
    if any(one.best in other.worse for one in tested for other in tested):
        bests = ", ".join(f"{place.headings[place.best]} ({place.split})" for place in tested)
        labels = tuple(dict.fromkeys(place.best for place in tested))
        found.append(_said(f"The splits disagree on the best method: {bests}.", labels))
    if tested:
        found += _other_means(tested, tested[0].best)
    return found


def _other_means(places: Sequence[_Place], label: str) -> list[Advice]:
    """The two splits on which the figures of a method are furthest apart, if intervals are."""
    cells = [(place, place.cell(label)) for place in places if label in place.ranked]
    known = [(place, cell.mean, cell.interval) for place, cell in cells]
    apart = [
        (abs(mean - other), place, another)
        for (place, mean, own), (another, other, its) in combinations(known, 2)
        if mean is not None
        and other is not None
        and own is not None
        and its is not None
        and (own[0] > its[1] or its[0] > own[1])
    ]
    if not apart:
        return []
    gap, place, another = max(apart, key=lambda item: item[0])
    return [
        _said(
            f"{place.headings[label]} has {place.percent(label)} on the {place.split} split and "
            f"{another.percent(label)} on the {another.split} split: {fixed(gap)} points apart, "
            "and their 95 % intervals do not overlap.",
            (label,),
        )
    ]


def _few_steps(place: _Place) -> Advice | None:
    """Networks that were trained for few steps; those that start from another run are left out."""
    steps: dict[str, int] = {}
    for label in place.ranked:
        results = [result for _, result in place.finished(label)]
        if all(one.parameters and one.trained_epochs and not one.requires for one in results):
            steps[label] = max(
                one.trained_epochs * math.ceil(one.parts[0] / one.batch_size) for one in results
            )
    few = {label: count for label, count in steps.items() if count < _FEW_STEPS}
    if not few:
        return None
    counts = sorted(set(few.values()))
    between = f"{counts[0]:,} to {counts[-1]:,}" if len(counts) > 1 else f"{counts[0]:,}"
    whose = "Networks" if len(few) == len(steps) else place.named(few)
    return _said(
        f"{whose} had only {between} training steps (under {_FEW_STEPS:,} is few): more epochs may "
        "change the order.",
        tuple(few),
    )


def _in_words(runs: Sequence[Run]) -> str:
    """``3 seeds``, or ``5 folds of 1 seed``."""
    seeds = counted(len({run.seed for run in runs}), "seed")
    if any(run.fold is not None for run in runs):
        return f"{counted(len(runs), 'run')} over folds of {seeds}"
    return seeds
