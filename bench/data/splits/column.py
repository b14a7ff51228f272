"""Column split: the file itself says where each sample belongs."""

from __future__ import annotations

import numpy as np

from bench.data.splits._assign import cut_valid, shuffled_groups
from bench.dataset import MISSING
from bench.errors import SplitError
from bench.plain_text import some_of
from bench.split import PARTS, Samples, Split, Splitter, register_split

_NAMES = {
    "train": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
}
# Of training, where the column has no validation set.
_VALID_SHARE = 0.1
# Values that a message names.
_NAMED = 5


@register_split("column", title="Column", reference="the user's own file", needs=("split_column",))
class ColumnSplit(Splitter):
    """The sets that a column of the file names: train, valid (val, validation) and test.

    Capitals do not matter. Rows without a value (empty, NaN, NA, N/A, null or a spreadsheet's
    error) are in no set. Without any row of validation, 10 % of each class of training are taken
    for it, at least one of two samples, by seed. The test set is the same for every seed.
    """

    same_test = True

    def split(self, samples: Samples, rng: np.random.Generator) -> Split:
        assert samples.split_column is not None  # registered to need it
        texts = np.array([text.strip().lower() for text in samples.split_column], object)
        missing = np.array([text in MISSING for text in texts])
        _refuse_other_values(texts[~missing].tolist())
        named = np.array([_NAMES.get(text, "") for text in texts])
        parts = {part: np.flatnonzero(named == part) for part in PARTS}
        if not len(parts["train"]) or not len(parts["test"]):
            sizes = ", ".join(f"{len(own)} {part}" for part, own in parts.items())
            raise SplitError(
                f"Expected rows of train and of test in the split column, but got {sizes} and "
                f"{np.count_nonzero(missing)} without a value. Mend the column, or choose another "
                "split."
            )
        notes = []
        if missing.any():
            notes.append(
                f"{np.count_nonzero(missing):,} of {len(samples):,} samples have no value in the "
                "split column and are left out."
            )
        if not len(parts["valid"]):
            train = parts["train"]
            members = [train[own] for own in shuffled_groups(np.arange(len(train)), rng)]
            parts["valid"] = cut_valid(members, samples.labels, _VALID_SHARE)
            parts["train"] = np.setdiff1d(train, parts["valid"])
            notes.append(
                f"The split column names no validation set: {len(parts['valid']):,} of the "
                f"{len(train):,} samples of train are taken for it, {_VALID_SHARE:.0%} of each "
                "class, by seed."
            )
        return Split(**parts, discarded=np.flatnonzero(missing), notes=tuple(notes))


def _refuse_other_values(texts: list[str]) -> None:
    others = sorted(set(texts) - set(_NAMES))
    if others:
        raise SplitError(
            "Expected train, valid (or val, validation) and test in the split column, but got "
            f"{some_of([repr(text) for text in others], _NAMED)} in "
            f"{sum(text not in _NAMES for text in texts)} rows. Name another column with "
            "--split-col, or write these words into it."
        )
