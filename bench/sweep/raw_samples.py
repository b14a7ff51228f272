"""Refuse what a reader of a data set may give by mistake and nothing later can see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.dataset import Dataset, RawSamples
from bench.errors import DataError


def with_checked_samples(dataset: Dataset) -> Dataset:
    """`dataset`, whose ``read`` from now on refuses such samples.

    Its class stays, by whose code features are kept and runs are known.
    """
    read = dataset.read

    def checked(path: Path) -> RawSamples:
        raw = read(path)
        if not isinstance(raw, RawSamples):
            raise DataError(
                f"Expected RawSamples from {type(dataset).__name__}.read, but got a value of type "
                f"{type(raw).__name__}. End it with return RawSamples(...)."
            )
        require_plain(raw, path)
        return raw

    vars(dataset)["read"] = checked
    return dataset


def require_plain(raw: RawSamples, path: Path) -> None:
    """Columns are in the order of the rows, labels are one number a row, and names are texts.

    A pandas Series is asked by index where a list is asked by place: after ``dropna`` or
    ``sort_values`` a molecule would have the label of another row.

    Raises
    ------
    DataError
        A column is a Series or holds other values than texts where these are needed, the labels
        have more than one dimension, or class names are no texts.
    """
    of_splits = {f"`{name}`": column for name, column in raw.columns_of_splits().items()}
    columns = {
        **{f"the values of entity {entity.name!r}": entity.values for entity in raw.entities},
        **of_splits,
        "`labels`": raw.labels,
        "`row_names`": raw.row_names,
        "`rows`": raw.rows,
    }
    for name, values in columns.items():
        if hasattr(values, "iloc"):  # pandas need not be installed
            kind = "an array" if name in ("`labels`", "`rows`") else "a list"
            way = ".to_numpy()" if kind == "an array" else ".tolist()"
            way = f'["column"]{way}' if getattr(values, "ndim", 1) > 1 else way
            raise DataError(
                f"Expected {kind} in the order of the rows as {name} of {path}, but got a "
                f"{type(values).__name__} of pandas, which is asked by its index. Add {way} in the "
                "data set's reader."
            )
    texts: dict[str, Sequence[str]] = {"`class_names`": raw.class_names, **of_splits}
    for name, values in texts.items():
        kinds = {type(value).__name__ for value in values if not isinstance(value, str)}
        if kinds or not isinstance(values, Sequence) or isinstance(values, str):
            of = f" of {', '.join(sorted(kinds))}" if kinds else ""
            raise DataError(
                f"Expected a list or tuple of texts as {name} of {path}, but got a "
                f"{type(values).__name__}{of}. Write [str(value) for value in ...] in the data "
                "set's reader."
            )
    if raw.labels.ndim != 1:
        raise DataError(
            f"Expected one class number a row as `labels` of {path}, but got an array of shape "
            f"{raw.labels.shape}. In the data set's reader, take .argmax(axis=1) of one-hot "
            "labels, and .ravel() of a single column."
        )
