from __future__ import annotations

import torch

from bench.models.category import Category, CategoryOptions


def test_each_category_has_a_vector_of_64_of_its_own():
    encoder = Category(3, CategoryOptions())
    embeddings = encoder(torch.tensor([2, 0, 1]))
    assert embeddings.shape == (3, encoder.out_features) == (3, 64)
    assert torch.equal(embeddings[0], encoder.embedding.weight[2])
    assert len(embeddings.unique(dim=0)) == 3
