import pytest
import torch
from torch.nn.functional import cross_entropy

from bench.methods.anyloss import AnyLoss
from bench.methods.losses.anyloss import metric_loss
from tests.methods.toy_run import toy_run


def test_begins_with_cross_entropy_which_is_never_selected():
    method = toy_run(AnyLoss, epochs=10).method
    logits, labels = torch.randn(6, 3), torch.tensor([0, 0, 1, 1, 2, 2])
    for epoch in range(1, 11):
        method.begin_epoch(epoch, None)
        expected = cross_entropy(logits, labels)
        if epoch > 2:
            expected = metric_loss(logits, labels, amplification=10.0)
        assert method.loss(logits, labels).item() == pytest.approx(expected.item())
        assert method.selectable(epoch) == (epoch > 2)


def test_a_warm_up_has_an_epoch_however_short_the_run():
    for share, expected in ((0.2, [False, True, True]), (0.0, [True, True, True])):
        method = toy_run(AnyLoss, epochs=3, warm_up=share).method
        assert [method.selectable(epoch) for epoch in (1, 2, 3)] == expected


@pytest.mark.parametrize("metric", ["g_mean", "macro_f1"])
def test_other_metrics_are_learned_too(metric):
    result = toy_run(AnyLoss, epochs=12, metric=metric, warm_up=0.1).train()
    assert result.best_valid_balanced_accuracy > 0.8
