"""What a reader gives by mistake is refused before a molecule has the label of another."""

import numpy as np
import pandas as pd
import pytest

from bench.dataset import Dataset, Entity, RawSamples
from bench.errors import DataError
from bench.sweep.plan import dataset_part, open_dataset
from bench.sweep.raw_samples import with_checked_samples

TABLE = pd.DataFrame({"smiles": ["CCO", None, "CCN", "CCC"], "class": [1, 0, 0, 1]}).dropna()


def read(values=None, labels=None, **columns):
    """Reads three samples of a table that lacks a row, some of whose columns are given."""
    texts = TABLE["smiles"].tolist() if values is None else values
    numbers = TABLE["class"].to_numpy(np.int64) if labels is None else labels

    class Reader(Dataset):
        def read(self, path):
            entity = Entity("molecule", "molecule", texts)
            return RawSamples((entity,), numbers, **{"class_names": ("no", "yes"), **columns})

    return with_checked_samples(Reader()).read("my.csv")


def test_lists_and_arrays_in_the_order_of_the_rows_are_taken():
    raw = read(values=TABLE["smiles"].to_numpy(), split_column=["train", "valid", "test"])
    assert raw.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"values": TABLE["smiles"]}, "a list in the order of the rows as the values of entity"),
        ({"dates": TABLE["smiles"]}, "a list in the order of the rows as `dates` of my.csv"),
        ({"split_column": TABLE["smiles"]}, "as `split_column`.* Add .tolist()"),
        ({"labels": TABLE["class"]}, "an array in the order .* as `labels`.* Add .to_numpy()"),
        ({"rows": TABLE["class"]}, "an array in the order of the rows as `rows`"),
        ({"labels": np.eye(2, dtype=np.int64)[[1, 0, 1]]}, r"of shape \(3, 2\).* .argmax"),
        ({"labels": np.array([[1], [0], [1]])}, r"of shape \(3, 1\)"),
        ({"values": TABLE[["smiles"]]}, r'Add \["column"\].tolist\(\)'),
        ({"class_names": (0, 1)}, "texts as `class_names` of my.csv, but got a tuple of int"),
        ({"class_names": np.array(["no", "yes"])}, "but got a ndarray. Write"),
        ({"split_column": [0, 1, 2]}, "texts as `split_column` of my.csv, but got a list of int"),
    ],
)
def test_a_series_and_labels_of_two_dimensions_are_refused(columns, words):
    with pytest.raises(DataError, match=words):
        read(**columns)


def test_every_data_set_of_a_benchmark_is_checked(monkeypatch):
    entity = Entity("molecule", "molecule", TABLE["smiles"])
    raw = RawSamples((entity,), TABLE["class"].to_numpy(), ("no", "yes"))
    monkeypatch.setattr("bench.datasets.csv_file.CsvFile.read", lambda self, path: raw)
    part = dataset_part("csv[path=my.csv,smiles_columns=smiles,label_column=class]")
    with pytest.raises(DataError, match="got a Series of pandas"):
        open_dataset(part).read("my.csv")


def test_a_reader_without_return_is_named():
    class Forgetful(Dataset):
        def read(self, path):
            self.table = TABLE

    with pytest.raises(DataError, match=r"from Forgetful\.read, but got a value of type None"):
        with_checked_samples(Forgetful()).read("my.csv")
