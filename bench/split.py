"""The contract of a split: who trains, who selects the model, who is tested.

To add one, write ``bench/data/splits/NAME.py`` with a subclass of :class:`Splitter` under
:func:`register_split`. A splitter sees what :class:`Samples` holds and a generator, nothing else,
so every method of a sweep gets the same sets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from bench.errors import SplitError, UsageError
from bench.options import Options
from bench.registry import Registry
from bench.seeds import derive_seed

PARTS = ("train", "valid", "test")

NEEDS = ("scaffolds", "molecules", "clusters", "dates", "split_column")
"""What a splitter may ask for beyond labels and duplicates; fields of :class:`Samples`."""

# Numbers that a message lists.
_MOST = 5

_HOW_TO_GIVE = {
    "scaffolds": "Give one scaffold number a sample.",
    "molecules": "Give one number a sample for each input that is a molecule.",
    "clusters": "Give one cluster number a sample.",
    "dates": "Name the column of dates of your file with --date-col.",
    "split_column": "Name the column of your file that says train, valid or test with --split-col.",
}


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of M samples, each in exactly one set.

    Attributes
    ----------
    train, valid, test : ndarray of int64
        Positions 0..M-1, sorted, read-only.
    discarded : ndarray of int64
        Positions in no set, sorted, read-only.
    notes : tuple of str
        Sentences on how it was made that a user must know; not part of the hash.

    Raises
    ------
    SplitError
        A set is empty, or the four arrays do not hold each of 0..M-1 exactly once.
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    discarded: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (*PARTS, "discarded"):
            positions = np.sort(np.asarray(getattr(self, name), dtype=np.int64))
            positions.flags.writeable = False
            object.__setattr__(self, name, positions)
        if any(len(positions) == 0 for positions in self.parts().values()):
            sizes = ", ".join(f"{len(own)} in {name}" for name, own in self.parts().items())
            raise SplitError(
                f"Expected at least one sample in every set, but got {sizes}. "
                "Use more data or another split."
            )
        self._check_each_position_once()

    def _check_each_position_once(self) -> None:
        everyone = np.concatenate([*self.parts().values(), self.discarded])
        distinct, times = np.unique(everyone, return_counts=True)
        if len(distinct) < len(everyone):
            raise SplitError(
                "Expected every sample in one set only, but got "
                f"{np.count_nonzero(times > 1)} in several, such as {_some(distinct[times > 1])}. "
                "Mend the split that made them."
            )
        if distinct[0] != 0 or distinct[-1] != len(distinct) - 1:
            absent = np.setdiff1d(np.arange(len(distinct)), distinct)
            raise SplitError(
                f"Expected the positions 0..{len(distinct) - 1} of {len(distinct)} samples, but "
                f"got {distinct[0]}..{distinct[-1]}, without {_some(absent)}. "
                "Put samples that are in no set into `discarded`."
            )

    def __len__(self) -> int:
        return sum(len(own) for own in self.parts().values()) + len(self.discarded)

    def parts(self) -> dict[str, np.ndarray]:
        """The three sets by name: train, valid, test."""
        return {name: getattr(self, name) for name in PARTS}

    @cached_property
    def hash(self) -> str:
        """Sha256, in hex, that stands in every record.

        It is taken over train, valid, test and discarded in this order; each is its length
        (unsigned 64 bits) and then its sorted positions (signed 64 bits), all little endian.
        """
        digest = hashlib.sha256()
        for positions in (*self.parts().values(), self.discarded):
            digest.update(len(positions).to_bytes(8, "little"))
            digest.update(positions.astype("<i8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Samples:
    """What a splitter sees of M samples of K classes.

    Attributes
    ----------
    labels : ndarray of int64, shape (M,)
        Class indices; every class 0..K-1 has a sample.
    num_classes : int
        K.
    groups : ndarray of int64, shape (M,), or None
        Equal numbers are equal molecules, reactions or pairs.
    rows : ndarray of int64, shape (M,)
        Row of the file of each sample, for messages.
    scaffolds : ndarray of int64, shape (M,), or None
        Equal numbers are equal scaffolds; negative is the empty scaffold. This and what follows
        is there where the splitter was registered with its name in ``needs``.
    molecules : sequence of ndarray of int64, shape (M,), or None
        One array for each input that is a molecule. Equal numbers are equal molecules, across
        inputs, too.
    clusters : ndarray of int64, shape (M,), or None
        Equal numbers are one cluster of similar molecules, as far apart as the splitter's option
        ``cutoff`` says.
    dates, split_column : sequence of str, length M, or None
        As they stand in the file, see :class:`bench.dataset.RawSamples`.
    """

    labels: np.ndarray
    num_classes: int
    groups: np.ndarray | None
    rows: np.ndarray
    scaffolds: np.ndarray | None = None
    molecules: Sequence[np.ndarray] | None = None
    clusters: np.ndarray | None = None
    dates: Sequence[str] | None = None
    split_column: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.labels)


class Splitter:
    """Makes splits; an instance adds the options the user chose.

    A subclass overrides :meth:`make`, or :meth:`split` where it needs more than scaffolds.

    Attributes
    ----------
    folds : int
        Of a split that is one fold of several: how many there are. Its options have a field
        ``fold``, 0 to `folds` - 1, and where a user does not choose one, all are run.
    """

    options_type: ClassVar[type[Options]] = Options
    folds: ClassVar[int] = 0

    def __init__(self, options: Options | None = None) -> None:
        self.options = options if options is not None else self.options_type()

    def split(self, samples: Samples, rng: np.random.Generator) -> Split:
        """Split M samples of K classes.

        Parameters
        ----------
        samples : Samples
        rng : numpy.random.Generator
            The only source of randomness.

        Raises
        ------
        SplitError
            No such split of these samples exists.
        """
        return self.make(
            samples.labels,
            samples.num_classes,
            rng,
            groups=samples.groups,
            scaffolds=samples.scaffolds,
        )

    def make(
        self,
        labels: np.ndarray,
        num_classes: int,
        rng: np.random.Generator,
        *,
        groups: np.ndarray | None,
        scaffolds: np.ndarray | None,
    ) -> Split:
        """Split M samples of K classes, given as in :class:`Samples`.

        Raises
        ------
        SplitError
            No such split of these samples exists.
        """
        raise NotImplementedError(f"Override make or split of {type(self).__name__}.")


SPLITS: Registry[type[Splitter]] = Registry("split", "bench.data.splits", "ltdd_bench.splits")


def register_split(
    name: str,
    *,
    title: str,
    reference: str,
    version: int = 1,
    needs: Sequence[str] = (),
    needs_scaffolds: bool = False,
) -> Callable[[type[Splitter]], type[Splitter]]:
    """Register a splitter under `name`.

    Parameters
    ----------
    title : str
        Column heading in tables.
    reference : str
        Publication or code the rule comes from.
    version : int
        Raise it when the parts change for the same labels and seed.
    needs : sequence of str
        What :meth:`Splitter.split` reads of :class:`Samples`, out of :data:`NEEDS`: it takes time
        to compute, or is not in every file.
    needs_scaffolds : bool
        The same as ``needs=("scaffolds",)``.

    Raises
    ------
    UsageError
        There is no such thing to ask for.
    """
    if isinstance(needs, str) or set(needs) - set(NEEDS):
        raise UsageError(
            f"Expected names among {', '.join(NEEDS)} in needs= of the split {name!r}, but got "
            f"{needs!r}."
        )
    asked = tuple(dict.fromkeys((*needs, *(["scaffolds"] if needs_scaffolds else []))))

    def decorate(cls: type[Splitter]) -> type[Splitter]:
        SPLITS.add(name, cls, title=title, reference=reference, version=version, needs=asked)
        return cls

    return decorate


def make_split(
    name: str,
    labels: np.ndarray,
    num_classes: int,
    seed: int,
    dataset_name: str,
    *,
    options: Options | None = None,
    identity: np.ndarray | None = None,
    rows: np.ndarray | None = None,
    **needed: Any,
) -> Split:
    """Split a data set.

    The parts depend on the arguments only: neither on the method that will be trained, nor on
    the process, nor on global random state.

    Parameters
    ----------
    name : str
        Registry name of the split.
    labels : ndarray of int, shape (M,)
        Class indices 0..K-1.
    num_classes : int
        K, at least 2.
    seed : int
        Seed of the run.
    dataset_name : str
        Registry name of the data set.
    options : Options, optional
        An instance of the splitter's `options_type`; its defaults when None.
    identity : ndarray of int, shape (M,), optional
        Equal numbers are equal samples, see `PreparedData.identity`.
    rows : ndarray of int, shape (M,), optional
        Row of the file of each sample, by which messages name it; positions when None.
    **needed
        What the splitter was registered to need, by its name in :class:`Samples`.

    Raises
    ------
    UnknownNameError
        No such split.
    UsageError
        Options of another split, or something the split needs is not given.
    SplitError
        The labels are unusable, or the split would leave a set empty or training without a
        class.
    """
    entry = SPLITS.get(name)
    options_type = entry.cls.options_type
    if options is not None and type(options) is not options_type:
        raise UsageError(
            f"Expected {options_type.__name__} for the split {name!r}, but got "
            f"{type(options).__name__}."
        )
    if unknown := set(needed) - set(NEEDS):
        raise TypeError(f"make_split() got an unexpected argument {min(unknown)!r}.")
    for need in entry.facts["needs"]:
        if needed.get(need) is None:
            raise UsageError(
                f"Expected `{need}` for the split {name!r}, but got None. {_HOW_TO_GIVE[need]}"
            )
    labels = _checked_labels(labels, num_classes)
    samples = Samples(
        labels=labels,
        num_classes=num_classes,
        groups=_checked_numbers("identity", identity, len(labels)),
        rows=np.arange(len(labels)) if rows is None else rows,
        **{need: _checked(need, given, len(labels)) for need, given in needed.items()},
    )
    split = entry.cls(options).split(
        samples,
        np.random.Generator(np.random.PCG64(derive_seed(seed, "split", dataset_name, name))),
    )
    if len(split) != len(labels):
        raise SplitError(
            f"Expected the split {name!r} to place all {len(labels)} samples, but got "
            f"{len(split)}. Mend {entry.origin}."
        )
    lost = np.flatnonzero(np.bincount(labels[split.train], minlength=num_classes) == 0)
    if len(lost):
        where = {"valid": split.valid, "test": split.test, "no set": split.discarded}
        placed = ", ".join(
            f"{count} in {part}"
            for part, own in where.items()
            if (count := np.count_nonzero(labels[own] == lost[0]))
        )
        raise SplitError(
            f"Expected every class in the training set of the split {name!r}, but got none of "
            f"class {_some(lost)} (class {lost[0]} has {placed}). Use the random split, more data, "
            "or leave the class out.",
            lost[:_MOST],
        )
    return split


def _checked_labels(labels: np.ndarray, num_classes: int) -> np.ndarray:
    if num_classes < 2:
        raise SplitError(f"Expected at least 2 classes, but got {num_classes}.")
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise SplitError(
            f"Expected labels to be a row of whole numbers 0..{num_classes - 1}, but got shape "
            f"{labels.shape} of {labels.dtype}. Number the classes from 0."
        )
    outside = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(outside):
        raise SplitError(
            f"Expected labels 0..{num_classes - 1}, but got {labels[outside[0]]} for sample "
            f"{outside[0]} ({len(outside)} such samples). Number the classes from 0."
        )
    labels = labels.astype(np.int64)
    unused = np.flatnonzero(np.bincount(labels, minlength=num_classes) == 0)
    if len(unused):
        raise SplitError(
            f"Expected samples of all {num_classes} classes, but got none of class "
            f"{_some(unused)}. Leave the class out or add data.",
            unused[:_MOST],
        )
    return labels


def _checked(need: str, given: Any, count: int) -> Any:
    """What a splitter is given under the name `need`, of the right length."""
    if given is None:
        return None
    if need == "molecules":
        return [_checked_numbers(need, numbers, count) for numbers in given]
    if need in ("dates", "split_column"):
        if len(given) != count:
            raise SplitError(f"Expected `{need}` to hold {count} texts, but got {len(given)}.")
        return given
    return _checked_numbers(need, given, count)


def _checked_numbers(what: str, numbers: np.ndarray | None, count: int) -> np.ndarray | None:
    if numbers is None:
        return None
    numbers = np.asarray(numbers)
    if numbers.shape != (count,) or not np.issubdtype(numbers.dtype, np.integer):
        raise SplitError(
            f"Expected `{what}` to hold {count} whole numbers, one a sample, but got shape "
            f"{numbers.shape} of {numbers.dtype}."
        )
    return numbers.astype(np.int64)


def _some(numbers: np.ndarray) -> str:
    shown = ", ".join(str(number) for number in numbers[:_MOST])
    return shown if len(numbers) <= _MOST else f"{shown}, ... ({len(numbers)} in all)"
