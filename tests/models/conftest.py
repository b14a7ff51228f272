from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench.data.batch import GraphBatch
from bench.data.collate import GraphCollator
from bench.data.packed import PackedGraphs
from bench.data.prepared import EntityIndex, PreparedData
from tests.bonds import FEATURES, types_of


@pytest.fixture
def make_graphs() -> Callable[..., PackedGraphs]:
    """Random graphs; every third has a single atom."""

    def make(count: int = 12, features: int = 74, seed: int = 0) -> PackedGraphs:
        rng = np.random.default_rng(seed)
        sizes = np.where(np.arange(count) % 3 == 2, 1, rng.integers(2, 9, count))
        bonds = []
        for size in sizes:
            pairs = np.argwhere(np.triu(rng.random((size, size)) < 0.4, k=1))
            bonds.append(pairs.astype(np.int32))
        return PackedGraphs(
            atom_features=rng.integers(0, 2, (6, features)).astype(np.float32),
            atom_types=rng.integers(0, 6, sizes.sum()).astype(np.int32),
            atom_offsets=np.concatenate([[0], np.cumsum(sizes)]),
            bonds=np.concatenate(bonds),
            bond_offsets=np.concatenate([[0], np.cumsum([len(pairs) for pairs in bonds])]),
            bond_features=FEATURES,
            bond_types=types_of(sum(map(len, bonds))),
        )

    return make


@pytest.fixture
def make_prepared(make_graphs) -> Callable[..., PreparedData]:
    """Random samples with the given kinds of entity."""

    def make(
        kinds: tuple[str, ...] = ("molecule",), classes: int = 2, samples: int = 10
    ) -> PreparedData:
        rng = np.random.default_rng(1)
        proteins = ("MKTAYIAKQRQISFVKSHFSRQ", "GAVLIPFMW", "XX")
        categories = ("kinase", "receptor")
        values = {"molecule": 12, "protein": len(proteins), "category": len(categories)}
        rows = np.arange(samples)
        return PreparedData(
            name="synthetic",
            entities=tuple(
                EntityIndex(f"{kind}{place}", kind, rng.integers(0, values[kind], samples))
                for place, kind in enumerate(kinds)
            ),
            graphs=make_graphs(),
            smiles=(),
            proteins=proteins,
            categories=categories,
            labels=rows % classes,
            class_names=tuple(map(str, range(classes))),
            rows=rows,
            identity=rows,
            total_rows=samples,
            unusable=(),
            repaired=(),
            notes=(),
            data_sha256="",
            content_sha256="",
            fingerprint="",
        )

    return make


@pytest.fixture
def make_batch(make_graphs) -> Callable[..., GraphBatch]:
    def make(numbers: list[int] | None = None, graphs: PackedGraphs | None = None) -> GraphBatch:
        graphs = graphs if graphs is not None else make_graphs()
        chosen = np.arange(len(graphs)) if numbers is None else np.array(numbers)
        return GraphCollator(graphs)(chosen)

    return make
