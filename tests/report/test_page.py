"""The page says what the records say, as text and never as markup, and asks for nothing."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import zlib
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.plain_text import visible
from bench.report.document.numbers import fixed
from bench.report.figures import Picture
from bench.report.html import write, write_page
from bench.report.html.audit import environments, split_lines
from bench.report.html.chart import chart_of
from bench.report.html.details import details_json
from bench.report.html.differences import packed_gaps
from bench.report.html.libraries import packed_libraries
from bench.report.html.overview import overviews
from bench.report.html.results import gap_in_words, places_of
from bench.report.model.best_sets import best_sets
from bench.report.model.published import published
from bench.report.model.verdict import verdicts
from bench.report.writers.csv_files import table2_csv
from bench.statistics import Difference
from tests.report.report_records import (
    lines_of,
    make_grid,
    make_job,
    make_plan,
    make_record,
    predictions_of,
    source_of,
)
from tests.report.test_report_golden import sweep

GOLDEN = Path(__file__).parents[1] / "golden" / "page" / "report.html"
NASTY = "</script x><!--<script>window.broken=1</script><img src=x onerror=window.broken=1>&\"'"


class Elements(HTMLParser):
    """Elements with their attributes, and the text of scripts by id."""

    def __init__(self, text):
        super().__init__()
        self.found, self.scripts, self._open = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._open = dict(attrs).get("id") if tag == "script" else None

    def handle_data(self, data):
        if self._open:
            self.scripts[self._open] = self.scripts.get(self._open, "") + data

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]

    def unpacked(self, name):
        return zlib.decompress(base64.b64decode(self.scripts[f"packed-{name}"])).decode()

    @property
    def details(self):
        return json.loads(self.unpacked("details"))


@pytest.fixture
def no_libraries(monkeypatch):
    """The page without its two megabytes of foreign scripts."""
    monkeypatch.setattr(write, "packed_libraries", dict)


def page_of(jobs, records=None, failures=None):
    records = [make_record(job) for job in jobs] if records is None else records
    source = source_of(make_plan(jobs), records, failures or {})
    return write.page(source, predictions_of(records))


@pytest.mark.fault(52)
def test_page_equals_the_golden_file_byte_for_byte(no_libraries, monkeypatch, tmp_path):
    # How it is packed depends on the version of zlib.
    monkeypatch.setattr(write, "pack", lambda content: f"{len(content)} bytes")
    source = source_of(*sweep())
    write_page(tmp_path / "report.html", source, predictions_of(source.records.values()), [])
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_bytes((tmp_path / "report.html").read_bytes())
    assert (tmp_path / "report.html").read_bytes() == GOLDEN.read_bytes()


@pytest.mark.fault(53)
def test_names_and_reasons_are_escaped(no_libraries):
    plain = [make_job(method="mine"), make_job(method="mine", seed=1)]
    nasty = [{**job, "title": NASTY} for job in plain]
    failures = {plain[1]["job_id"]: {"reason": NASTY}}
    record = make_record(plain[0])
    expected = Elements(page_of(plain, [record], failures))
    record["data"]["class_names"] = [NASTY, "1"]
    record["data"]["file"] = NASTY
    got = Elements(page_of(nasty, [record], failures))
    assert [tag for tag, _ in got.found] == [tag for tag, _ in expected.found]
    # A browser ends a script at more than the parser of the tests knows of.
    assert not {"<", ">", "&"} & set("".join(got.scripts.values()))
    assert got.details["cells"]["c0"]["method"] == NASTY
    assert got.details["classes"]["hiv"][0] == NASTY


@pytest.mark.fault(53)
def test_nothing_is_loaded_from_anywhere():
    elements = Elements(page_of([make_job()]))
    for tag, attributes in elements.found:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)
    style = (Path(write.__file__).parent / "templates" / "page.css").read_text()
    assert not re.search(r"url\((?!\"#)|@import", style)
    policies = [meta["content"] for meta in elements.all("meta") if "http-equiv" in meta]
    assert policies[0].startswith("default-src 'none'")
    assert "http" not in policies[0]


def test_libraries_unpack_to_the_files_of_their_packages():
    import plotly

    def unpacked(name):
        return zlib.decompress(base64.b64decode(packed_libraries()[name]))

    bundle = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    assert unpacked("plots") == bundle.read_bytes()


def test_tables_have_captions_and_scopes(no_libraries):
    elements = Elements(page_of(make_grid()))
    assert len(elements.all("table")) == len(elements.all("caption"))
    assert all(heading.get("scope") in ("col", "row") for heading in elements.all("th"))
    assert all("aria-label" in b for b in elements.all("button") if "data-cell" in b)
    assert all(p.get("tabindex") == "0" for p in elements.all("div") if p.get("class") == "scroll")


def test_a_single_run_is_not_counted_in_the_plural(no_libraries):
    text = page_of([make_job()])
    assert ">1 run planned: 1 complete" in text
    assert "<h3>1 run</h3>" in text
    assert "over n = 1 run, in percent" in text


def test_rows_left_out_are_not_called_unusable(no_libraries):
    text = page_of([make_job()])
    assert ">Rows left out<" in text
    assert "nusable" not in text


def test_states_are_told_apart_in_words_and_signs(no_libraries):
    jobs = make_grid(methods=("vanilla", "cb", "ib", "cdt"), seeds=(0, 1))
    jobs.append(make_job("chembl_ki"))
    failures = {job["job_id"]: {"reason": "ran out"} for job in jobs if job["method"] == "cb"}
    done = [
        make_record(job)
        for job in jobs
        if job["method"] == "vanilla" or (job["method"], job["seed"]) == ("ib", 0)
    ]
    text = page_of(jobs, done, failures)
    assert '<span class="state complete">● 2/2 runs</span>' in text
    assert '<span class="state failed">✕ failed 0/2 runs</span>' in text
    assert '<span class="state incomplete">◐ 1/2 runs</span>' in text
    assert '<span class="state missing">○ missing 0/2 runs</span>' in text
    assert "<i>71.89</i>" in text
    assert 'class="unseen">not</span> SBAP</span>' in text
    assert "ran out" in text


def test_details_hold_figures_with_wilson_intervals(no_libraries):
    record = make_record(make_job(), [[45, 45], [18, 12]])
    content = Elements(page_of([make_job()], [record])).details
    (run,) = content["cells"]["c0"]["runs"]
    assert run["figures"][:2] == [45.0, 44.86]  # mean of 2 x .5 / 2.1 and 2 x .4 / 1.9
    assert run["perClass"][1] == [210, 30, 40.0, 24.6, 57.7]
    assert run["confusion"] == [[45, 45], [18, 12]]
    assert run["history"]["score"] == [50.0] * 10
    assert content["facts"][run["settings"]]["method"] == "vanilla (version 1)"
    assert run["own"]["job id"] == record["job_id"]


def test_figures_are_rounded_once_to_what_tables_print(no_libraries):
    # 69.56521739 percent: 69.565 would become 69.56 in the script of the page.
    record = make_record(make_job(), [[16, 7], [7, 16]])
    content = Elements(page_of([make_job()], [record])).details
    assert content["cells"]["c0"]["runs"][0]["figures"][0] == 69.57
    assert fixed(100 * record["metrics"]["balanced_accuracy"]) == "69.57"


def test_runs_share_settings_and_provenance(no_libraries):
    content = Elements(page_of(make_grid())).details
    assert len(content["facts"]) == 2


def test_findings_name_small_and_absent_classes():
    record = make_record(make_job(), [[90, 0], [6, 6]])
    record["data"]["valid_counts"] = [90, 0]
    (line,) = split_lines(source_of(make_plan([make_job()]), [record], {}))
    assert line.smallest == (84, 0, 12)
    assert line.findings == (
        "No sample in the validation set: 1.",
        "1 class has fewer than 30 test samples: read its interval.",
    )


def test_environments_are_counted():
    jobs = make_grid()
    records = [make_record(job) for job in jobs]
    records[0]["provenance"] = {
        "device": "cuda",
        "packages": {"torch": "2"},
        "code": {"commit": "abc", "dirty": True},
    }
    many, one = environments(source_of(make_plan(jobs), records, {}))
    assert (many.runs, one.runs) == (2, 1)
    assert dict(one.facts)["code"] == "abc and changes on top"


@pytest.mark.parametrize("count", [0, 1, 60])
def test_any_number_of_methods_makes_a_page(no_libraries, count):
    jobs = [make_job(method=f"m{i:03d}") for i in range(count)]
    assert page_of(jobs).count("data-cell=") == 2 * count


def test_long_sweep_stays_below_four_megabytes():
    jobs = make_grid(
        ("hiv", "uspto_50k"), ("random", "standard"), [f"m{i}" for i in range(15)], (0, 1, 2)
    )
    records = [make_record(job) for job in jobs]
    for record in records:
        record["job"]["training"]["epochs"] = 200
        record["history"] = [
            {
                "epoch": e,
                "train_loss": 1 / (3 * e),
                "valid_balanced_accuracy": 1 - 1 / (e + 7),
                "seconds": 1.0,
            }
            for e in range(1, 201)
        ]
    assert len(page_of(jobs, records).encode()) < 4e6


def headings(text):
    """Those of the tables of results."""
    return re.findall(r'<button type="button" class="sort">([^<]*)', text)


def test_columns_sections_and_marks_are_only_where_they_apply(no_libraries):
    own = page_of([make_job(dataset="csv", dataset_label="mine", method=m) for m in ("cb", "sdr")])
    assert headings(own) == [
        *("Method", "Balanced accuracy", "recall, 1 (rare)", "recall, 0 (frequent)"),
        *("minus cb", "Balanced F1", "time"),
    ]
    for absent in ("paper", "≠", "tablist", "Ranks", "Failed and missing", "runs differ"):
        assert absent not in read_on(own), absent
    beside = page_of([make_job(method=name) for name in ("cb", "sdr")])
    assert headings(beside).count("paper") == 2
    assert "published in the paper" in beside
    several = page_of(make_grid(("hiv", "chembl_ki"), methods=("cb", "sdr")))
    assert several.count('role="tab"') == several.count('role="tabpanel"') == 2
    assert "Ranks over data sets" in several


def read_on(text):
    """What is read on the page, but for its notes and what methods say of themselves."""
    body = text[text.index("<body>") : text.index('id="methods"')]
    return re.sub(r"<[^>]*>", " ", body)


def grid_of(values):
    """The source of vanilla, cb and sdr; `values` are right ones of 90 and 30 by method, seed."""
    jobs = make_grid(methods=tuple(values), seeds=(0, 1, 2))
    records = [
        make_record(job, [[a, 90 - a], [30 - b, b]])
        for job in jobs
        for a, b in [values[job["method"]][job["seed"]]]
    ]
    return source_of(make_plan(jobs), records, {}), predictions_of(records)


VALUES = {
    "vanilla": [(90, 0), (90, 0), (90, 0)],  # 50, 50, 50
    "cb": [(81, 24), (72, 27), (90, 21)],  # 85, 85, 85
    "sdr": [(45, 15), (81, 15), (54, 15)],  # 50, 70, 55
}


def test_the_best_is_first_and_differences_are_to_vanilla():
    [place] = places_of(*grid_of(VALUES))
    assert [line.heading for line in place.lines] == ["cb", "sdr", "vanilla"]
    assert place.baseline.label == "vanilla"
    means = [None if line.gap is None else line.gap.mean for line in place.lines]
    assert means == [pytest.approx(35), pytest.approx(25 / 3), None]
    assert place.lines[2].compared(place.baseline) == "baseline"
    assert place.lines[0].compared(place.baseline).startswith("+35.00 [+")
    assert place.lines[0].compared(place.baseline).endswith("▲")
    # Frequent: 90, 80 and 100 %; rare: 80, 90 and 70 %.
    assert [recall.value for recall in place.lines[0].recalls] == pytest.approx([90, 80])


def test_differences_are_those_of_python_in_both_directions():
    from bench.report.html.differences import gap
    from bench.report.model.paired_cells import gap_over_seeds
    from bench.report.model.sampling_variance import covariance_from

    source, predictions = grid_of(VALUES)
    [place] = places_of(source, predictions)
    covariance = covariance_from(predictions)
    for i, one in enumerate(place.rows):
        for j, other in enumerate(place.rows):
            if i != j:
                expected = gap_over_seeds(
                    source.table, "random", place.column, one.label, other.label, covariance
                )
                found = gap(place.gaps, i, j)
                assert (found.mean, found.low, found.high) == pytest.approx(
                    (expected.mean, expected.low, expected.high)
                )


def test_an_end_that_rounds_to_0_keeps_its_mark():
    near = Difference(1.2, 0.004, 2.4, pairs=3)
    assert gap_in_words(near).endswith("▲")
    assert gap_in_words(near.reversed).endswith("▼")
    packed = packed_gaps({(0, 1): near, (0, 2): near.reversed}, [0, 1, 2])
    assert packed["gaps"] == [[1.2, 0.0, 2.4, 3, 1], [-1.2, -2.4, 0.0, 3, -1], None]


def test_one_seed_says_so_and_has_no_mark(no_libraries):
    jobs = make_grid(methods=("vanilla", "cb"), seeds=(0,))
    text = page_of(jobs, [make_record(j, [[80, 10], [5, 25]]) for j in jobs[:1]]
                   + [make_record(jobs[1], [[10, 80], [25, 5]])])  # fmt: skip
    table = text[text.index('class="results"') :]
    assert "one seed</td>" in table[: table.index("</table>")]
    assert "▲" not in table[: table.index("</table>")]


def test_without_vanilla_the_baseline_is_the_first_control():
    jobs = [
        make_job(method="cb"),
        make_job(method="plain", group="control"),
        make_job(method="mine", group="extension"),
    ]
    records = [make_record(job) for job in jobs]
    [place] = places_of(source_of(make_plan(jobs), records, {}), predictions_of(records))
    assert place.baseline.label == "plain"


def test_table_and_chart_agree_with_the_csv(no_libraries):
    source = source_of(*sweep())
    text = write.page(source, predictions_of(source.records.values()))
    stored = Elements(text).unpacked("csv")
    assert stored == table2_csv(source.table)
    means = {
        (row["split"], row["dataset"], row["method"]): row["mean"]
        for row in csv.DictReader(io.StringIO(stored))
        if row["metric"] == "balanced_accuracy"
    }
    lines = lines_of(source)
    assert len(lines) == len(means)
    for line in lines:
        mean = means[line.split, line.dataset, line.row.label]
        assert line.cell.mean == (pytest.approx(float(mean)) if mean else None)
        assert f'data-order="{-1 if line.cell.mean is None else line.cell.mean}"' in text
    for place in places_of(source):
        for mark in chart_of(place).marks:
            expected = means[place.split, place.column.label, mark.line.row.label]
            assert mark.says.startswith(
                f"{float(expected):.2f} " if expected else "no complete run"
            )


@pytest.fixture(scope="module")
def judged():
    """Two splits with a verdict; sdr is the best of the random one."""
    jobs = make_grid(splits=("random", "standard"), methods=("vanilla", "cb", "sdr"))
    jobs = [{**job, "title": NASTY} if job["method"] == "cb" else job for job in jobs]
    right = {"vanilla": (90, 3), "cb": (81, 12), "sdr": (85, 24)}
    records = [
        make_record(job, [[a - seed, 90 - a + seed], [30 - b, b]])
        for job in jobs
        for a, b in [right[job["method"]]]
        for seed in [job["seed"]]
    ]
    predictions = predictions_of(records)
    source = source_of(make_plan(jobs), records, {})
    table = replace(source.table, leaders=best_sets(source.table, predictions))
    table = replace(table, verdicts=tuple(verdicts(table, predictions)))
    return replace(source, table=table), predictions


def test_the_verdict_stands_beside_the_chart_of_its_split(no_libraries, judged):
    source, predictions = judged
    text = write.page(source, predictions)
    [verdict] = source.table.verdicts
    said = unescape(re.sub(r"</?b>", "", text))
    where = {
        split: said.index(f'<h3 class="split">{split} split') for split in ("Random", "Standard")
    }
    assert verdict.use
    assert verdict.trust
    for heading, advice in verdict.parts:
        assert f"<dt>{heading}</dt>" in text
        for one in advice:
            for sentence in one.sentences:
                place = said.index(f"<p>{sentence}</p>")
                if one.split == "random":
                    assert where["Random"] < place < where["Standard"]
                elif one.split == "standard":
                    assert where["Standard"] < said.rindex(sentence)
                else:
                    assert place < where["Random"]


def test_what_was_published_higher_stands_beside_the_chart_of_its_split(no_libraries):
    jobs = [make_job(method=name) for name in ("vanilla", "cb", "my")]
    text = page_of(jobs, [make_record(job, [[90, 10], [20, 30]]) for job in jobs])  # 75 %
    said = "The paper (arXiv 2504.04647) is higher for"
    # Published: 71.89 and 73.12.
    assert "<dt>Published higher</dt>" in text
    assert f"{said} none of 2 methods.</p>" in text
    text = page_of(jobs, [make_record(job, [[90, 10], [26, 24]]) for job in jobs])  # 69 %
    assert f"{said} 2 of 2 methods, in points: cb 4.12, vanilla 2.89.</p>" in text


def test_points_to_the_best_stand_beside_each_mean():
    """Means 85, 58.33 and 50."""
    marks = chart_of(places_of(grid_of(VALUES)[0])[0]).marks
    assert [mark.behind for mark in marks] == ["", "-26.7", "-35.0"]


def test_methods_and_their_categories_are_explained(no_libraries):
    jobs = [make_job(method=name) for name in ("balanced_softmax", "ecfp_forest", "gone")]
    text = page_of(jobs)
    assert "Balanced softmax" not in text  # only the code names it so
    assert "<code>balanced_softmax</code> Trains the softmax under the training prior" in text
    assert "<code>gone</code> </dd>" in text


def test_verdict_chart_and_table_name_the_same_best_as_the_csv(judged):
    source, predictions = judged
    rows = [
        row
        for row in csv.DictReader(io.StringIO(table2_csv(source.table)))
        if row["metric"] == "balanced_accuracy" and row["split"] == "random"
    ]
    best = max(rows, key=lambda row: float(row["mean"]))
    place = places_of(source, predictions)[0]
    [verdict] = source.table.verdicts
    assert place.lines[0].row.label == best["method"] == verdict.use[0].methods[0] == "sdr"
    assert place.lines[0].figures[0].best
    assert f"{float(best['mean']):.2f} %" in verdict.use[0].text
    assert chart_of(place).marks[0].says.startswith(f"{float(best['mean']):.2f} percent")


def test_a_mean_that_is_not_compared_is_not_called_the_highest():
    """Means of sdr, which lacks a run, are above those of cb, the best of those compared."""
    source, predictions = grid_of({**VALUES, "sdr": [(90, 30)] * 3})
    [sdr] = [run for run in source.table.runs if (run.method, run.seed) == ("sdr", 2)]
    jobs = make_grid(methods=VALUES)
    records = [record for job_id, record in source.records.items() if job_id != sdr.job_id]
    leaders = best_sets(source_of(make_plan(jobs), records, {}).table, predictions)
    source = source_of(make_plan(jobs), records, {}, leaders)
    places = places_of(source)
    [overview] = overviews(source, places, (), "results")
    assert overview.best == {"cb": "random, of the methods compared on 3 shared seeds"}
    assert [says for says, _ in overview.commands[-2:]] == [
        "List the test samples that cb missed on the random split (seed 0)",
        "Predict new molecules, new.csv with the column smiles: train a final model like cb once, "
        "then predict with it",
    ]
    assert [mark.behind for mark in chart_of(places[0]).marks] == ["+15.0", "", "-35.0"]


def test_the_chart_is_on_one_scale():
    """Means 85, 58.33 and 50 of vanilla: the scale runs from below 50 to above 85."""
    source, _ = grid_of(VALUES)
    chart = chart_of(places_of(source)[0])
    dots = [mark.dot for mark in chart.marks]
    ticks = {float(text): at for at, text in chart.ticks}
    scale = (ticks[80] - ticks[60]) / 20
    assert dots[0] - dots[1] == pytest.approx((85 - 175 / 3) * scale, abs=0.1)
    assert dots[2] == pytest.approx(chart.chance, abs=0.01)
    assert chart.chance_says == "50.0"
    assert all(0 <= at <= 100 for mark in chart.marks for at in mark.runs)
    paper = published().figures["random", "vanilla", "hiv", "balanced_accuracy"]
    assert chart.marks[2].published == pytest.approx(dots[2] + (paper - 50) * scale, abs=0.1)
    # That of sdr, from 32.5 to 84.2, is in the scale; vanilla and cb have no spread.
    assert [mark.whisker is None for mark in chart.marks] == [True, False, True]
    assert chart.marks[1].whisker.low == pytest.approx(dots[2] + (32.477 - 50) * scale, abs=0.1)
    assert not chart.marks[1].whisker.cut_low


def test_an_interval_much_wider_than_all_dots_is_cut():
    """Values 48 and 52 have an interval from 24.6 to 75.4; the scale is narrower."""
    jobs = make_grid(methods=("cb",), seeds=(0, 1), datasets=("mine",))
    records = [
        make_record(jobs[0], [[48, 52], [52, 48]]),
        make_record(jobs[1], [[52, 48], [48, 52]]),
    ]
    [mark] = chart_of(places_of(source_of(make_plan(jobs), records, {}))[0]).marks
    assert mark.whisker.low == 0.0
    assert mark.whisker.high == 100.0
    assert mark.whisker.cut_low
    assert mark.whisker.cut_high


def test_the_key_names_the_marks_that_are_drawn(judged):
    source, _ = judged

    def key(source, tested):
        places = places_of(source)
        return [mark for mark, _ in overviews(source, places, [], "results")[0].key_of_dots(tested)]

    assert key(source, tested=True) == ["best", "other", "run"]
    jobs = make_grid(methods=("vanilla", "cb"), seeds=(0,))
    records = [make_record(job) for job in jobs]
    nothing_bold = source_of(make_plan(jobs), records, {}, {})
    assert key(nothing_bold, tested=True) == ["other"]
    assert key(source_of(make_plan(jobs), [], {}), tested=True) == []


def test_libraries_without_a_version_are_not_listed(no_libraries):
    record = make_record(make_job())
    record["provenance"]["packages"] = {"torch": "2.1", "chemprop": None}
    text = page_of([make_job()], [record])
    assert "<dd>torch 2.1</dd>" in text
    assert "chemprop" not in json.dumps(Elements(text).details)


def test_a_method_without_epochs_lists_no_encoder_and_no_learning_rate(no_libraries):
    record = make_record(make_job())
    record["job"]["backbones"] = {
        "molecule": {"name": "gcn", "label": "gcn", "version": 3, "options": {}}
    }
    for history, shown in (([], False), (record["history"], True)):
        record["history"] = history
        record["selection"]["epoch"] = 7 if history else 0
        source = source_of(make_plan([make_job()]), [record], {})
        content = json.loads(details_json(source, lines_of(source), "results"))
        settings = content["facts"][content["cells"]["c0"]["runs"][0]["settings"]]
        assert ("learning rate" in settings) is shown
        assert ("encoder of molecule" in settings) is shown


@pytest.mark.parametrize(("left_out", "seconds"), [([], 24.5), (["vanilla"], None)])
def test_a_run_costs_what_the_runs_that_it_depends_on_cost_too(left_out, seconds):
    jobs = make_grid(methods=("vanilla", "dive"), seeds=(0,))
    records = [make_record(job) for job in jobs]
    records[1]["job"]["requires"] = {"vanilla": jobs[0]["job_id"]}
    found = [record for record in records if record["job"]["method"]["name"] not in left_out]
    source = source_of(make_plan(jobs), found, {})
    cells = json.loads(details_json(source, lines_of(source), "results"))["cells"].values()
    shown = next(cell["runs"][0] for cell in cells if cell["label"] == "dive")
    assert shown["seconds"] == seconds


def test_pictures_are_packed_and_are_by_their_data_set(no_libraries):
    jobs = make_grid(("hiv", "chembl_ki"), methods=("vanilla", "cb"), seeds=(0,))
    records = [make_record(job) for job in jobs]
    source = source_of(make_plan(jobs), records, {})
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    pictures = [
        Picture(name, name, {"svg": svg})
        for name in ("groups_random_hiv", "groups_random_chembl_ki", "cost_random")
    ]
    text = write.page(source, predictions_of(records), pictures)
    assert Elements(text).unpacked("picture-cost_random") == svg.decode()
    where = [text.index(f'data-picture="picture-{picture.name}"') for picture in pictures]
    assert text.index('id="d0"') < where[0] < text.index('id="d1"') < where[1]
    assert text.index('id="pictures"') < where[2]


def test_no_retired_word_is_on_the_page():
    """But for the notes, which tables have in common."""
    templates = Path(write.__file__).parent / "templates"
    said = (templates / "page.html").read_text() + (templates / "page.js").read_text()
    retired = r"\bholes?\b|\bcannot be told|test part|stand-ins? |in the place of|\bBF1\b"
    assert re.findall(retired, re.sub(r"\{[%#].*?[%#]\}", "", said)) == []


def test_control_characters_and_marks_of_direction_are_shown_as_codes(no_libraries):
    job = make_job(title="\x1b[2J\u202eevil", dataset="hiv[\u2066]")
    record = make_record(job)
    record["data"]["class_names"] = ["a\x07", "b\u202e"]
    text = page_of([job], [record])
    details = Elements(text).details
    assert visible(text) == text
    assert list(details["classes"].values()) == [["a\\x07", "b\\u202e"]]
    assert details["cells"]["c0"]["method"] == "\\x1b[2J\\u202eevil"


def test_commands_name_the_folder_and_what_a_file_to_predict_needs():
    source = source_of(make_plan([make_job()]), [make_record(make_job())], {})
    [view] = overviews(source, places_of(source), [], "my results")
    fit = next(text for _, text in view.commands if " fit " in text)
    assert "--out 'my results' --to best_model\npython run_bench.py predict best_model" in fit
    says = [text for text, _ in view.commands]
    assert any("missed on the random split (seed 0)" in text for text in says)
    assert "new.csv with the column smiles: " in says[-1]
    record = make_record(make_job())
    record["data"]["inputs"] = [["drug", "molecule"], ["target", "protein"]]
    source = source_of(make_plan([make_job()]), [record], {})
    [view] = overviews(source, places_of(source), [], "results")
    assert "new.csv with the columns drug, target: " in view.commands[-1][0]
