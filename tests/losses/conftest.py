"""The fixture of all worked numbers: three classes, two samples."""

import pytest
import torch


@pytest.fixture
def counts():
    return torch.tensor([100, 20, 5])


@pytest.fixture
def logits():
    return torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.2, 0.1]], dtype=torch.float64)


@pytest.fixture
def target():
    return torch.tensor([0, 2])
