from __future__ import annotations

import pytest

from bench.perf.results import Comparison, Results, Row
from bench.perf.spread import Spread, interleaved
from bench.perf.table import in_short, render

STEP = Row(
    "training step",
    "hiv",
    {
        "ours": Spread(0.004, 0.005, 0.006),
        "dgllife + DGL": Spread(0.019, 0.02, 0.0215),
        "PyG": Spread(0.024, 0.025, 0.026),
    },
    "ms",
    batch_size=128,
    floor=0.0025,
)
FEATURISING = Row("featurising", "hiv", {"ours": Spread(0.0004, 0.0005, 0.001)}, "1/s")
JOBS = Comparison(
    "two jobs",
    "hiv",
    "steps/s",
    ("one job", Spread(90, 100, 110)),
    ("two jobs", Spread(180, 195, 200)),
)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.fixture
def results():
    results = Results({"CPU": "a processor"}, ["a remark"])
    for found in (STEP, JOBS, FEATURISING):
        results.add(found)
    return results


def test_markdown_holds_facts_figures_ratios_and_remarks(results):
    facts, contest, comparisons, remarks = render(results, markdown=True).split("\n\n")
    assert facts == "- CPU: a processor"
    head, _, step, featurising = map(cells, contest.splitlines())
    assert head == [
        "what", "data set", "batch", "threads", "unit", "ours", "dgllife + DGL",
        "dgllife + DGL / ours", "PyG", "PyG / ours", "floor", "ours / floor",
    ]  # fmt: skip
    assert step == [
        "training step", "hiv", "128", "1", "ms", "5.00 (4.00–6.00)", "20.0 (19.0–21.5)",
        "4.00x", "25.0 (24.0–26.0)", "5.00x", "2.50", "2.00x",
    ]  # fmt: skip
    # Quartiles of a rate stand in rising order although they fall with rising seconds.
    assert featurising[:6] == ["featurising", "hiv", "", "1", "1/s", "2,000 (1,000–2,500)"]
    assert featurising[6:] == [""] * 6
    assert cells(comparisons.splitlines()[2]) == [
        "two jobs", "hiv", "steps/s", "one job", "100 (90.0–110)", "two jobs", "195 (180–200)",
        "1.95x",
    ]  # fmt: skip
    assert remarks == "- a remark"


def test_a_stack_that_is_absent_has_no_column():
    results = Results({}, [])
    results.add(FEATURISING)
    assert "PyG" not in render(results, markdown=True)


def test_a_terminal_gets_the_same_figures(results):
    text = render(results, markdown=False)
    assert "5.00 (4.00–6.00)" in text
    assert "|" not in text


def test_a_measurement_is_told_in_one_line():
    assert in_short(STEP) == (
        "training step, hiv, batch 128, 1 thread(s) [ms]: ours 5.00 (4.00–6.00); "
        "dgllife + DGL 20.0 (19.0–21.5); PyG 25.0 (24.0–26.0)"
    )
    assert in_short(JOBS) == (
        "two jobs, hiv [steps/s]: one job 100 (90.0–110); two jobs 195 (180–200)"
    )


def test_the_quartiles_of_a_spread_are_interpolated():
    assert Spread.of([4.0, 1.0, 2.0, 3.0]) == Spread(1.75, 2.5, 3.25)
    assert Spread(1.0, 2.0, 4.0).times(0.5) == Spread(0.5, 1.0, 2.0)


def test_contestants_take_turns_and_a_first_turn_is_not_counted():
    calls = []
    tasks = {name: lambda number, name=name: calls.append((number, name)) for name in "ab"}
    assert interleaved(tasks, 3).keys() == {"a", "b"}
    assert calls == [
        (0, "a"), (0, "b"), (0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b"),
    ]  # fmt: skip
