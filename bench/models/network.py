"""Encoders and a head, put together for one data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from bench.backbone import BACKBONES, Backbone, MoleculeBackbone, ProteinBackbone
from bench.data.batch import Batch, GraphBatch
from bench.data.collate import Collator
from bench.data.prepared import PreparedData
from bench.models._weights import initial_weights
from bench.models.head import Head, Precision
from bench.options import Options


class Network(nn.Module):
    """Embeds the entities of a sample, concatenates them in order, and classifies.

    Parameters
    ----------
    kinds : sequence of {"molecule", "protein", "category"}
        One per entity, in the order of concatenation.
    encoders : mapping of str to Backbone
        One for each kind that occurs; entities of one kind share it.
    num_classes : int
        K.
    """

    def __init__(
        self, kinds: Sequence[str], encoders: Mapping[str, Backbone], num_classes: int
    ) -> None:
        super().__init__()
        self.kinds = tuple(kinds)
        self.encoders = nn.ModuleDict(encoders)
        self.embedding_features = sum(encoders[kind].out_features for kind in kinds)
        self.head = Head(self.embedding_features, num_classes)

    def encode(self, batch: Batch) -> Tensor:
        """Embeddings of the samples, shape (B, embedding_features)."""
        by_kind = {kind: iter(self._encode_kind(kind, batch)) for kind in self.encoders}
        return torch.cat([next(by_kind[kind]) for kind in self.kinds], dim=1)

    def forward(self, batch: Batch) -> Tensor:
        """Logits, shape (B, K)."""
        return self.head(self.encode(batch))

    def collator(self, prepared: PreparedData) -> Collator:
        """What turns positions in `prepared` into batches that this network reads.

        Features are held where the network is at this moment, in the precision of its weights.
        """
        weights = next(self.parameters())
        rows, by_environment, fingerprint_bits = None, False, 0
        if "protein" in self.encoders:
            protein = self.encoders["protein"]
            assert isinstance(protein, ProteinBackbone)
            rows = protein.tokenise(prepared.proteins)
        if "molecule" in self.encoders:
            molecule = self.encoders["molecule"]
            assert isinstance(molecule, MoleculeBackbone)
            by_environment = molecule.by_environment
            fingerprint_bits = molecule.fingerprint_bits
        return Collator(
            prepared,
            rows,
            weights.device,
            weights.dtype,
            by_environment=by_environment,
            fingerprint_bits=fingerprint_bits,
        )

    def _encode_kind(self, kind: str, batch: Batch) -> Tensor:
        """Embeddings of all entities of one kind, shape (entities, B, features)."""
        values = batch.inputs[kind]
        if isinstance(values, GraphBatch):
            embeddings = self.encoders[kind](values)
        else:
            embeddings = self.encoders[kind](values.rows)[values.index]
        return embeddings.unflatten(0, (self.kinds.count(kind), len(batch)))


def build_network(
    prepared: PreparedData,
    backbones: Mapping[str, tuple[str, Options]],
    *,
    seed: int,
    precision: Precision = "float32",
) -> Network:
    """A network for the entities and classes of `prepared`.

    Initial weights depend on `seed` and on shapes alone: an encoder starts the same whatever else
    the network holds, and so does each layer of the head. Global random state is left as it was.

    Parameters
    ----------
    prepared : PreparedData
    backbones : mapping of str to (str, Options)
        Kind of entity to backbone name and options; kinds that do not occur are not looked at.
    seed : int

    Raises
    ------
    UnknownNameError
        A backbone does not exist.
    UnavailableError
        A backbone needs a package that is absent.
    """
    kinds = [entity.kind for entity in prepared.entities]
    sizes = {
        "molecule": (prepared.graphs.feature_count,),
        "protein": (),
        "category": (len(prepared.categories),),
    }
    encoders: dict[str, Backbone] = {}
    for kind in dict.fromkeys(kinds):
        name, options = backbones[kind]
        backbone = BACKBONES.get(name).cls
        with initial_weights(seed, kind):
            encoders[kind] = backbone(*sizes[kind], options)
    with initial_weights(seed, "head"):
        network = Network(kinds, encoders, prepared.num_classes)
    network.head.reset(seed)
    network.head.precision = precision
    return network
