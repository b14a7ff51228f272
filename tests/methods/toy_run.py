"""A method on the toy data, put together as in a real run."""

from dataclasses import dataclass

import numpy as np

from bench.data.batch import Batch
from bench.data.collate import Collator
from bench.method import Context, Method
from bench.models.gcn import GCNOptions
from bench.models.network import Network, build_network
from bench.split import Split
from bench.training.evaluation import EvaluationBatches, predict_logits
from bench.training.loop import TrainingResult, train
from bench.training.settings import TrainingSettings
from tests.toy import toy_data, toy_split


@dataclass
class ToyRun:
    network: Network
    method: Method
    collator: Collator
    split: Split

    def batch(self, size: int = 16) -> Batch:
        return self.collator(self.split.train[:size])

    def train(self, **kwargs) -> TrainingResult:
        context = self.method.context
        settings = TrainingSettings(epochs=context.epochs, batch_size=16, learning_rate=0.01)
        return train(
            self.network, self.method, self.collator, self.split, settings,
            seed=context.seed, **kwargs,
        )  # fmt: skip

    def test_logits(self) -> np.ndarray:
        test = EvaluationBatches(self.collator, self.split.test)
        return predict_logits(self.network, self.method, test)


def toy_run(method_type, *, counts=(120, 60, 30), epochs=4, seed=0, **options) -> ToyRun:
    data = toy_data(counts)
    split = toy_split(data)
    network = build_network(data, {"molecule": ("gcn", GCNOptions(hidden=8, out=8))}, seed=seed)
    context = Context(data.labels[split.train], data.num_classes, epochs, seed)
    method = method_type(method_type.options_type(**options), context)
    return ToyRun(network, method, network.collator(data), split)


def on_counts(method_type, counts, **options) -> Method:
    """The method for a training set of `counts` samples, without data or network."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return method_type(method_type.options_type(**options), Context(labels, len(counts), 10, 0))
