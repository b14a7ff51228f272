"""Plain cross-entropy, the row every other one is measured against."""

from __future__ import annotations

from bench.method import Method, register_method


@register_method(
    "vanilla",
    title="Vanilla GCN",
    group="paper",
    reference="Kipf and Welling, ICLR 2017, arXiv 1609.02907 (encoder); softmax cross-entropy",
)
class Vanilla(Method):
    """Cross-entropy on shuffled training samples: nothing is done about the long tail.

    Formula: ``L = 1/B sum_i -log p_{y_i}``.

    Settings: none. Cost: the unit of all others.

    When it helps: when the test prior equals the training prior. Balanced accuracy suffers
    because rare classes are predicted too seldom.
    """
