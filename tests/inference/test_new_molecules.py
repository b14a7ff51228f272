"""New molecules are what the same molecules of a data set are."""

from __future__ import annotations

import numpy as np
import torch

from bench.data.batch import GraphBatch
from bench.data.collate import Collator
from bench.dataset import Entity
from bench.inference.model import load_model
from bench.inference.samples import read_samples


def batch_of(prepared, positions) -> GraphBatch:
    return Collator(prepared, fingerprint_bits=256)(positions).inputs["molecule"]


def test_bonds_and_fingerprints_of_new_molecules_are_those_of_the_data(every_method):
    card = load_model(every_method.folder("vanilla")).card
    known = every_method.prepared
    chosen = np.array([5, 0, 77])
    smiles = [known.smiles[graph] for graph in known.entities[0].index[chosen]]
    read = read_samples([Entity("smiles", "molecule", [*smiles, "C1CC"])], card)
    assert read.rows.tolist() == [0, 1, 2]
    expected, found = batch_of(known, chosen), batch_of(read.prepared, np.arange(3))
    assert torch.equal(found.bonds, expected.bonds)
    assert torch.equal(found.fingerprints, expected.fingerprints)
    assert found.fingerprints.any(dim=1).all()
    # Rows of another table of the same vectors.
    for batch in (found, expected):
        assert batch.bond_features.shape[1] == 12
    assert torch.equal(
        found.bond_features[found.bond_types], expected.bond_features[expected.bond_types]
    )
