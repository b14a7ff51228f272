from __future__ import annotations

import csv
import io

import pytest

from bench.data.checksums import sha256_of
from bench.data.prepare import prepare
from bench.datasets.csv_file import CsvFile, CsvOptions

USABLE = (
    "C", "[H][H]", "[Na+].[Cl-]", "C" * 500, "CC(=O)O.CCN.Cl", "[13CH4]", "[2H]C([2H])[2H]",
    "C[C@H](N)O", "F/C=C/F", "*", "*c1ccccc1", "[CH3:1][CH2:2][OH:3]", " CCO ", "c1ccc1",
)  # fmt: skip
REPAIRED = ("CN(C)(C)(C)C",)
UNUSABLE = {
    "": "expected text, but got ''",
    "   ": "expected text",
    "C1CC": "unclosed ring",
    "[Xx]": "syntax error",
    "c1cccc1": "Can't kekulize",
    "A>>B": "syntax error",
    "[CH3:1][OH:2]>>[CH3:1][NH2:2]": "syntax error",
    "C\N{MINUS SIGN}C": r"'\u2212' cannot stand",
    "C\ufeffC": r"'\ufeff' cannot stand",
    "CCO ethanol": "more after the SMILES 'CCO': 'ethanol'",
    "NCO |o1:1|": "a CXSMILES extension, '|o1:1|', follows the SMILES 'NCO'",
    'C"C': "cannot stand|syntax error",
    "C,C": "syntax error",
    "C\nC": r"'\n' cannot stand",
    "C\0C": "NUL character",
}


@pytest.mark.fault(22)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_every_row_of_an_odd_file_is_featurised_or_listed(tmp_path, line_end, encoding):
    """A bad SMILES stops everything, or its row is gone without trace."""
    texts = [*USABLE, *REPAIRED, *UNUSABLE]
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    writer.writerows([("smiles", "y"), *((text, n % 2) for n, text in enumerate(texts))])
    path = tmp_path / "odd.csv"
    path.write_bytes(file.getvalue().encode(encoding))
    options = CsvOptions(path=str(path), smiles_columns=["smiles"], label_column="y", max_bad=1)
    sha256, cache = sha256_of(path), tmp_path / "cache"
    data = prepare("csv", CsvFile(options), path, sha256, cache_dir=cache)

    usable = len(USABLE) + len(REPAIRED)
    assert data.total_rows == len(texts) == len(data) + len(data.unusable)
    assert data.rows.tolist() == list(range(usable))
    assert [row.row for row in data.repaired] == [texts.index(text) for text in REPAIRED]
    assert [row.row for row in data.unusable] == list(range(usable, len(texts)))
    for row, expected in zip(data.unusable, UNUSABLE.values(), strict=True):
        assert any(words in row.reason for words in expected.split("|")), row
    atoms = data.graphs.atoms_per_graph()[data.entities[0].index]
    assert (atoms.min(), atoms.max()) == (1, 500)
