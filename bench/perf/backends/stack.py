"""What the backends on a library share: graphs as objects in memory, and a network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bench.data.prepared import PreparedData
from bench.models.gcn import GCNOptions
from bench.models.head import Head
from bench.perf.backends.backend import Backend

# On one thread the fastest of 64 to 1,024 for PyG, and within 2 % of the fastest for DGL.
EVALUATION_BATCH = 256


class StackBatch(NamedTuple):
    """B samples with m molecules each, as one batched graph of m B molecules."""

    graph: Any
    labels: Tensor


class StackNetwork(nn.Module):
    """One encoder for all molecules of a sample, and the head; named as ours, so weights load.

    Parameters
    ----------
    encoder : nn.Module
        From a batched graph of G molecules to embeddings, (G, D).
    embedding : int
        D.
    molecules : int
        m, the molecules of a sample, which stand behind each other in a batch.
    num_classes : int
        K.
    """

    def __init__(self, encoder: nn.Module, embedding: int, molecules: int, num_classes: int):
        super().__init__()
        self.encoders = nn.ModuleDict({"molecule": encoder})
        self.head = Head(molecules * embedding, num_classes)
        self._molecules = molecules

    def forward(self, batch: StackBatch) -> Tensor:
        """Logits, shape (B, K)."""
        embeddings = self.encoders["molecule"](batch.graph)
        return self.head(torch.cat(embeddings.chunk(self._molecules), dim=1))


class GraphObjects(Backend):
    """A backend that keeps a graph object of every molecule.

    Parameters
    ----------
    prepared : PreparedData
        Its entities are molecules.
    positions : ndarray of int, shape (n,)
        Samples whose graphs are made; no others can be asked for.
    encoder : nn.Module
        From a batched graph of G molecules to embeddings, (G, D).
    embedding : int
        D.
    """

    def __init__(
        self, prepared: PreparedData, positions: np.ndarray, encoder: nn.Module, embedding: int
    ) -> None:
        self._indices = [np.asarray(entity.index) for entity in prepared.entities]
        self._labels = prepared.labels
        self._graphs = {
            number: self.graph_of(prepared, number)
            for number in np.unique(self._numbers(positions)).tolist()
        }
        self.network = StackNetwork(encoder, embedding, len(self._indices), prepared.num_classes)
        self._again: tuple[np.ndarray, list[StackBatch]] | None = None

    @staticmethod
    @abstractmethod
    def graph_of(prepared: PreparedData, number: int) -> Any:
        """A graph object of one molecule, with what the encoder reads."""

    @staticmethod
    @abstractmethod
    def batch_graphs(graphs: list[Any]) -> Any:
        """One batched graph of `graphs`."""

    @staticmethod
    @abstractmethod
    def cast_graph(graph: Any, dtype: torch.dtype) -> None:
        """Change the atom features of a batched graph to `dtype`, in place."""

    @property
    def num_graphs(self) -> int:
        """Molecules whose graphs are kept."""
        return len(self._graphs)

    def collate(self, positions: np.ndarray) -> StackBatch:
        graphs = [self._graphs[number] for number in self._numbers(positions).tolist()]
        return StackBatch(self.batch_graphs(graphs), torch.from_numpy(self._labels[positions]))

    def cast(self, batch: StackBatch, dtype: torch.dtype) -> StackBatch:
        self.cast_graph(batch.graph, dtype)
        return batch

    def labels(self, batch: StackBatch) -> Tensor:
        return batch.labels

    def predict(self, positions: np.ndarray) -> np.ndarray:
        return self._predict(self._evaluation_batches(positions))

    def predict_again(self, positions: np.ndarray) -> np.ndarray:
        if self._again is None or self._again[0] is not positions:
            self._again = positions, list(self._evaluation_batches(positions))
        return self._predict(self._again[1])

    @torch.no_grad()
    def _predict(self, batches: Iterable[StackBatch]) -> np.ndarray:
        self.network.eval()
        return torch.cat([self.network(batch) for batch in batches]).numpy()

    def _evaluation_batches(self, positions: np.ndarray) -> Iterator[StackBatch]:
        for chunk in np.array_split(positions, -(-len(positions) // EVALUATION_BATCH)):
            yield self.collate(chunk)

    def _numbers(self, positions: np.ndarray) -> np.ndarray:
        return np.concatenate([index[positions] for index in self._indices])


class Stack(GraphObjects):
    """The encoder `gcn` on a graph library, and how that makes and saves graphs.

    Parameters
    ----------
    prepared : PreparedData
        Its entities are molecules.
    positions : ndarray of int, shape (n,)
        Samples whose graphs are made; no others can be asked for.
    weights : mapping of str to Tensor
        State of our network, which this one takes over.
    """

    def __init__(
        self, prepared: PreparedData, positions: np.ndarray, weights: Mapping[str, Tensor]
    ) -> None:
        options = GCNOptions()
        widths = [prepared.graphs.feature_count, *[options.hidden] * options.layers]
        super().__init__(prepared, positions, self.encoder(widths, options.out), options.out)
        self.network.load_state_dict(weights)

    @staticmethod
    @abstractmethod
    def featurise(smiles: Sequence[str]) -> Any:
        """Graphs with atom features of these SMILES, and nothing else, in this process."""

    @staticmethod
    @abstractmethod
    def encoder(widths: Sequence[int], out: int) -> nn.Module:
        """The encoder `gcn` on this library, with atom features of `widths` from layer to layer."""

    @abstractmethod
    def save_and_opener(self, folder: Path) -> Any:
        """Write all graphs under `folder`, and return what opens them again when called."""
