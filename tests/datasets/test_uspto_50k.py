from __future__ import annotations

import csv

import numpy as np
import pytest
from pydantic import ValidationError

from bench.datasets.uspto_50k import Uspto50k, Uspto50kOptions
from bench.errors import DataError
from tests.real_data import real_file

SIZES = [15_151, 11_896, 5_662, 909, 672, 8_237, 4_614, 811, 1_834, 230]


def imdrug_file(path, sizes, *, first=0, single=False):
    labels = np.repeat(np.arange(len(sizes)) + first, sizes)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        if single:
            writer.writerow(["ID", "X", "Y"])
            writer.writerows((i, "C.CC", y) for i, y in enumerate(labels))
        else:
            writer.writerow(["ID1", "X1", "ID2", "X2", "Y"])
            writer.writerows((i, "C.N", i, "CN", y) for i, y in enumerate(labels))
    return path


def read(path, inputs):
    return Uspto50k(Uspto50kOptions(inputs=inputs)).read(path)


def test_the_real_file_is_read():
    samples = Uspto50k().read(real_file("uspto_50k.csv.gz"))
    counts = [15_150, 11_896, 5_661, 909, 672, 8_237, 4_612, 811, 1_834, 230]
    assert np.bincount(samples.labels).tolist() == counts
    assert len(samples.class_names) == 10
    assert samples.class_names[5] == "deprotection"
    assert samples.row_names[0] == "train-00000"
    assert [entity.name for entity in samples.entities] == ["reactants", "product"]


def test_the_inputs_option_chooses_the_molecules():
    path = real_file("uspto_50k.csv.gz")
    reactants, product = read(path, "pair").entities
    assert read(path, "product").entities == (product,)
    (joined,) = read(path, "joined").entities
    assert joined.values[7] == f"{reactants.values[7]}.{product.values[7]}"
    assert all(entity.kind == "molecule" for entity in (reactants, product, joined))


def test_an_unknown_input_is_refused():
    with pytest.raises(ValidationError, match="pair"):
        Uspto50kOptions(inputs="both")


@pytest.mark.parametrize("first", [0, 1])
def test_imdrugs_pairs_are_read_whether_classes_count_from_0_or_1(tmp_path, first):
    samples = read(imdrug_file(tmp_path / "uspto_50k.tab", SIZES, first=first), "pair")
    assert np.bincount(samples.labels).tolist() == SIZES
    assert [entity.values[0] for entity in samples.entities] == ["C.N", "CN"]


def test_imdrugs_single_molecules_serve_only_as_joined(tmp_path):
    path = imdrug_file(tmp_path / "uspto_50k.tab", SIZES, single=True)
    assert read(path, "joined").entities[0].values[0] == "C.CC"
    with pytest.raises(DataError, match="inputs to 'joined'"):
        read(path, "pair")


@pytest.mark.parametrize(
    "sizes",
    [[3, 2], [*SIZES[:-1], 229], [*SIZES[1::-1], *SIZES[2:]], [*SIZES[:-1], 229, 1]],
    ids=["tiny", "row short", "classes exchanged", "eleventh class"],
)
def test_other_class_sizes_are_refused(tmp_path, sizes):
    with pytest.raises(DataError, match=r"Expected 50,016 rows"):
        read(imdrug_file(tmp_path / "uspto_50k.tab", sizes), "pair")
