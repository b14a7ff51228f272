"""What a model folder says of its model: made of what, from what, by what, and how good it is."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.dataset import EntityKind

FORMAT = 2
"""Of model folders; raise it when older versions cannot read what is written."""

# As many labels are made again of their counts.
_MOST_SAMPLES = 10**8

PACKAGES = ("torch", "rdkit", "numpy", "scikit-learn")
"""Those that decide predictions."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Frozen):
    """One input of every sample."""

    name: str
    kind: EntityKind


class Part(_Frozen):
    """A method or backbone with its options."""

    name: str
    label: str
    options: dict[str, Any] = Field(default_factory=dict)
    version: int = 1


class Card(_Frozen):
    """All that is known of a model besides what it has learned.

    Attributes
    ----------
    format : int
        Of the folder, see :data:`FORMAT`.
    bench, made : str
        The version that made it, and when, ISO 8601.
    data : str
        What the data set is called.
    inputs : tuple of Input
        Of every sample, in order.
    categories : tuple of str
        The category names that it knows, in their order.
    standardise : bool
        Whether molecules are cleaned up before it sees them, as those of its data were.
    class_names : tuple of str
        Length K.
    train_counts, valid_counts : tuple of int
        Samples that it was trained and chosen on, by class.
    method, backbones, training, seed
        What was asked for.
    valid_share : float or None
        Share of each class that was held back for choices; None where that is not known.
    epoch : int
        The epoch that was chosen; 0 where no epoch trains.
    valid : dict
        Figures on validation, such as ``balanced_accuracy``.
    implied_log_prior : tuple of float or None
        Logarithm of the class shares under which the softmax of its logits is a posterior.
    versions : dict
        Of Python and packages.
    sources : dict of str to str
        File to hash of the code that made it; empty where that is not known.
    job_id : str or None
        The run that it comes from.
    """

    format: int = FORMAT
    bench: str
    made: str
    data: str
    inputs: tuple[Input, ...] = Field(min_length=1)
    categories: tuple[str, ...] = ()
    standardise: bool = Field(False, exclude_if=lambda asked: not asked)
    class_names: tuple[str, ...] = Field(min_length=1)
    train_counts: tuple[int, ...]
    valid_counts: tuple[int, ...]
    method: Part
    backbones: dict[str, Part]
    training: dict[str, Any]
    seed: int
    valid_share: float | None = None
    epoch: int
    valid: dict[str, float | None]
    implied_log_prior: tuple[float, ...] | None = None
    versions: dict[str, str]
    sources: dict[str, str] = Field(default_factory=dict)
    job_id: str | None = None

    @model_validator(mode="after")
    def _counts_are_of_the_classes(self) -> Card:
        for counts in (self.train_counts, self.valid_counts):
            if len(counts) != self.num_classes or min(counts) < 0 or sum(counts) > _MOST_SAMPLES:
                raise ValueError(
                    f"expected counts of samples in {self.num_classes} classes, but got "
                    f"{str(counts)[:100]}"
                )
        return self

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)


def versions_here() -> dict[str, str]:
    """Versions of Python and of the packages that decide predictions, of this process."""
    found: dict[str, str] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
