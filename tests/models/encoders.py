"""What every encoder is tested for."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def check_gradients(model: torch.nn.Module, graphs) -> None:
    """The gradients of all parameters are those of finite differences."""
    names, values = zip(*model.named_parameters(), strict=True)

    def embed(*parameters):
        return torch.func.functional_call(model, dict(zip(names, parameters, strict=True)), graphs)

    assert torch.autograd.gradcheck(embed, values)


def check_second_derivatives(model: torch.nn.Module, graphs, weight: torch.Tensor) -> None:
    """They are refused, and not wrong."""
    first = model(graphs).square().sum()
    (grad,) = torch.autograd.grad(first, weight, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def check_one_atom(model: torch.nn.Module, graphs, reference) -> None:
    """One molecule of one atom: finite gradients for all parameters, and the right embedding."""
    assert (graphs.num_atoms, len(graphs.bonds)) == (1, 0)
    model(graphs).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    graphs = graphs.to(dtype=torch.float64)
    expected = reference(model.double(), graphs)
    np.testing.assert_allclose(model(graphs).detach(), expected, rtol=1e-10)


def check_peer(
    found: torch.Tensor,
    expected: torch.Tensor,
    pairs: Iterable[tuple[torch.nn.Parameter, torch.nn.Parameter]],
) -> None:
    """Embeddings are equal, and so are the gradients of each pair of parameters: ours, theirs."""
    tolerance = TOLERANCE[found.dtype]
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    coefficients = torch.randn_like(found)
    (found * coefficients).sum().backward()
    (expected * coefficients).sum().backward()
    for mine, other in pairs:
        gradient = other.grad.reshape(mine.shape)
        scale = max(gradient.abs().max().item(), 1)
        torch.testing.assert_close(mine.grad, gradient, rtol=tolerance, atol=tolerance * scale)
