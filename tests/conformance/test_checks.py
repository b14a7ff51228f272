"""Each check passes what is right and catches a method that is broken in just that way."""

import inspect
import random
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm

from bench.backbone import BACKBONES
from bench.conformance.checks import CHECKS
from bench.conformance.run import run_check, run_checks
from bench.conformance.subject import MethodUnderTest
from bench.conformance.toy import toy_split
from bench.conformance.trial import Case, FinishedRuns, NetworkTrial
from bench.method import Ensemble, Estimator, Method, Stage
from bench.models.gcn import GCN
from bench.options import Options

FACTS = {"title": "Toy", "reference": "none", "group": "extension", "version": 1}


def subject(cls, **facts):
    return MethodUnderTest(cls, Options(), {**FACTS, **facts}, FinishedRuns())


def failures(cls):
    return {result.check for result in run_checks(subject(cls)) if result.verdict == "failed"}


class WrongShape(Method):
    def adjust_logits(self, logits):
        return logits[:, :1]


class ScoresToSpare(Method):
    """One more score than there are classes, as of an unknown one."""

    def predict(self, network, batch):
        logits = network(batch)
        return torch.cat([logits, logits[:, :1]], dim=1)


class ClassNumbers(Method):
    def adjust_logits(self, logits):
        return logits.argmax(dim=1)


class ReturnsNothing(Method):
    def loss(self, logits, labels):
        super().loss(logits, labels)


class ReturnsANumber(Method):
    def training_step(self, network, batch):
        return super().training_step(network, batch).item()


class NotReduced(Method):
    def loss(self, logits, labels):
        return nn.functional.cross_entropy(logits, labels, reduction="none")


class DetachedLoss(Method):
    def loss(self, logits, labels):
        return super().loss(logits, labels).detach()


class EmptyEpochs(Method):
    def sample_epoch(self, epoch):
        return np.array([], np.int64)


class NotFinite(Method):
    def adjust_logits(self, logits):
        return logits / 0


class UnusedParameter(Method):
    def setup(self):
        self.unused = nn.Parameter(torch.ones(3))


class UntrainedHead(Method):
    def training_step(self, network, batch):
        return network.encode(batch).square().mean()


class FadesIn(Method):
    """Nothing but weight decay moves the network in the first epoch."""

    def begin_epoch(self, epoch, network):
        self.share = float(epoch > 1)

    def loss(self, logits, labels):
        return self.share * super().loss(logits, labels)


class GradientOfUnusedBranch(Method):
    """Where the root is not taken, its infinite slope still makes the gradient nan."""

    def setup(self):
        self.scale = nn.Parameter(torch.zeros(1))

    def loss(self, logits, labels):
        root = torch.where(torch.tensor(False), self.scale.sqrt(), 1.0)
        return super().loss(logits, labels) * root.squeeze()


class HeadOnly(Method):
    """Trains the head alone."""

    def stages(self):
        return (Stage("head", 1.0, lambda network: network.head),)


class WritesToFrozenWeights(HeadOnly):
    def begin_epoch(self, epoch, network):
        with torch.no_grad():
            network.encoders["molecule"].output.weight.mul_(0.5)


class MovesFrozenStatistics(HeadOnly):
    def training_step(self, network, batch):
        network.train()
        return super().training_step(network, batch)


class WritesLabels(Method):
    def training_step(self, network, batch):
        batch.labels.fill_(0)
        return super().training_step(network, batch)


class WritesSharedFeatures(Method):
    def training_step(self, network, batch):
        batch.inputs["molecule"].atom_features.mul_(1.01)
        return super().training_step(network, batch)


class SameOrder(Method):
    def sample_epoch(self, epoch):
        return np.arange(len(self.context.labels))


class NegativePositions(Method):
    def sample_epoch(self, epoch):
        return super().sample_epoch(epoch) - 5


class DrawsFromTorch(Method):
    def setup(self):
        torch.rand(1)


class DrawsFromNumPy(Method):
    def begin_epoch(self, epoch, network):
        np.random.rand()  # noqa: NPY002


class DrawsFromPython(Method):
    def begin_epoch(self, epoch, network):
        random.random()


class PlainTensor(Method):
    def setup(self):
        self.weights = torch.ones(self.context.num_classes)


class ListOfTensors(Method):
    def begin_epoch(self, epoch, network):
        self.means = [torch.zeros(2)]


class LearnsAPlainNumber(Method):
    shift = 0.0

    def conclude(self, network):
        self.shift = self.context.view.logits(network).mean().item()

    def adjust_logits(self, logits):
        return logits * (1 + self.shift)


class LateModule(Method):
    def begin_stage(self, index, network):
        self.scale = nn.Linear(1, 1)

    def loss(self, logits, labels):
        return super().loss(logits, labels) + self.scale(logits[:, :1]).mean()


class ReadsDataAtFirst(Method):
    """Whoever loads a model has no data."""

    def initialise(self, network):
        self.register_buffer("centre", self.context.view.embeddings(network).mean(dim=0))


class ReportsATensor(Method):
    def report(self):
        return {"weights": torch.ones(3)}


class CountsEpochs(Method):
    """Loses its count when a run goes on in a fresh object."""

    epochs = 0

    def begin_epoch(self, epoch, network):
        self.epochs += 1

    def loss(self, logits, labels):
        return super().loss(logits, labels) * self.epochs


class SetsInBeginStage(Method):
    factor = 1.0

    def begin_stage(self, index, network):
        self.factor = 2.0

    def loss(self, logits, labels):
        return super().loss(self.factor * logits, labels)


class DrawsOnAndOn(Method):
    """Its generator starts once, not at every epoch."""

    def setup(self):
        self.rng = self.context.rng("noise")

    def loss(self, logits, labels):
        return super().loss(logits, labels) * self.rng.uniform(0.5, 1.5)


class RegistersLate(Method):
    def begin_epoch(self, epoch, network):
        self.register_buffer("late", torch.tensor(float(epoch)))


class CentresABatch(Method):
    def adjust_logits(self, logits):
        return logits - logits.mean(dim=0)


class RemembersByPosition(Method):
    """Subtracts the mean of the test set, once; asked again, it has its answers."""

    def setup(self):
        self.answers = {}

    def predict(self, network, batch):
        logits = network(batch)
        new = {
            int(position): row
            for position, row in zip(
                batch.positions, (logits - logits.mean(dim=0)).tolist(), strict=True
            )
            if int(position) not in self.answers
        }
        self.answers |= new
        return logits.new_tensor([self.answers[int(position)] for position in batch.positions])


class LooksAround(Method):
    """Finds the data where whoever trains it keeps them."""

    def adjust_logits(self, logits):
        frame, data = inspect.currentframe(), None
        while frame is not None and data is None:
            data = getattr(frame.f_locals.get("self"), "data", None)
            frame = frame.f_back
        labels = data.labels[toy_split(data).test]
        return logits + labels @ np.arange(len(labels)) / 100


class ReadsLabels(Method):
    def predict(self, network, batch):
        return 100.0 * nn.functional.one_hot(batch.labels, self.context.num_classes)


class Unseeded(Method):
    def loss(self, logits, labels):
        return super().loss(logits, labels) * np.random.default_rng().uniform(0.5, 1.5)


class DrawsFromGlobalStateInSetup(Method):
    def setup(self):
        self.register_buffer("noise", torch.rand(1))

    def adjust_logits(self, logits):
        return logits + self.noise


class IgnoresTheSeed(Method):
    def initialise(self, network):
        generator = torch.Generator().manual_seed(0)
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.1, generator=generator)

    def sample_epoch(self, epoch):
        return np.random.default_rng(epoch).permutation(len(self.context.labels))


class LearnsOneClass(Method):
    def loss(self, logits, labels):
        return super().loss(logits, torch.zeros_like(labels))


class NeedsThreeClasses(Method):
    def loss(self, logits, labels):
        return super().loss(logits, labels) + 0 * logits[:, 2].sum()


class NeedsFewClasses(Method):
    def loss(self, logits, labels):
        return super().loss(logits[:, :9], labels)


class SubtractsThePrior(Method):
    def adjust_logits(self, logits):
        return logits - self.context.class_counts.log()


class DividesByOthers(Method):
    def adjust_logits(self, logits):
        return logits / (self.context.class_counts - 1)


class NeedsTwoSamples(Method):
    def loss(self, logits, labels):
        return super().loss(batch_norm(logits, None, None, training=True), labels)


class NeedsTwoClasses(Method):
    def loss(self, logits, labels):
        return super().loss(logits, labels) + 0 * logits[labels != labels[0]].mean()


class NeedsBonds(Method):
    def training_step(self, network, batch):
        graphs = batch.inputs["molecule"]
        bonds = len(graphs.neighbours) - graphs.num_atoms
        return super().training_step(network, batch) * (bonds / bonds)


class SinglePrecision(Method):
    def loss(self, logits, labels):
        return super().loss(logits @ torch.eye(self.context.num_classes), labels)


class KnowsItsBackbone(Method):
    def begin_epoch(self, epoch, network):
        assert isinstance(network.encoders["molecule"], GCN)


BROKEN = {
    "description": [type("NoDocstring", (Method,), {})],
    "shapes": [
        WrongShape,
        ScoresToSpare,
        ClassNumbers,
        ReturnsNothing,
        ReturnsANumber,
        NotReduced,
        DetachedLoss,
        EmptyEpochs,
    ],
    "trains": [NotFinite, GradientOfUnusedBranch, ReportsATensor],
    "gradients": [UnusedParameter, UntrainedHead, FadesIn],
    "frozen_parts": [WritesToFrozenWeights, MovesFrozenStatistics],
    "inputs_unchanged": [WritesLabels, WritesSharedFeatures],
    "order_of_samples": [SameOrder, NegativePositions],
    "global_random_state": [DrawsFromTorch, DrawsFromNumPy, DrawsFromPython],
    "state_in_buffers": [PlainTensor, ListOfTensors],
    "save_and_load": [LearnsAPlainNumber, LateModule, ReadsDataAtFirst],
    "goes_on_after_a_stop": [CountsEpochs, SetsInBeginStage, DrawsOnAndOn, RegistersLate],
    "prediction_of_one": [CentresABatch, RemembersByPosition],
    "predicts_without_labels": [LooksAround],
    "same_seed_same_result": [Unseeded, DrawsFromGlobalStateInSetup],
    "other_seed_other_result": [IgnoresTheSeed],
    "learns_a_separable_set": [LearnsOneClass],
    "two_classes": [NeedsThreeClasses],
    "ten_classes": [NeedsFewClasses],
    "class_without_training_samples": [SubtractsThePrior],
    "class_with_one_training_sample": [DividesByOthers],
    "batch_of_one_sample": [NeedsTwoSamples],
    "batch_of_one_class": [NeedsTwoClasses],
    "one_atom_molecules": [NeedsBonds],
    "double_precision": [SinglePrecision],
    "dgl_backend": [KnowsItsBackbone],
}


def test_every_check_has_a_method_that_it_catches():
    assert BROKEN.keys() == CHECKS.keys()


@pytest.mark.parametrize(
    ("check", "cls"), [(name, cls) for name, broken in BROKEN.items() for cls in broken]
)
def test_a_broken_method_is_caught(check, cls):
    if check == "dgl_backend" and "gcn_dgl" not in BACKBONES:
        pytest.skip("no dgl")
    broken = subject(cls)
    # Before the check itself, as in a run of all checks: it must not live on what this leaves.
    trains = {"shapes": "skipped", "trains": "failed"}.get(check, "ok")
    assert run_check("trains", broken).verdict == trains
    result = run_check(check, broken)
    assert result.verdict == "failed"
    assert result.text.startswith("expected ")
    assert ", but got " in result.text


@pytest.mark.parametrize(
    ("cls", "source", "got"),
    [
        (WrongShape, "WrongShape.adjust_logits", "torch.float32 of shape (21, 1)"),
        (ScoresToSpare, "ScoresToSpare.predict", "torch.float32 of shape (21, 4)"),
        (ClassNumbers, "ClassNumbers.adjust_logits", "torch.int64 of shape (21,), as of class"),
        (ReturnsNothing, "ReturnsNothing.loss", "None; end it with return"),
        (ReturnsANumber, "ReturnsANumber.training_step", "a value of type float; return the"),
        (NotReduced, "NotReduced.loss", "shape (16,); take its mean"),
        (DetachedLoss, "DetachedLoss.loss", "one without a gradient"),
        (EmptyEpochs, "EmptyEpochs.sample_epoch", "int64 of shape (0,)"),
    ],
)
def test_a_value_that_is_no_loss_and_no_logits_is_the_only_failure(cls, source, got):
    results = {r.check: r for r in run_checks(subject(cls)) if r.check != "description"}
    assert {name for name, r in results.items() if r.verdict != "skipped"} == {"shapes"}
    assert f"from {source}," in results["shapes"].text.replace(" but", "")
    assert f"but got {got}" in results["shapes"].text


@pytest.mark.parametrize("check", ["trains", "predicts_without_labels"])
def test_a_method_that_returns_the_labels_it_should_predict_is_told_so(check):
    result = run_check(check, subject(ReadsLabels))
    assert result.verdict == "failed"
    assert "but `batch.labels` was read where a batch has none" in result.text


def test_checks_of_predictions_say_nothing_of_a_method_that_does_not_repeat():
    unseeded = subject(Unseeded)
    assert run_check("predicts_without_labels", unseeded).verdict == "skipped"
    assert run_check("prediction_of_one", unseeded).verdict == "skipped"
    # And a method that depends on test labels repeats where these are the same.
    assert run_check("same_seed_same_result", subject(LooksAround)).verdict == "ok"


def test_plain_training_passes_every_check():
    assert failures(Method) == set()


class Stages(Method):
    """First everything with a loss on a noisy projection of its own, then a new head alone."""

    def setup(self):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.context.seed)
            self.projection = nn.Linear(8, 4)

    def stages(self):
        return (Stage("all", 0.6), Stage("head", 0.4, lambda network: network.head))

    def begin_stage(self, index, network):
        if index == 1:
            network.head.reset(self.context.seed + 1)

    def selectable(self, epoch):
        return epoch > 0.6 * self.context.epochs

    def training_step(self, network, batch):
        embeddings = network.encode(batch)
        projected = self.projection(embeddings)
        noise = torch.randn(
            projected.shape, generator=self.context.generator, dtype=projected.dtype
        )
        second = 0.1 * (projected + noise).square().mean()
        return self.loss(network.head(embeddings), batch.labels) + second


class GrowsAndFreezes(Method):
    """Keeps a number an epoch in a buffer that grows; freezes its scale in the second stage."""

    def setup(self):
        self.register_buffer("seen", torch.zeros(0))
        self.scale = nn.Parameter(torch.ones(1))

    def stages(self):
        return (Stage("all", 0.6), Stage("rest", 0.4))

    def begin_stage(self, index, network):
        self.scale.requires_grad_(index == 0)

    def begin_epoch(self, epoch, network):
        self.seen = torch.cat([self.seen, torch.rand(1, generator=self.context.generator)])

    def loss(self, logits, labels):
        return super().loss(logits * self.scale, labels) * (1 + self.seen.mean())


class PostHoc(Method):
    """Takes a finished run and shifts its logits."""

    @classmethod
    def requires(cls, options):
        return {"base": "vanilla"}

    def setup(self):
        self.register_buffer("shift", torch.zeros(self.context.num_classes))

    def stages(self):
        return ()

    def initialise(self, network):
        network.load_state_dict(self.context.runs["base"].network_state)

    def conclude(self, network):
        self.shift += 0.1 * self.context.view.logits(network).mean(dim=0)

    def adjust_logits(self, logits):
        return logits - self.shift


@pytest.mark.parametrize("cls", [Stages, GrowsAndFreezes, PostHoc])
def test_a_method_that_uses_more_of_the_contract_passes(cls):
    assert failures(cls) == set()


def test_required_runs_are_trained_once_and_each_caller_has_tensors_of_its_own(monkeypatch):
    trainings = []
    train = NetworkTrial.train
    monkeypatch.setattr(NetworkTrial, "train", lambda trial: (trainings.append(1), train(trial)))
    finished = FinishedRuns()
    first = finished.required(PostHoc, Options(), Case())["base"].network_state()
    kept = {name: tensor.clone() for name, tensor in first.items()}
    for tensor in first.values():
        tensor.zero_()
    again = finished.required(PostHoc, Options(), Case())["base"].network_state()
    assert len(trainings) == 1
    assert all(torch.equal(again[name], tensor) for name, tensor in kept.items())
    finished.required(PostHoc, Options(), Case(seed=1))
    assert len(trainings) == 2


def test_checks_that_say_nothing_give_their_reason():
    assert run_check("gradients", subject(PostHoc)).text.startswith("it trains nothing")
    assert run_check("frozen_parts", subject(Stages)).verdict == "ok"
    assert run_check("frozen_parts", subject(Method)).text == "no stage freezes anything"


def test_when_training_breaks_only_one_check_says_so():
    class Raises(Method):
        """Raises."""

        def loss(self, logits, labels):
            return logits.no_such_attribute

    results = {result.check: result for result in run_checks(subject(Raises))}
    assert results["trains"].verdict == "failed"
    assert "AttributeError" in results["trains"].text
    assert "test_checks.py:" in results["trains"].text
    assert {r.verdict for name, r in results.items() if name not in ("trains", "description")} == {
        "skipped"
    }


@pytest.mark.parametrize("fact", ["title", "reference"])
def test_an_empty_fact_is_caught(fact):
    result = run_check("description", subject(Stages, **{fact: " "}))
    assert result.verdict == "failed"
    assert fact in result.text


def test_an_option_without_description_is_caught():
    class Bare(Options):
        rate: float = 1.0

    class WithOption(Method):
        """One option."""

        options_type = Bare

    result = run_check("description", MethodUnderTest(WithOption, Bare(), FACTS, FinishedRuns()))
    assert result.verdict == "failed"
    assert "rate" in result.text


class NearestMean(Estimator):
    """Nearest class mean of element frequencies."""

    elements = ("C", "N", "S", "P", "B", "Si", "Se", "Ge", "As", "Sn")

    def _features(self, samples):
        smiles = samples.entities[0].values
        counts = [[text.count(f"[{e}]") + text.count(f"[{e}H]") for e in self.elements]
                  for text in smiles]  # fmt: skip
        return np.array(counts) / np.sum(counts, axis=1, keepdims=True)

    def fit(self, train, valid):
        features = self._features(train)
        classes = range(self.context.num_classes)
        self.means = np.stack(
            [
                features[train.labels == k].mean(axis=0) if k in train.labels else np.full(10, 9.0)
                for k in classes
            ]
        )

    def logits(self, samples):
        assert samples.known_labels is None
        return -np.linalg.norm(self._features(samples)[:, None] - self.means, axis=2)


class ListOfScores(NearestMean):
    def logits(self, samples):
        return super().logits(samples).tolist()


class TensorOfScores(NearestMean):
    def logits(self, samples):
        return torch.from_numpy(super().logits(samples))


class BestClasses(NearestMean):
    def logits(self, samples):
        return super().logits(samples).argmax(axis=1)


class FewerRows(NearestMean):
    def logits(self, samples):
        return super().logits(samples)[1:]


class MeanOfNone(Ensemble):
    """Gives back one score a sample of the runs that it combines."""

    @classmethod
    def requires(cls, options):
        return {"base": "vanilla"}

    def fit(self, logits, labels):
        """Nothing is chosen."""

    def logits(self, logits):
        return logits["base"].mean(axis=1)


class SeenClassesOnly(NearestMean):
    def fit(self, train, valid):
        super().fit(train, valid)
        self.means = self.means[np.unique(train.labels)]


class UnseededEstimator(NearestMean):
    def logits(self, samples):
        return super().logits(samples) + np.random.default_rng().random()


class RemembersMolecules(NearestMean):
    """Centres on the molecules that it is asked about; slow features are made once."""

    def fit(self, train, valid):
        super().fit(train, valid)
        self.answers = {}

    def logits(self, samples):
        smiles = samples.entities[0].values
        logits = super().logits(samples)
        self.answers = dict(zip(smiles, logits - logits.mean(axis=0), strict=True)) | self.answers
        return np.stack([self.answers[text] for text in smiles])


class GlobalDraw(NearestMean):
    def fit(self, train, valid):
        super().fit(train, valid)
        np.random.rand()  # noqa: NPY002


class Keeping(NearestMean):
    def state(self):
        return {"means": self.means}

    def load_state(self, state):
        self.means = state["means"]


class KeepingSomethingElse(Keeping):
    def state(self):
        return {"means": self.means / 2}


class KeepingOfItself(Keeping):
    def state(self):
        return {"means": self}


class KeepingLessThanItUses(Keeping):
    """Whoever loads a model has other labels: those of the training set in order."""

    def logits(self, samples):
        return super().logits(samples) * (1 + self.context.labels[:5].mean())


class ReportsNaN(NearestMean):
    def report(self):
        return {"chosen": float("nan")}


class ReportsNumPy(NearestMean):
    def report(self):
        return {"chosen": np.int64(1)}


class Constant(NearestMean):
    def logits(self, samples):
        return 0 * super().logits(samples)


def test_a_good_estimator_passes_and_what_needs_a_network_is_not_applicable():
    results = {result.check: result for result in run_checks(subject(NearestMean))}
    assert {r.check for r in results.values() if r.verdict == "failed"} == set()
    ok = {name for name, result in results.items() if result.verdict == "ok"}
    assert ok == {
        "description", "shapes", "trains", "global_random_state", "prediction_of_one",
        "predicts_without_labels", "same_seed_same_result", "learns_a_separable_set",
        "two_classes", "ten_classes", "class_without_training_samples",
        "class_with_one_training_sample", "one_atom_molecules",
    }  # fmt: skip
    assert results["gradients"].text == "it trains no network"
    assert results["save_and_load"].text == "it keeps no model"


def test_an_estimator_that_keeps_a_model_is_loaded_again():
    [result] = [r for r in run_checks(subject(Keeping)) if r.check == "save_and_load"]
    assert result.verdict == "ok"


@pytest.mark.parametrize(
    ("cls", "check"),
    [
        (ListOfScores, "shapes"),
        (TensorOfScores, "shapes"),
        (BestClasses, "shapes"),
        (FewerRows, "shapes"),
        (MeanOfNone, "shapes"),
        (SeenClassesOnly, "class_without_training_samples"),
        (UnseededEstimator, "same_seed_same_result"),
        (RemembersMolecules, "prediction_of_one"),
        (GlobalDraw, "global_random_state"),
        (Constant, "learns_a_separable_set"),
        (KeepingSomethingElse, "save_and_load"),
        (KeepingOfItself, "save_and_load"),
        (KeepingLessThanItUses, "save_and_load"),
        (ReportsNaN, "trains"),
        (ReportsNumPy, "trains"),
    ],
)
def test_a_broken_estimator_is_caught(cls, check):
    assert check in failures(cls)


def test_a_package_that_draws_while_it_is_imported_is_not_the_methods_draw(tmp_path, monkeypatch):
    (tmp_path / "draws_once.py").write_text("import random\n\nrandom.random()\n")
    monkeypatch.syspath_prepend(tmp_path)

    class Imports(NearestMean):
        def fit(self, train, valid):
            import_module("draws_once")
            super().fit(train, valid)

    imports = subject(Imports)
    assert run_check("global_random_state", imports).verdict == "ok"
    assert imports.first_run.touched == {"random"}


def test_checks_leave_the_global_random_state_alone():
    random.seed(3)
    torch.manual_seed(3)
    expected = random.random(), torch.rand(1)
    random.seed(3)
    torch.manual_seed(3)
    run_check("same_seed_same_result", subject(DrawsFromPython))
    assert (random.random(), torch.rand(1)) == expected
