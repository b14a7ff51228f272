"""The results pages say what their CSV files say, and the records still give those files."""

import csv
import hashlib
import itertools
import re
import shutil
import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal

import pytest

from tests.docs.pages import ROOT, arguments_of, blocks

RESULTS = ROOT / "results"
ARCHIVES = sorted(RESULTS.rglob("records.tar.xz"))
FIGURE = re.compile(r"(\**)(\d+\.\d) ± (\d+\.\d)\1(?: \*\((\d+\.\d)\)\*)?")
# A heading of the page's table, and the data set behind it.
FORMS = {"one graph": "uspto_50k[inputs=joined]", "two graphs": "uspto_50k"}


def one_decimal(text):
    return str(Decimal(text).quantize(Decimal("0.1"), ROUND_HALF_UP))


def table_of_the_page():
    """Rows of the page's Table 2: title, then a cell for each data set and split."""
    lines = (RESULTS / "README.md").read_text(encoding="utf-8").splitlines()
    [start] = [n for n, line in enumerate(lines) if line.startswith("| method |")]
    rows = []
    for line in lines[start:]:
        if not line:
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    heading, _, *body = rows
    return heading, body


def test_the_table_of_the_page_is_that_of_the_records():
    with (RESULTS / "reference" / "table2.csv").open(encoding="utf-8") as lines:
        stored = {
            (row["dataset"], row["split"], row["title"]): row
            for row in csv.DictReader(lines)
            if row["metric"] == "balanced_accuracy"
        }
    heading, body = table_of_the_page()
    told = set()
    for title, *cells in body:
        for column, cell in zip(heading[1:], cells, strict=True):
            name, split = column.rsplit(" ", 1)
            place = (FORMS.get(name, name.strip("`")), split, title)
            row = stored[place]
            bold, mean, deviation, published = FIGURE.fullmatch(cell).groups()
            assert (mean, deviation) == (one_decimal(row["mean"]), one_decimal(row["std"])), place
            assert (bold == "**") == (row["in_best_group"] == "yes"), place
            assert published == (one_decimal(row["published"]) if row["published"] else None), place
            told.add(place)
    assert told == set(stored)


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.parent.name)
def test_each_archive_is_the_one_whose_checksum_stands_beside_it(archive):
    digest, name = archive.with_name(archive.name + ".sha256").read_text().split()
    assert (hashlib.sha256(archive.read_bytes()).hexdigest(), name) == (digest, archive.name)


def rebuilding_commands():
    [block] = [one for one in blocks(pages=["results/details.md"]) if "report --out" in one.text]
    return block.commands()


@pytest.mark.slow
def test_the_commands_of_the_page_rebuild_every_table_byte_for_byte(tmp_path):
    shutil.copytree(RESULTS, tmp_path / "results")
    written = set()
    for words in rebuilding_commands():
        assert words[:2] == ["python", "run_bench.py"]
        arguments = arguments_of(words)
        command = [sys.executable, str(ROOT / "run_bench.py"), *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        options = dict(itertools.pairwise(arguments))
        folder = tmp_path / options.get("--to", options["--out"])
        written.add(folder / "paper" if arguments[0] == "paper" else folder)
    for path in sorted(RESULTS.rglob("*")):
        if path.is_file() and not path.name.endswith((".html", ".png", ".svg")):
            again = tmp_path / "results" / path.relative_to(RESULTS)
            assert again.read_bytes() == path.read_bytes(), path.relative_to(RESULTS)
    # Every folder of tables has its command.
    tables = {path.parent for path in (tmp_path / "results").rglob("table2.csv")}
    assert tables <= written


@pytest.mark.slow
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.parent.name)
def test_the_records_and_plans_of_an_archive_keep_every_rule(archive, tmp_path):
    for path in archive.parent.glob("records.tar.xz*"):
        shutil.copy(path, tmp_path)
    command = [sys.executable, str(ROOT / "run_bench.py"), "verify", "--out", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
