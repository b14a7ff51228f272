"""The benchmark's own route: packed arrays and its own encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.backbone import BACKBONES
from bench.data.batch import Batch
from bench.data.featurise import featurise
from bench.data.prepared import PreparedData
from bench.method import METHODS, Context, Method
from bench.models.network import Network, build_network
from bench.perf.backends.backend import Backend
from bench.perf.results import OURS
from bench.spec import check_options, parse_spec
from bench.training.evaluation import EvaluationBatches, predict_logits


class Ours(Backend):
    """As a run of `vanilla` computes it.

    Parameters
    ----------
    prepared : PreparedData
    encoder : str
        NAME or NAME[key=value], of an encoder of molecules.
    """

    title = OURS
    network: Network

    def __init__(self, prepared: PreparedData, encoder: str = "gcn") -> None:
        spec = parse_spec(encoder)
        options = check_options(BACKBONES.get(spec.name).cls.options_type, spec, "backbone")
        self.network = build_network(prepared, {"molecule": (spec.name, options)}, seed=0)
        self._collator = self.network.collator(prepared)
        vanilla = METHODS.get("vanilla").cls
        assert issubclass(vanilla, Method)
        context = Context(prepared.labels, prepared.num_classes, epochs=1, seed=0)
        self._method = vanilla(vanilla.options_type(), context)
        self._again: tuple[np.ndarray, EvaluationBatches] | None = None

    @staticmethod
    def featurise(smiles: Sequence[str]) -> Any:
        """Packed graphs with atom features of these SMILES, in this process."""
        return featurise(smiles, keys=False)

    def collate(self, positions: np.ndarray) -> Batch:
        return self._collator(positions)

    def cast(self, batch: Batch, dtype: torch.dtype) -> Batch:
        return batch.to(dtype=dtype)

    def labels(self, batch: Batch) -> Tensor:
        return batch.labels

    def predict(self, positions: np.ndarray) -> np.ndarray:
        return predict_logits(self.network, self._method, self._batches(positions))

    def predict_again(self, positions: np.ndarray) -> np.ndarray:
        if self._again is None or self._again[0] is not positions:
            self._again = positions, self._batches(positions)
        return predict_logits(self.network, self._method, self._again[1])

    def _batches(self, positions: np.ndarray) -> EvaluationBatches:
        return EvaluationBatches(self._collator, positions)
