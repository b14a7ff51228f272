from __future__ import annotations

from dataclasses import replace

import pytest

from bench.perf.results import Comparison, Remark, Results, Row, Shares, WholeJob
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
SHARES = Shares(
    "hiv",
    128,
    {
        "vanilla": {"batch": Spread(0.001, 0.001, 0.001), "forward": Spread(0.003, 0.003, 0.003)},
        "sdr": {
            "batch": Spread(0.001, 0.001, 0.001),
            "views": Spread(0.002, 0.004, 0.006),
            "forward": Spread(0.005, 0.005, 0.005),
        },
    },
)
WHOLE = WholeJob("preset quick", 200.0, 2, 26, 374.0)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.fixture
def results():
    results = Results({"CPU": "a processor"}, ["a remark"])
    for found in (STEP, JOBS, FEATURISING):
        results.add(found)
    return results


def test_markdown_holds_facts_figures_ratios_and_remarks(results):
    facts, comparison, comparisons, remarks = render(results, markdown=True).split("\n\n")
    assert facts == "- CPU: a processor"
    head, _, step, featurising = map(cells, comparison.splitlines())
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


def test_who_is_first_in_the_first_row_is_what_others_are_set_against():
    results = Results({}, [])
    results.add(Row("step", "hiv", {"GPU": Spread.of([0.002]), "CPU": Spread.of([0.01])}, "ms", 8))
    results.add(Row("peak memory", "hiv", {"GPU": Spread.of([5e8])}, "MB", 8))
    head, _, step, memory = map(cells, render(results, markdown=True).strip().splitlines())
    assert head == ["what", "data set", "batch", "threads", "unit", "GPU", "CPU", "CPU / GPU"]
    assert step[5:] == ["2.00 (2.00–2.00)", "10.0 (10.0–10.0)", "5.00x"]
    assert memory[4:] == ["MB", "500 (500–500)", "", ""]


def test_the_floor_is_shown_with_the_library_that_reaches_it():
    results = Results({}, [])
    results.add(replace(STEP, floor_by="oneDNN"))
    line = cells(render(results, markdown=True).strip().splitlines()[2])
    assert line[-2:] == ["2.50, oneDNN", "2.00x"]


def test_parts_of_a_step_have_their_shares_and_add_up():
    results = Results({}, [])
    results.add(SHARES)
    lines = render(results, markdown=True).strip().splitlines()
    assert [cells(line) for line in lines[:1] + lines[2:]] == [
        ["part of a step, hiv, batch 128", "vanilla, ms", "share", "sdr, ms", "share"],
        ["batch", "1.00 (1.00–1.00)", "25 %", "1.00 (1.00–1.00)", "10 %"],
        ["views", "", "", "4.00 (2.00–6.00)", "40 %"],
        ["forward", "3.00 (3.00–3.00)", "75 %", "5.00 (5.00–5.00)", "50 %"],
        ["all", "4.00", "", "10.0", ""],
    ]
    assert in_short(SHARES) == (
        "parts of a step, hiv, batch 128 [ms]: vanilla batch 1.00, forward 3.00; "
        "sdr batch 1.00, views 4.00, forward 5.00"
    )


def test_a_whole_job_and_what_is_said_of_it():
    results = Results({}, ["a remark"])
    results.add(WHOLE)
    results.add(Remark("another"))
    _, table, remarks = render(results, markdown=True).split("\n\n")
    assert cells(table.splitlines()[2]) == ["preset quick", "200", "2", "26", "374", "1.00"]
    assert remarks == "- a remark\n- another"
    assert in_short(WHOLE) == "preset quick [s]: 26 runs, 200"
    assert in_short(Remark("another")) == "another"


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


def test_backends_take_turns_and_a_first_turn_is_not_counted():
    calls = []
    tasks = {name: lambda number, name=name: calls.append((number, name)) for name in "ab"}
    assert interleaved(tasks, 3).keys() == {"a", "b"}
    assert calls == [
        (0, "a"), (0, "b"), (0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b"),
    ]  # fmt: skip
