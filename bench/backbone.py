"""The contract of a backbone: an encoder from one kind of entity to an embedding.

To add one, write ``bench/models/NAME.py`` with a subclass of :class:`MoleculeBackbone`,
:class:`ProteinBackbone` or :class:`CategoryBackbone` under :func:`register_backbone`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

import numpy as np
from torch import Tensor, nn

from bench.data.batch import GraphBatch
from bench.dataset import EntityKind
from bench.options import Options
from bench.registry import Registry

B = TypeVar("B", bound="type[Backbone]")


class Backbone(nn.Module, ABC):
    """Base of all encoders; subclass one of the three below.

    Attributes
    ----------
    entity : {"molecule", "protein", "category"}
        What is encoded.
    options_type : type of Options
        Settings of the encoder.
    out_features : int
        Length of an embedding; set in the constructor.
    """

    entity: ClassVar[EntityKind]
    options_type: ClassVar[type[Options]] = Options
    out_features: int


class MoleculeBackbone(Backbone):
    """Encoder of molecular graphs.

    Attributes
    ----------
    by_environment : bool
        Whether it reads ``graphs.environments``, to compute equal atoms once. Batches carry them
        for no other.
    fingerprint_bits : int
        Of a positive number, batches carry ``graphs.fingerprints`` of that length. May be set in
        the constructor.

    Parameters
    ----------
    num_features : int
        D, the length of an atom feature vector.
    options : Options
        An instance of `options_type`.
    """

    entity = "molecule"
    by_environment: ClassVar[bool] = False
    fingerprint_bits: int = 0

    @abstractmethod
    def __init__(self, num_features: int, options: Options) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, graphs: GraphBatch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out_features)."""


class ProteinBackbone(Backbone):
    """Encoder of amino-acid sequences.

    A protein that occurs more than once in a batch is encoded once, so an encoder must treat its
    rows independently (no batch statistics).

    Parameters
    ----------
    options : Options
        An instance of `options_type`.
    """

    entity = "protein"

    @abstractmethod
    def __init__(self, options: Options) -> None:
        super().__init__()

    @abstractmethod
    def tokenise(self, sequences: Sequence[str]) -> np.ndarray:
        """Sequences as :meth:`forward` reads them, one row each; done once per data set."""

    @abstractmethod
    def forward(self, rows: Tensor) -> Tensor:
        """Embeddings of P tokenised proteins, shape (P, out_features)."""


class CategoryBackbone(Backbone):
    """Encoder of names without inner structure. Rows are independent, as with proteins.

    Parameters
    ----------
    num_categories : int
        Number of distinct names.
    options : Options
        An instance of `options_type`.
    """

    entity = "category"

    @abstractmethod
    def __init__(self, num_categories: int, options: Options) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, rows: Tensor) -> Tensor:
        """Embeddings of P category numbers, shape (P, out_features)."""


BACKBONES: Registry[type[Backbone]] = Registry("backbone", "bench.models", "ltdd_bench.backbones")


def register_backbone(
    name: str, *, title: str, reference: str, version: int = 1
) -> Callable[[B], B]:
    """Register a backbone under `name`; the kind of entity follows from its base class.

    Parameters
    ----------
    title : str
        Name in reports.
    reference : str
        Publication with year and arXiv number or DOI.
    version : int
        Raise it when the embeddings change, so that finished runs are not reused.
    """

    def decorate(cls: B) -> B:
        BACKBONES.add(
            name, cls, entity=cls.entity, title=title, reference=reference, version=version
        )
        return cls

    return decorate
