"""An encoder under test, on a handful of molecules, proteins or categories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from bench.backbone import Backbone
from bench.conformance.randomness import global_random_state, keep_global_random_state
from bench.conformance.returned import require_embeddings, require_width
from bench.conformance.trial import CPU
from bench.conformance.watch import Copies, TrainingTrace, Watch, parts_of
from bench.data.batch import GraphBatch
from bench.data.collate import Collator
from bench.data.featurise import featurise
from bench.data.prepared import EntityIndex, PreparedData
from bench.dataset import EntityKind
from bench.models._weights import initial_weights
from bench.models.network import Network
from bench.options import Options

# Single atoms first. Then chains, every type of bond, rings, both geometries of a double bond,
# charges, and two molecules in one graph.
MOLECULES = (
    "C", "[Na+]", "CC", "CCO", "C=C", "N#CC=C", "c1ccccc1", "F/C=C/F", "F/C=C\\F", "C1CCCCC1",
    "C[C@H](N)C(=O)O", "CC(=O)Oc1ccccc1C(=O)O", "O=S(=O)(N)c1ccc2[nH]ccc2c1", "CCN.Cl",
)  # fmt: skip
ONE_ATOM = (0, 1)

# Of one letter, of letters that are no amino acid, and longer than most windows.
PROTEINS = (
    "MKTAYIAKQRQISFVKSHFSRQ", "GAVLIPFMW", "MSTNPKPQRKTKRNTNRRPQDVKFPGG", "M", "XX", "MKV" * 400,
)  # fmt: skip

CATEGORIES = ("kinase", "receptor", "transporter", "ion channel", "protease")

_CLASSES = 3
_STEPS = 6
_LEARNING_RATE = 0.01


@cache
def data_of(kind: EntityKind) -> PreparedData:
    """A sample for each of the molecules, proteins or categories above, in their order."""
    graphs = featurise(MOLECULES, keys=False).graphs.with_environments()
    values = {"molecule": MOLECULES, "protein": PROTEINS, "category": CATEGORIES}[kind]
    positions = np.arange(len(values))
    return PreparedData(
        name="toy",
        entities=(EntityIndex(kind, kind, positions.astype(np.int32)),),
        graphs=graphs,
        smiles=MOLECULES,
        proteins=PROTEINS if kind == "protein" else (),
        categories=CATEGORIES if kind == "category" else (),
        labels=positions % _CLASSES,
        class_names=tuple(f"class {k}" for k in range(_CLASSES)),
        rows=positions,
        identity=positions,
        total_rows=len(values),
        unusable=(),
        repaired=(),
        notes=(),
        data_sha256="0" * 64,
        content_sha256="0" * 64,
        fingerprint="toy",
    )


@dataclass(frozen=True)
class TrainedEncoder:
    """An encoder after a few steps, which many checks look at.

    Attributes
    ----------
    network : Network
        The encoder with a head.
    losses : list of float
        Of each step.
    embeddings : ndarray, shape (n, out_features)
        Of all samples, in evaluation.
    seen : TrainingTrace
        What its parameters and its inputs went through.
    touched : set of str
        Packages whose global random state it changed: torch's in evaluation, where nothing may be
        drawn, others' at any time.
    """

    network: Network
    losses: list[float]
    embeddings: np.ndarray
    seen: TrainingTrace
    touched: set[str]


@dataclass
class EncoderUnderTest:
    """An encoder under test, with the training that several checks look at.

    Attributes
    ----------
    cls : type of Backbone
    options : Options
    facts : mapping
        What the decorator was given: title, reference, version.
    device : torch.device
    """

    cls: type[Backbone]
    options: Options
    facts: Mapping[str, Any]
    device: torch.device = CPU

    @property
    def kind(self) -> EntityKind:
        """What it encodes."""
        return self.cls.entity

    @property
    def data(self) -> PreparedData:
        """What it is tried on."""
        return data_of(self.kind)

    def fresh(self, seed: int = 0, dtype: torch.dtype = torch.float32) -> Network:
        """The encoder with initial weights, under a head."""
        sizes = {
            "molecule": (self.data.graphs.feature_count,),
            "protein": (),
            "category": (len(self.data.categories),),
        }
        with initial_weights(seed, self.kind):
            encoder = self.cls(*sizes[self.kind], self.options)
        require_width(getattr(encoder, "out_features", None), self.cls.__name__)
        with initial_weights(seed, "head"):
            network = Network([self.kind], {self.kind: encoder}, _CLASSES)
        network.head.reset(seed)
        return network.to(self.device, dtype)

    def inputs(self, network: Network, positions: Iterable[int] | None = None) -> Any:
        """What the encoder reads of some samples, or of all: a batch of graphs, or rows."""
        chosen = np.arange(len(self.data)) if positions is None else np.array([*positions])
        return self._read(network.collator(self.data), chosen)

    def embed(self, network: Network, positions: Iterable[int] | None = None) -> np.ndarray:
        """Embeddings of some samples, or of all, in evaluation."""
        with torch.no_grad():
            found = self.encoder(network.eval())(self.inputs(network, positions))
        return as_array(found)

    def encoder(self, network: Network) -> Backbone:
        """The encoder of `network`."""
        encoder = network.encoders[self.kind]
        assert isinstance(encoder, Backbone)
        return encoder

    @cached_property
    def first_training(self) -> TrainedEncoder | Exception:
        """The encoder trained once, or what it raised."""
        try:
            return self.train()
        except Exception as error:  # whatever an encoder raises is for one check to report
            return error

    @cached_property
    def second_training(self) -> TrainedEncoder:
        """As the first, from another global random state."""
        with keep_global_random_state(self.device, seed=12345):
            return self.train()

    def train(self) -> TrainedEncoder:
        """A few steps from the weights of seed 0, under watch."""
        before = global_random_state(self.device)
        network = self.fresh()
        watch = Watch()
        watch.follow("encoder", self.encoder(network))
        losses = self._steps(network, watch.seen)
        touched = _changes(before, global_random_state(self.device))
        embeddings = self.embed(network)
        touched |= _changes(before, global_random_state(self.device))
        return TrainedEncoder(network, losses, embeddings, watch.seen, touched)

    def _steps(self, network: Network, seen: TrainingTrace) -> list[float]:
        """Train all of `network` on all samples and on some; losses of the steps."""
        optimiser = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
        collator = network.collator(self.data)
        labels = torch.from_numpy(self.data.labels).to(self.device)
        losses = []
        # As in a run: dropout draws from torch's generators, which are seeded and put back.
        devices = [] if self.device.type == "cpu" else [self.device]
        with torch.random.fork_rng(devices=devices, device_type=self.device.type):
            torch.manual_seed(0)
            for step in range(_STEPS):
                chosen = np.arange(step % 2, len(self.data))
                inputs = self._read(collator, chosen)
                copies = Copies(parts_of(inputs, "input"))
                encoder = self.encoder(network.train())
                embeddings = encoder(inputs)
                source = f"{self.cls.__name__}.forward"
                rows = inputs.num_graphs if isinstance(inputs, GraphBatch) else len(inputs)
                require_embeddings(embeddings, rows, encoder.out_features, source)
                seen.written |= copies.changed(parts_of(inputs, "input"))
                loss = F.cross_entropy(network.head(embeddings), labels[step % 2 :])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                losses.append(float(loss.detach()))
        return losses

    def _read(self, collator: Collator, positions: np.ndarray) -> Any:
        (batch,) = collator.epoch([positions])
        values = batch.to(self.device).inputs[self.kind]
        return values if isinstance(values, GraphBatch) else values.rows[values.index]


def as_array(tensor: Tensor) -> np.ndarray:
    """The numbers of a tensor of any device."""
    array: np.ndarray = tensor.detach().cpu().numpy()
    return array


def projection(out_features: int, like: Tensor) -> Tensor:
    """Fixed weights of a sum over an embedding in which no feature is like another."""
    return torch.linspace(1, 2, out_features, dtype=like.dtype).cos().to(like.device)


def renumbered(graphs: GraphBatch, seed: int = 0) -> GraphBatch:
    """The same graphs with other orders of atoms, of bonds, and of the ends of bonds."""
    rng = np.random.default_rng(seed)
    ranges = pairwise(as_array(graphs.atom_offsets))
    order = np.concatenate([rng.permutation(np.arange(*ends)) for ends in ranges])
    bonds = np.argsort(order)[as_array(graphs.bonds)]
    flipped = rng.random(len(bonds)) < 0.5
    bonds[flipped] = bonds[flipped, ::-1]
    shuffled = rng.permutation(len(bonds))
    return _replace(
        graphs,
        atom_types=as_array(graphs.atom_types)[order],
        bonds=bonds[shuffled],
        bond_types=as_array(graphs.bond_types)[shuffled],
    )


def with_other_bond_types(graphs: GraphBatch) -> GraphBatch:
    """The same graphs, each bond with the features of the next of the distinct ones."""
    types = (as_array(graphs.bond_types) + 1) % len(graphs.bond_features)
    return _replace(graphs, bond_types=types)


def with_features_of_their_own(graphs: GraphBatch) -> GraphBatch:
    """The same graphs, where no two atoms or bonds share a feature vector; those want gradients."""
    fingerprints = graphs.fingerprints
    return GraphBatch(
        atom_features=graphs.features.clone().requires_grad_(),
        atom_types=torch.arange(graphs.num_atoms, device=graphs.bonds.device),
        atom_offsets=graphs.atom_offsets,
        bonds=graphs.bonds,
        bond_features=graphs.bond_features.index_select(0, graphs.bond_types).requires_grad_(),
        bond_types=torch.arange(len(graphs.bonds), device=graphs.bonds.device),
        fingerprints=None if fingerprints is None else fingerprints.clone().requires_grad_(),
    )


def _replace(graphs: GraphBatch, **arrays: np.ndarray) -> GraphBatch:
    """As ``dataclasses.replace``, with arrays."""
    device = graphs.bonds.device
    tensors: dict[str, Any] = {
        name: torch.from_numpy(np.ascontiguousarray(array)).to(device)
        for name, array in arrays.items()
    }
    return replace(graphs, **tensors)


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    return {name for name, state in before.items() if state != after[name]}
