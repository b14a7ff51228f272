"""The page on one's own data says what works, word for word."""

import hashlib

import pytest

from bench.data.prepare import prepare
from bench.dataset import DATASETS
from tests.docs.pages import blocks


@pytest.fixture
def example(monkeypatch):
    """The data set of the page, read as the page reads files with rows without a label."""
    DATASETS.discover()
    monkeypatch.setattr(DATASETS, "_entries", dict(DATASETS._entries))
    [whole, read] = [block.text for block in blocks("python", ["docs/own-data.md"])]
    names = {"__name__": __name__}
    exec(whole, names)
    exec(read, names)
    names["BBBP"].read = names["read"]
    return names["BBBP"]()


def test_rows_without_a_label_are_left_out_and_are_not_bad(example, tmp_path):
    path = tmp_path / "BBBP.csv"
    path.write_text("smiles,p_np\nCCO,1\nCCN,\nC1(,0\nCCCN,0\n,\nCCCO,1\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    prepared = prepare("bbbp", example, path, digest, cache_dir=tmp_path / "cache")
    assert [(int(row.row), row.kind) for row in prepared.unusable] == [
        (1, "unlabelled"),
        (2, "bad"),
        (4, "unlabelled"),
    ]
    assert prepared.rows.tolist() == [0, 3, 5]
    assert prepared.labels.tolist() == [1, 0, 1]
