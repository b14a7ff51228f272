"""Results as tables, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from bench.perf.results import OURS, Comparison, Results, Row, Unit
from bench.perf.spread import Spread

_SCALE: dict[Unit, float] = {"ms": 1e3, "s": 1.0}
_NOTHING = ""


def render(results: Results, *, markdown: bool) -> str:
    """All of `results` as text: facts, contestants, our own comparisons, remarks."""
    style = "github" if markdown else "simple"
    facts = [f"{name}: {value}" for name, value in results.facts.items()]
    parts = [_bullets(facts, markdown)]
    if results.rows:
        parts.append(_tabulate(_contest(results.rows), style))
    if results.comparisons:
        parts.append(_tabulate(_comparisons(results), style))
    parts.append(_bullets(results.remarks, markdown))
    return "\n\n".join(parts)


def in_short(found: Row | Comparison) -> str:
    """One measurement in a line."""
    if isinstance(found, Comparison):
        pairs, unit = [found.first, found.second], found.unit
        figures = [f"{title} {_quartiles(spread)}" for title, spread in pairs]
        place = found.dataset
    else:
        unit = found.unit
        figures = [f"{title} {_spread(spread, unit)}" for title, spread in found.spreads.items()]
        batch = "" if found.batch_size is None else f", batch {found.batch_size}"
        place = f"{found.dataset}{batch}, {found.threads} thread(s)"
    return f"{found.what}, {place} [{unit}]: {'; '.join(figures)}"


def _contest(rows: Sequence[Row]) -> list[list[str]]:
    others = list(dict.fromkeys(title for row in rows for title in row.spreads))
    others.remove(OURS)
    headings = ["what", "data set", "batch", "threads", "unit", OURS]
    headings += [heading for title in others for heading in (title, f"{title} / ours")]
    return [headings + ["floor", "ours / floor"], *(_contest_line(row, others) for row in rows)]


def _contest_line(row: Row, others: Sequence[str]) -> list[str]:
    ours = row.spreads[OURS]
    batch = _NOTHING if row.batch_size is None else str(row.batch_size)
    line = [row.what, row.dataset, batch, str(row.threads), row.unit, _spread(ours, row.unit)]
    for title in others:
        spread = row.spreads.get(title)
        line += (
            [_NOTHING, _NOTHING]
            if spread is None
            else [_spread(spread, row.unit), _ratio(spread.median / ours.median)]
        )
    if row.floor is None:
        return [*line, _NOTHING, _NOTHING]
    return [*line, _figure(row.floor * _SCALE[row.unit]), _ratio(ours.median / row.floor)]


def _comparisons(results: Results) -> list[list[str]]:
    lines = [["what", "data set", "unit", "", "first", "", "second", "second / first"]]
    for comparison in results.comparisons:
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
