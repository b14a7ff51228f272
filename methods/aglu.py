"""Activations of learned shape in the head, a gate on the embedding, and the prior taken off."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from bench.data.batch import Batch
from bench.method import Method, log_shares, register_method
from bench.models._weights import initial_weights
from bench.models.network import Network
from bench.options import Options

from .losses.adaptive_activation import (
    Adjustment,
    adaptive_linear_unit,
    adaptive_parametric_activation,
    logit_adjustments,
)

_LEAST_SHAPE = 1e-4
# The gate's hidden layer is so many times narrower than the embedding.
_NARROWER = 16


class AGLUOptions(Options):
    """Settings of the adaptive generalised linear unit."""

    adjust: Adjustment = Field(
        "raw", description="added to predict; raw: log(N / n_k); rel: log((N - n_k) / n_k)"
    )


@register_method(
    "aglu",
    title="AGLU",
    group="extension",
    reference="Alexandridis et al., ECCV 2024, arXiv 2407.08567",
)
class AdaptiveActivation(Method):
    """Learns the shape of the head's activations, and predicts as if classes were equally frequent.

    Formula: ``AGLU(x) = x APA(x)`` in place of ReLU in the head, ``APA(x) = (l exp(-k x) +
    1)^(-1 / l)`` with l and k learned, one of each a layer; before it the embedding is
    ``e * APA(V' relu(V e))``. ``L = CE(z, y)``; prediction is ``argmax z + log(N / n_k)``.

    Settings: ``adjust``, ``raw`` here, which is post-hoc logit adjustment by the whole prior.
    Cost: 1.2 to 1.4 times vanilla.

    When it helps: compare with ``logit_adjustment_posthoc``, which moves the decision as far; the
    difference is what the activation is worth. The authors' ``rel`` takes the prior off twice
    where there are two classes.

    What differs: the authors replace every activation and put gates into the blocks of image
    networks; here the encoder stays as it is for every row, and the gate is a sixteenth as wide as
    the embedding. At the start l is drawn from (0, 1), k from (0.8, 1.2), and that of the gate from
    (-1, 0); l stays above 0.0001. Weight decay reaches l and k as all that is trained (they leave
    them out); at the common 2e-4 it pulls little. A class without training samples counts as one
    with a single sample.
    """

    options_type = AGLUOptions
    options: AGLUOptions
    adjustment: Tensor

    def setup(self) -> None:
        adjustment = logit_adjustments(self.context.class_counts, self.options.adjust)
        self.register_buffer("adjustment", adjustment)

    def initialise(self, network: Network) -> None:
        like = network.head.classifier.weight
        layers, width = len(network.head.layers), network.embedding_features
        rng = self.context.rng("activations")
        shapes = torch.from_numpy(rng.uniform(0, 1, layers + 1))
        slopes = torch.from_numpy(rng.uniform(0.8, 1.2, layers + 1))
        slopes[-1] = rng.uniform(-1, 0)
        # One of each layer of the head; the gate's are the last.
        self.shapes = nn.Parameter(shapes.to(like))
        self.slopes = nn.Parameter(slopes.to(like))
        narrow = max(1, width // _NARROWER)
        with initial_weights(self.context.seed, "gate"):
            gate = nn.Sequential(nn.Linear(width, narrow), nn.ReLU(), nn.Linear(narrow, width))
        self.gate = gate.to(like)

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        return self.loss(self._logits(network, batch), batch.labels)

    def predict(self, network: Network, batch: Batch) -> Tensor:
        return self.adjust_logits(self._logits(network, batch))

    def adjust_logits(self, logits: Tensor) -> Tensor:
        return logits + self.adjustment.to(logits.dtype)

    def implied_log_prior(self) -> Tensor:
        return log_shares(self.context.log_counts + self.adjustment.cpu())

    def _logits(self, network: Network, batch: Batch) -> Tensor:
        embeddings, head = network.encode(batch), network.head
        if head.precision == "float32":
            return head.classifier(self._hidden(head.layers, embeddings))
        with torch.autocast(embeddings.device.type, dtype=torch.bfloat16):
            hidden = self._hidden(head.layers, embeddings).float()
        return head.classifier(hidden)

    def _hidden(self, layers: nn.ModuleList, x: Tensor) -> Tensor:
        """What enters the last linear layer, (B, 256), from embeddings (B, d)."""
        shapes, slopes = self.shapes.clamp_min(_LEAST_SHAPE), self.slopes
        x = x * adaptive_parametric_activation(self.gate(x), shapes[-1], slopes[-1])
        for layer, shape, slope in zip(layers, shapes, slopes, strict=False):
            x = adaptive_linear_unit(layer(x), shape, slope)
        return x
