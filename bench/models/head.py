"""From a sample's embedding to logits."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from bench.models._linear import Linear, relu_layers
from bench.models._weights import initial_weights

HIDDEN, LAYERS = 256, 3

Precision = Literal["float32", "bfloat16"]


class Head(nn.Module):
    """Perceptron d -> 256 -> 256 -> 256 -> K with ReLU.

    Parameters
    ----------
    in_features : int
        d, the length of a sample's embedding.
    num_classes : int
        K.

    Attributes
    ----------
    classifier : nn.Linear
        The last linear layer.
    precision : {"float32", "bfloat16"}
        Of the matrix products in the hidden layers. Weights, what leaves the hidden layers,
        logits and losses are float32 either way.
    """

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        widths = [in_features] + [HIDDEN] * LAYERS
        self.layers = nn.ModuleList(Linear(before, after) for before, after in pairwise(widths))
        self.classifier = nn.Linear(HIDDEN, num_classes)
        self.precision: Precision = "float32"

    def hidden(self, x: Tensor) -> Tensor:
        """What enters the last linear layer, shape (B, 256), from embeddings (B, d)."""
        if self.precision == "float32":
            return self._hidden(x)
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            return self._hidden(x).float()

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (B, K), from embeddings (B, d)."""
        return self.classifier(self.hidden(x))

    def _hidden(self, x: Tensor) -> Tensor:
        return relu_layers(x, self.layers)

    def reset(self, seed: int) -> None:
        """Start afresh from `seed`, each layer as it draws its own weights.

        What it draws depends on its place, shape and type alone.
        """
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Linear):
                # Drawn by a copy on the CPU: the generator of another device is not seeded here.
                fresh = copy.deepcopy(layer).to_empty(device="cpu")
                with initial_weights(seed, f"head.{name}"):
                    fresh.reset_parameters()
                with torch.no_grad():
                    for own, drawn in zip(layer.parameters(), fresh.parameters(), strict=True):
                        own.copy_(drawn)
