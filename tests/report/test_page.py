"""The page says what the records say, as text and never as markup, and asks for nothing."""

from __future__ import annotations

import base64
import json
import os
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.plain_text import visible
from bench.report.document.numbers import fixed
from bench.report.figures import source_of
from bench.report.html import write, write_page
from bench.report.html.audit import environments, split_lines
from bench.report.html.libraries import packed_libraries
from tests.report.report_records import make_grid, make_job, make_plan, make_record
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


@pytest.fixture
def no_libraries(monkeypatch):
    """The page without its two megabytes of foreign scripts."""
    monkeypatch.setattr(write, "packed_libraries", dict)


def page_of(jobs, records=None, failures=None):
    records = [make_record(job) for job in jobs] if records is None else records
    return write.page(source_of(make_plan(jobs), records, failures or {}))


@pytest.mark.fault(52)
def test_page_equals_the_golden_file_byte_for_byte(no_libraries, tmp_path):
    write_page(tmp_path / "report.html", source_of(*sweep()))
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
    assert not {"<", ">", "&"} & set(got.scripts["cells"])
    cell = json.loads(got.scripts["cells"])
    assert cell["cells"]["c0"]["method"] == NASTY
    assert cell["classes"]["hiv"][0] == NASTY


@pytest.mark.fault(53)
def test_nothing_is_loaded_from_anywhere():
    elements = Elements(page_of([make_job()]))
    for tag, attributes in elements.found:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)
    style = (Path(write.__file__).parent / "templates" / "page.css").read_text()
    assert not re.search(r"url\(|@import", style)
    policies = [meta["content"] for meta in elements.all("meta") if "http-equiv" in meta]
    assert policies[0].startswith("default-src 'none'")
    assert "http" not in policies[0]


def test_libraries_unpack_to_the_files_of_their_packages():
    import itables
    import plotly

    def unpacked(name):
        return zlib.decompress(base64.b64decode(packed_libraries()[name]))

    bundle = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    assert unpacked("plots") == bundle.read_bytes()
    tables = Path(itables.__file__).parent / "html" / "dt_bundle.js"
    assert unpacked("tables") == tables.read_bytes()


def test_tables_have_captions_and_scopes(no_libraries):
    elements = Elements(page_of(make_grid()))
    assert len(elements.all("table")) == len(elements.all("caption"))
    assert all(heading.get("scope") in ("col", "row") for heading in elements.all("th"))
    assert all("aria-label" in b for b in elements.all("button"))
    assert all(p.get("tabindex") == "0" for p in elements.all("div") if p.get("class") == "scroll")


def test_a_single_run_is_not_counted_in_the_plural(no_libraries):
    text = page_of([make_job()])
    assert "<p>1 run planned: 1 complete" in text
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
    content = json.loads(Elements(page_of([make_job()], [record])).scripts["cells"])
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
    content = json.loads(Elements(page_of([make_job()], [record])).scripts["cells"])
    assert content["cells"]["c0"]["runs"][0]["figures"][0] == 69.57
    assert fixed(100 * record["metrics"]["balanced_accuracy"]) == "69.57"


def test_runs_share_settings_and_provenance(no_libraries):
    content = json.loads(Elements(page_of(make_grid())).scripts["cells"])
    assert len(content["facts"]) == 2


def test_findings_name_small_and_absent_classes():
    record = make_record(make_job(), [[90, 0], [6, 6]])
    record["data"]["valid_counts"] = [90, 0]
    (line,) = split_lines(source_of(make_plan([make_job()]), [record], {}))
    assert line.smallest == (84, 0, 12)
    assert line.findings == (
        "No sample in validation: 1.",
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


@pytest.mark.parametrize("count", [0, 1, 200])
def test_any_number_of_methods_makes_a_page(no_libraries, count):
    jobs = [make_job(method=f"m{i:03d}") for i in range(count)]
    assert page_of(jobs).count("data-cell=") == 2 * count


def test_long_sweep_stays_below_five_megabytes():
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
    assert len(page_of(jobs, records).encode()) < 5e6


def test_a_page_of_data_that_the_paper_does_not_have_has_no_empty_columns_for_it(no_libraries):
    """Half the columns of one's own results are the paper's, and empty."""
    jobs = [make_job(dataset="csv", dataset_label="mine", method=name) for name in ("cb", "sdr")]
    own = page_of(jobs)
    assert "Results</h2>" in own
    assert own.partition("</thead>")[0].count('<th scope="col">') == 7
    beside = page_of([make_job(dataset="hiv", method=name) for name in ("cb", "sdr")])
    assert "Results</h2>" not in beside
    assert beside.partition("</thead>")[0].count('<th scope="col">') == 11


def test_control_characters_and_marks_of_direction_are_shown_as_codes(no_libraries):
    job = make_job(title="\x1b[2J\u202eevil", dataset="hiv[\u2066]")
    record = make_record(job)
    record["data"]["class_names"] = ["a\x07", "b\u202e"]
    text = page_of([job], [record])
    details = json.loads(Elements(text).scripts["cells"])
    assert visible(text) == text
    assert list(details["classes"].values()) == [["a\\x07", "b\\u202e"]]
    assert details["cells"]["c0"]["method"] == "\\x1b[2J\\u202eevil"
