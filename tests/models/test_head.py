from __future__ import annotations

import torch
from torch import nn

from bench.models._weights import initial_weights
from bench.models.head import Head


def test_logits_are_the_classifier_on_the_hidden_activations():
    head = Head(512, 10)
    x = torch.randn(4, 512, generator=torch.Generator().manual_seed(0))
    hidden = head.hidden(x)
    assert hidden.shape == (4, 256)
    assert (hidden >= 0).all()
    assert torch.equal(head(x), head.classifier(hidden))
    assert [layer.in_features for layer in head.layers] == [512, 256, 256]


def test_reset_depends_on_the_seed_alone_and_changes_every_parameter():
    first, second = Head(256, 2), Head(256, 2)
    before = [parameter.clone() for parameter in first.parameters()]
    first.reset(3)
    second.reset(3)
    for old, new, other in zip(before, first.parameters(), second.parameters(), strict=True):
        assert not torch.equal(old, new)
        assert torch.equal(new, other)
    second.reset(4)
    assert not torch.equal(first.classifier.weight, second.classifier.weight)


def test_layers_of_equal_shape_start_equal_whatever_the_other_sizes():
    small, large = Head(256, 2), Head(512, 10)
    small.reset(0)
    large.reset(0)
    for ours, theirs in zip(small.layers[1:], large.layers[1:], strict=True):
        assert torch.equal(ours.weight, theirs.weight)
    assert not torch.equal(small.layers[1].weight, small.layers[2].weight)


def test_reset_leaves_global_random_state_alone():
    head = Head(256, 2)
    before = torch.get_rng_state()
    head.reset(0)
    assert torch.equal(torch.get_rng_state(), before)


def drawn_before(layer: nn.Linear, seed: int, name: str) -> list[torch.Tensor]:
    with initial_weights(seed, f"head.{name}"):
        return list(nn.Linear(layer.in_features, layer.out_features).parameters())


def test_reset_draws_what_new_layers_draw():
    head = Head(8, 2)
    head.reset(5)
    for name, layer in [("classifier", head.classifier), ("layers.1", head.layers[1])]:
        assert all(map(torch.equal, layer.parameters(), drawn_before(layer, 5, name)))


def test_reset_of_a_layer_without_bias_draws_the_same_weights():
    head = Head(8, 2)
    head.classifier = nn.Linear(256, 2, bias=False)
    head.reset(5)
    assert torch.equal(head.classifier.weight, drawn_before(head.classifier, 5, "classifier")[0])


def test_reset_starts_a_layer_as_it_starts_itself():
    class Orthogonal(nn.Linear):
        def reset_parameters(self) -> None:
            nn.init.orthogonal_(self.weight)
            nn.init.zeros_(self.bias)

    head = Head(8, 2)
    head.classifier = Orthogonal(256, 2)
    before = head.classifier.weight.clone()
    head.reset(5)
    weight = head.classifier.weight.detach()
    assert not torch.equal(weight, before)
    torch.testing.assert_close(weight @ weight.t(), torch.eye(2))
    assert not head.classifier.bias.any()


def test_reset_draws_in_the_type_of_the_layer():
    head = Head(8, 2).double()
    head.reset(5)
    assert head.classifier.weight.dtype == torch.float64
    assert not torch.equal(head.classifier.weight, head.classifier.weight.float().double())
