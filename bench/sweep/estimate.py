"""How long the runs to do will take, in words and in seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from bench.sweep.costs import BASES, Costs
from bench.sweep.plan import Job

# What no record counts, as its clock starts later: the process of a run, and the command with the
# server of its runs. `python -m bench.perf --whole-jobs` measures them together.
_RUN_STARTS, _COMMAND_STARTS = 1.0, 5.0


def estimate(jobs: Sequence[Job], costs: Costs, side_by_side: int, unlisted: int = 0) -> str:
    """The time `jobs` will take and, line by line, what that rests on and how sure it is.

    The start of every run's process and of the command is in it.

    `unlisted` counts runs whose data set is not here yet.
    """
    known = [(job, cost) for job in jobs if (cost := costs.of(job)) is not None]
    unknown = len(jobs) - len(known) + unlisted
    if not known:
        if unlisted:
            return "not known before the data files are here"
        return "nothing to do" if unknown == 0 else "not known before a first run is done"
    seconds = makespan([_RUN_STARTS + cost.seconds for _, cost in known], side_by_side)
    text = "about " + in_words(_COMMAND_STARTS + seconds)
    if unknown:
        text += f" ({_counted(unknown, 'run')} of no known cost not counted)"
    lines = [f"{text}, from"]
    counts = Counter(cost.basis for _, cost in known)
    for basis in BASES:
        if basis in counts:
            epochs = max(job.training.epochs for job, cost in known if cost.basis == basis)
            lines.append(
                f"  {basis}: {_counted(counts[basis], 'run')}, {_trust(costs, basis, epochs)}"
            )
    return "\n".join(lines)


def makespan(seconds: Sequence[float], side_by_side: int) -> float:
    """Seconds until all are done when none waits for another: even shares, or the longest."""
    return max(sum(seconds) / side_by_side, max(seconds, default=0.0))


def time_left(
    waiting: Sequence[float | None], running: Sequence[float | None], side_by_side: int
) -> float | None:
    """Seconds until a sweep ends, or None when no cost is known; an unknown one counts as a mean.

    Parameters
    ----------
    waiting : sequence of float or None
        Seconds of runs that have not begun.
    running : sequence of float or None
        Seconds that are left of those that have.
    side_by_side : int
    """
    typical = [s for s in waiting if s is not None] or [s for s in running if s is not None]
    if not typical:
        return None
    mean = fmean(typical)
    return makespan([mean if s is None else s for s in (*waiting, *running)], side_by_side)


def in_words(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


def _trust(costs: Costs, basis: str, epochs: int) -> str:
    error, checks = costs.typical_error(basis, epochs)
    if not checks:
        return "not checked"
    finished = _counted(checks, "finished run")
    return f"off by {100 * error:.0f} % in the median, compared with {finished}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
