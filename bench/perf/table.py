"""Results as tables, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from bench.perf.results import (
    Comparison,
    Finding,
    Remark,
    Results,
    Row,
    Shares,
    Unit,
    WholeJob,
)
from bench.perf.spread import Spread

_SCALE: dict[Unit, float] = {"ms": 1e3, "s": 1.0, "MB": 1e-6}
_NOTHING = ""


def render(results: Results, *, markdown: bool) -> str:
    """All of `results` as text: facts, a table of each kind of finding, remarks."""
    facts = [f"{name}: {value}" for name, value in results.facts.items()]
    found = results.found
    tables = [
        _comparison([each for each in found if isinstance(each, Row)]),
        _comparisons([each for each in found if isinstance(each, Comparison)]),
        *(_shares(each) for each in found if isinstance(each, Shares)),
        _whole_jobs([each for each in found if isinstance(each, WholeJob)]),
    ]
    style = "github" if markdown else "simple"
    shown = [_tabulate(lines, style) for lines in tables if lines]
    texts = [_bullets(facts, markdown), *shown, _bullets(results.remarks, markdown)]
    return "\n\n".join(texts)


def in_short(found: Finding) -> str:
    """One measurement in a line."""
    if isinstance(found, Remark):
        return found.text
    if isinstance(found, Comparison):
        figures = [f"{title} {_quartiles(spread)}" for title, spread in (found.first, found.second)]
        place, unit = f"{found.what}, {found.dataset}", found.unit
    elif isinstance(found, Row):
        unit = found.unit
        figures = [f"{title} {_spread(spread, unit)}" for title, spread in found.spreads.items()]
        batch = "" if found.batch_size is None else f", batch {found.batch_size}"
        place = f"{found.what}, {found.dataset}{batch}, {found.threads} thread(s)"
    elif isinstance(found, Shares):
        place, unit = f"parts of a step, {found.dataset}, batch {found.batch_size}", "ms"
        figures = [
            f"{title} {', '.join(f'{part} {_figure(each.median * 1e3)}' for part, each in parts)}"
            for title, parts in ((title, by.items()) for title, by in found.methods.items())
        ]
    else:
        place, unit = found.what, "s"
        figures = [f"{found.runs} runs, {_figure(found.seconds)}"]
    return f"{place} [{unit}]: {'; '.join(figures)}"


def _comparison(rows: Sequence[Row]) -> list[list[str]]:
    """Every other backend is set against the first of the first row."""
    if not rows:
        return []
    first, *others = dict.fromkeys(title for row in rows for title in row.spreads)
    headings = ["what", "data set", "batch", "threads", "unit", first]
    headings += [heading for title in others for heading in (title, f"{title} / {first}")]
    floor = ["floor", f"{first} / floor"] if any(row.floor for row in rows) else []
    return [
        [*headings, *floor],
        *(_compared(row, first, others, bool(floor)) for row in rows),
    ]


def _compared(row: Row, first: str, others: Sequence[str], floor: bool) -> list[str]:
    reference = row.spreads[first]
    batch = _NOTHING if row.batch_size is None else str(row.batch_size)
    line = [row.what, row.dataset, batch, str(row.threads), row.unit, _spread(reference, row.unit)]
    for title in others:
        spread = row.spreads.get(title)
        line += (
            [_NOTHING, _NOTHING]
            if spread is None
            else [_spread(spread, row.unit), _ratio(spread.median / reference.median)]
        )
    if not floor:
        return line
    if row.floor is None:
        return [*line, _NOTHING, _NOTHING]
    figure = _figure(row.floor * _SCALE[row.unit])
    by = f", {row.floor_by}" if row.floor_by else ""
    return [*line, f"{figure}{by}", _ratio(reference.median / row.floor)]


def _shares(found: Shares) -> list[list[str]]:
    """Parts of a step in the order in which they begin, and all together."""
    headings = [f"part of a step, {found.dataset}, batch {found.batch_size}"]
    headings += [heading for title in found.methods for heading in (f"{title}, ms", "share")]
    wholes = [sum(part.median for part in parts.values()) for parts in found.methods.values()]
    # In the order of the method that has the most.
    longest = max(found.methods.values(), key=len)
    lines = [headings]
    for part in longest:
        line = [part]
        for parts, whole in zip(found.methods.values(), wholes, strict=True):
            spread = parts.get(part)
            line += (
                [_NOTHING, _NOTHING]
                if spread is None
                else [_spread(spread, "ms"), f"{100 * spread.median / whole:.0f} %"]
            )
        lines.append(line)
    return [*lines, ["all", *(cell for whole in wholes for cell in (_figure(whole * 1e3), ""))]]


def _whole_jobs(found: Sequence[WholeJob]) -> list[list[str]]:
    if not found:
        return []
    headings = ["whole job", "wall, s", "side by side", "runs", "all runs, s"]
    lines = [
        [
            job.what,
            _figure(job.seconds),
            str(job.side_by_side),
            str(job.runs),
            _figure(job.run_seconds),
            _figure(job.beyond_runs),
        ]
        for job in found
    ]
    return [[*headings, "beyond it, s of a core a run"], *lines]


def _comparisons(found: Sequence[Comparison]) -> list[list[str]]:
    if not found:
        return []
    lines = [["what", "data set", "unit", "", "first", "", "second", "second / first"]]
    for comparison in found:
        (first, first_spread), (second, second_spread) = comparison.first, comparison.second
        figures = [first, _quartiles(first_spread), second, _quartiles(second_spread)]
        lines.append(
            [comparison.what, comparison.dataset, comparison.unit, *figures]
            + [_ratio(comparison.ratio)]
        )
    return lines


def _spread(seconds: Spread, unit: Unit) -> str:
    if unit == "1/s":
        return _quartiles(Spread(1 / seconds.upper, 1 / seconds.median, 1 / seconds.lower))
    return _quartiles(seconds.times(_SCALE[unit]))


def _quartiles(spread: Spread) -> str:
    return f"{_figure(spread.median)} ({_figure(spread.lower)}–{_figure(spread.upper)})"


def _ratio(ratio: float) -> str:
    return f"{_figure(ratio)}x"


def _figure(value: float) -> str:
    """Three significant figures, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:#.3g}"


def _tabulate(lines: list[list[str]], style: str) -> str:
    # Figures keep the digits they were given.
    return tabulate(lines, headers="firstrow", tablefmt=style, disable_numparse=True)


def _bullets(lines: Sequence[str], markdown: bool) -> str:
    return "\n".join(f"- {line}" if markdown else line for line in lines)
