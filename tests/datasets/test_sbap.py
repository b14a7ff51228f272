from __future__ import annotations

import pytest

from bench.datasets.sbap import Sbap
from bench.errors import DataError

# The format alone: nothing here is SBAP.
TINY = "ID1\tX1\tID2\tX2\tY\nD1\tCCO\tP1\tMKV\t1\nD2\tC\tP1\tMKV\t1.0\nD1\tCCO\tP2\tMLL\t0\n"


class Tiny(Sbap):
    expected_sizes = (1, 2)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "sbap.tab").write_text(TINY, encoding="utf-8")
    return tmp_path / "sbap.tab"


def test_imdrugs_format_gives_a_molecule_and_a_protein(path):
    samples = Tiny().read(path)
    assert [(e.name, e.kind) for e in samples.entities] == [
        ("molecule", "molecule"),
        ("protein", "protein"),
    ]
    assert list(samples.entities[1].values) == ["MKV", "MKV", "MLL"]
    assert samples.labels.tolist() == [1, 1, 0]
    assert samples.row_names == ["D1/P1", "D2/P1", "D1/P2"]


def test_either_class_may_be_the_small_one(path):
    path.write_text(TINY.replace("\t1\n", "\t0\n").replace("\t1.0\n", "\t0\n")[:-2] + "1\n")
    assert Tiny().read(path).labels.tolist() == [0, 0, 1]


def test_a_file_of_another_size_is_not_sbap(path):
    with pytest.raises(DataError, match=r"32,140 rows .* but got 3 rows"):
        Sbap().read(path)


def test_expected_sizes_give_table_1():
    small, large = Sbap.expected_sizes
    assert small + large == 32_140
    assert round(large / small, 2) == 36.77
