"""What contrastive methods share: two views of a batch, and the space they are compared in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize

from bench.data.batch import Batch, GraphBatch
from bench.data.collate import compress
from bench.method import Method
from bench.models._weights import initial_weights
from bench.models.network import Network
from bench.options import Options
from methods.contrastive.augmentations import (
    drop_atoms,
    drop_bonds_by_degree,
    grow_subgraphs,
    mask_atoms,
    mask_entries,
    perturb_bonds,
)

Augmentation = Literal[
    "random", "drop_atoms", "subgraph", "perturb_bonds", "drop_bonds", "mask_atoms", "none"
]

HIDDEN, OUT = 256, 128

_OF_GRAPHS: dict[str, Callable[[GraphBatch, float, Generator], GraphBatch]] = {
    "drop_atoms": drop_atoms,
    "subgraph": grow_subgraphs,
    "perturb_bonds": perturb_bonds,
    "drop_bonds": drop_bonds_by_degree,
    "mask_atoms": mask_atoms,
}


class ContrastiveOptions(Options):
    """Views and space of a contrastive method."""

    augmentation: Augmentation = Field(
        "random", description="of molecules; random: drop_atoms or subgraph, drawn for each view"
    )
    ratio: float = Field(0.2, ge=0, lt=1, description="share of atoms or bonds that it changes")
    mask: float = Field(
        0.1, ge=0, lt=1, description="share of the entries of other numeric inputs set to 0"
    )
    projection: Literal["mlp", "none"] = Field(
        "mlp", description="before the contrast: perceptron to 128 features, or the embedding"
    )


class ContrastiveMethod(Method):
    """Base of methods that compare two augmented views of each sample."""

    contrastive = True
    options: ContrastiveOptions
    projection: nn.Module

    def initialise(self, network: Network) -> None:
        self.projection = nn.Identity()
        if self.options.projection == "mlp":
            with initial_weights(self.context.seed, "projection"):
                self.projection = perceptron(network.embedding_features)
        self.projection.to(next(network.parameters()))

    def views(self, batch: Batch) -> tuple[Batch, Batch]:
        """Two independent variations of `batch`."""
        return self._augmented(batch), self._augmented(batch)

    def project(self, embeddings: Tensor) -> Tensor:
        """Embeddings (n, d) in the space of the contrast: unit length, (n, D)."""
        return normalize(self.projection(embeddings), dim=1)

    def project_views(self, network: Network, batch: Batch) -> Tensor:
        """First views of the samples in the space of the contrast, then second ones, (2B, D)."""
        return self.project(torch.cat([network.encode(view) for view in self.views(batch)]))

    def _augmented(self, batch: Batch) -> Batch:
        settings, generator = self.options, self.context.generator
        name = settings.augmentation
        if name == "random":
            coin = torch.rand((), generator=generator, device=generator.device)
            name = "drop_atoms" if coin < 0.5 else "subgraph"
        return augment(batch, name, generator, ratio=settings.ratio, mask=settings.mask)


def perceptron(in_features: int, out_features: int = OUT) -> nn.Sequential:
    """Perceptron d -> 256 -> D with ReLU, what projects into the space of a contrast."""
    return nn.Sequential(nn.Linear(in_features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, out_features))


def augment(
    batch: Batch, augmentation: str, generator: Generator, *, ratio: float, mask: float
) -> Batch:
    """A variation of `batch`: every molecule by itself, and masked entries in other inputs."""
    if augmentation == "none":
        return batch
    inputs = {
        kind: compress(_OF_GRAPHS[augmentation](values, ratio, generator))
        if isinstance(values, GraphBatch)
        else mask_entries(values, mask, generator)
        for kind, values in batch.inputs.items()
    }
    return replace(batch, inputs=inputs)
