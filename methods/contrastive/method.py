"""What contrastive methods share: two views of a batch, and the space they are compared in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize

from bench.data.batch import Batch, GraphBatch
from bench.data.collate import compress
from bench.data.stretch import cut, end_to_end
from bench.method import Method
from bench.models._weights import initial_weights
from bench.models.network import Network
from bench.options import Options, Range

from .augmentations import (
    drop_atoms,
    drop_bonds_by_degree,
    grow_subgraphs,
    mask_atoms,
    mask_entries,
    masked,
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

# Their changes depend on the batch as a whole, or there are none.
_BY_BATCH = ("drop_bonds", "none")

# Samples and atoms of the batches whose views are made together, at least; two views of them and
# what is needed meanwhile take about a gigabyte.
_TOGETHER = 1 << 21


class ProjectionOptions(Options):
    """Space in which a method compares samples."""

    projection: Literal["mlp", "none"] = Field(
        "mlp", description="before the contrast: perceptron to 128 features, or the embedding"
    )


class ContrastiveOptions(ProjectionOptions):
    """Views and space of a contrastive method."""

    augmentation: Augmentation = Field(
        "random", description="of molecules; random: drop_atoms or subgraph, drawn for each view"
    )
    ratio: Annotated[float, Range(0.1, 0.4)] = Field(
        0.2, ge=0, lt=1, description="share of atoms or bonds that it changes"
    )
    mask: Annotated[float, Range(0.05, 0.3)] = Field(
        0.1, ge=0, lt=1, description="share of the entries of other numeric inputs set to 0"
    )


class ProjectingMethod(Method):
    """Base of methods that compare samples, in a space of their own."""

    contrastive = True
    options: ProjectionOptions
    projection: nn.Module

    def initialise(self, network: Network) -> None:
        self.projection = nn.Identity()
        if self.options.projection == "mlp":
            with initial_weights(self.context.seed, "projection"):
                self.projection = perceptron(network.embedding_features)
        self.projection.to(next(network.parameters()))

    def project(self, embeddings: Tensor) -> Tensor:
        """Embeddings (n, d) in the space of the contrast: unit length, (n, D)."""
        return normalize(self.projection(embeddings), dim=1)


class ContrastiveMethod(ProjectingMethod):
    """Base of methods that compare two augmented views of each sample."""

    options: ContrastiveOptions

    def views(self, batch: Batch) -> tuple[Batch, Batch]:
        """Two independent variations of `batch`."""
        if batch.views:
            first, second = batch.views
            return first, second
        return self._augmented(batch), self._augmented(batch)

    def prepare_epoch(self, epoch: int, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches, on a device other than the CPU with their views."""
        on_cpu = self.context.generator.device.type == "cpu"
        if on_cpu or self.options.augmentation in _BY_BATCH:
            return batches
        return self.with_views(epoch, batches)

    def with_views(self, epoch: int, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches with their views, made for a whole epoch, or a long stretch of it, at once.

        Views are distributed as those of :meth:`views`, and are other draws: coins come from
        ``context.rng``, so that the host need not wait for one. A device draws other numbers than
        the CPU at any rate.
        """
        rng = self.context.rng("views", epoch)
        for stretch in _stretches(batches):
            yield from self._with_views(stretch, rng)

    def _with_views(self, stretch: Sequence[Batch], rng: np.random.Generator) -> Iterator[Batch]:
        settings, generator = self.options, self.context.generator
        parts = [graphs for batch in stretch for _ in range(2) for graphs in _graphs_of(batch)]
        names: list[str] = [settings.augmentation] * len(parts)
        if settings.augmentation == "random":
            names = ["drop_atoms" if coin < 0.5 else "subgraph" for coin in rng.random(len(parts))]
        varied = iter(vary_together(parts, names, settings.ratio, generator))
        for batch in stretch:
            views = (
                _variation(batch, lambda _: next(varied), generator, settings.mask)
                for _ in range(2)
            )
            yield replace(batch, views=tuple(views))

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


def vary_together(
    parts: Sequence[GraphBatch], names: Sequence[str], ratio: float, generator: Generator
) -> list[GraphBatch]:
    """A variation of each batch by the augmentation of that name, all of one name at once."""
    found: dict[int, GraphBatch] = {}
    for name in dict.fromkeys(names):
        places = [place for place in range(len(parts)) if names[place] == name]
        chosen = [parts[place] for place in places]
        varied = _OF_GRAPHS[name](end_to_end(chosen), ratio, generator)
        found.update(zip(places, cut(varied, [part.num_graphs for part in chosen]), strict=True))
    return [found[place] for place in range(len(parts))]


def _graphs_of(batch: Batch) -> list[GraphBatch]:
    """Its molecules, one batch of them, or none."""
    return [values for values in batch.inputs.values() if isinstance(values, GraphBatch)]


def _stretches(batches: Iterator[Batch]) -> Iterator[list[Batch]]:
    """The batches in lists of at least `_TOGETHER` samples and atoms; the last may have fewer."""
    stretch: list[Batch] = []
    size = 0
    for batch in batches:
        stretch.append(batch)
        size += len(batch) + sum(graphs.num_atoms for graphs in _graphs_of(batch))
        if size >= _TOGETHER:
            yield stretch
            stretch, size = [], 0
    if stretch:
        yield stretch


def augment(
    batch: Batch, augmentation: str, generator: Generator, *, ratio: float, mask: float
) -> Batch:
    """A variation of `batch`: every molecule by itself, and masked entries in other inputs."""
    if augmentation == "none":
        return batch

    def vary(graphs: GraphBatch) -> GraphBatch:
        varied = _OF_GRAPHS[augmentation](graphs, ratio, generator)
        # An encoder that reads no environments gets batches without, and needs none of a view.
        return varied if graphs.environments is None else compress(varied)

    return _variation(batch, vary, generator, mask)


def _variation(
    batch: Batch, vary: Callable[[GraphBatch], GraphBatch], generator: Generator, mask: float
) -> Batch:
    def vary_all(graphs: GraphBatch) -> GraphBatch:
        varied, fingerprints = vary(graphs), graphs.fingerprints
        if fingerprints is None:
            return varied
        # Those of an edited graph are not known; like other numeric inputs, they are masked.
        return varied.with_fingerprints(masked(fingerprints, mask, generator))

    inputs = {
        kind: vary_all(values)
        if isinstance(values, GraphBatch)
        else mask_entries(values, mask, generator)
        for kind, values in batch.inputs.items()
    }
    return replace(batch, inputs=inputs)
