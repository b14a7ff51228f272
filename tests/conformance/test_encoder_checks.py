"""Each check passes what is right and catches an encoder that is broken in just that way."""

import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from bench.backbone import CategoryBackbone, MoleculeBackbone, ProteinBackbone
from bench.conformance.encoder import EncoderUnderTest, renumbered, with_other_bond_types
from bench.conformance.encoder_checks import ENCODER_CHECKS
from bench.conformance.returned import require_width
from bench.conformance.run import encoder_of, run_check, run_checks
from bench.conformance.verdicts import ConformanceError
from bench.models._segments import graph_sum
from bench.models.protein_cnn import ProteinCNN, ProteinCNNOptions
from bench.options import Options

FACTS = {"title": "Toy", "reference": "none", "version": 1}
OUT = 6


class Molecules(MoleculeBackbone):
    """Sums over neighbours, and over the atoms of a molecule; reads bond features."""

    def __init__(self, num_features, options):
        super().__init__(num_features, options)
        self.atoms = nn.Linear(num_features, 8)
        self.bonds = nn.Linear(12, 8)
        self.output = nn.Linear(8, OUT)
        self.out_features = OUT

    def on_atoms(self, graphs):
        x, edges = self.atoms(graphs.features), graphs.directed
        bonds = self.bonds(graphs.bond_features.index_select(0, edges.types))
        return x + torch.zeros_like(x).index_add(0, edges.targets, x[edges.sources].relu() + bonds)

    def forward(self, graphs):
        x = self.on_atoms(graphs).relu()
        return self.output(graph_sum(x, graphs.atom_offsets, graphs.graph_index))


class Proteins(ProteinBackbone):
    """Counts of letters."""

    def __init__(self, options):
        super().__init__(options)
        self.output = nn.Linear(26, OUT)
        self.out_features = OUT

    def tokenise(self, sequences):
        return np.array([[s.count(chr(65 + k)) / len(s) for k in range(26)] for s in sequences],
                        np.float32)  # fmt: skip

    def forward(self, rows):
        return self.output(rows)


class Categories(CategoryBackbone):
    """One vector each."""

    def __init__(self, num_categories, options):
        super().__init__(num_categories, options)
        self.embedding = nn.Embedding(num_categories, OUT)
        self.out_features = OUT

    def forward(self, rows):
        return self.embedding(rows)


def subject(cls, options=None, **facts):
    return EncoderUnderTest(cls, options or Options(), {**FACTS, **facts})


class WrongWidth(Molecules):
    def forward(self, graphs):
        return super().forward(graphs)[:, 1:]


class NotFinite(Molecules):
    def forward(self, graphs):
        return super().forward(graphs) / 0


class NoWidth(Molecules):
    def __init__(self, num_features, options):
        super().__init__(num_features, options)
        del self.out_features


class ReturnsNothing(Molecules):
    def forward(self, graphs):
        super().forward(graphs)


class OneRowAnAtom(Molecules):
    """Fits by chance where all molecules have one atom."""

    def forward(self, graphs):
        return self.output(self.on_atoms(graphs))


class UnusedParameter(Molecules):
    def __init__(self, num_features, options):
        super().__init__(num_features, options)
        self.unused = nn.Parameter(torch.ones(3))


class Detached(Molecules):
    def on_atoms(self, graphs):
        return super().on_atoms(graphs).detach()


class Constant(Molecules):
    def forward(self, graphs):
        return self.output.bias.expand(graphs.num_graphs, -1)


class WritesSharedFeatures(Molecules):
    def forward(self, graphs):
        graphs.bond_features.mul_(1.01)
        return super().forward(graphs)


class DrawsFromNumPy(Molecules):
    def forward(self, graphs):
        np.random.rand()  # noqa: NPY002
        return super().forward(graphs)


class DrawsFromPython(Molecules):
    def __init__(self, num_features, options):
        super().__init__(num_features, options)
        random.random()


class DrawsInEvaluation(Molecules):
    def forward(self, graphs):
        if not self.training:
            torch.rand(1)
        return super().forward(graphs)


class PlainTensor(Molecules):
    def __init__(self, num_features, options):
        super().__init__(num_features, options)
        self.scale = torch.ones(1)


class CountsBatches(Molecules):
    """Keeps what it has seen in a plain number."""

    seen = 0

    def forward(self, graphs):
        self.seen += self.training
        return super().forward(graphs) * (1 + self.seen)


class LateModule(Molecules):
    def forward(self, graphs):
        if not hasattr(self, "late"):
            self.late = nn.Linear(OUT, OUT)
        return super().forward(graphs) + self.late(super().forward(graphs))


class WeightsFromNumPy(Molecules):
    def __init__(self, num_features, options):
        super().__init__(num_features, options)
        draws = np.random.default_rng().random(OUT).astype(np.float32)
        self.output.bias = nn.Parameter(torch.from_numpy(draws))


class SeedsItself(Molecules):
    def __init__(self, num_features, options):
        torch.manual_seed(7)
        super().__init__(num_features, options)


class UnseededNoise(Molecules):
    def forward(self, graphs):
        noise = float(np.random.default_rng().random())
        return super().forward(graphs) * (1 + noise * self.training)


class OrderOfAtoms(Molecules):
    """Reads the first atom out."""

    def forward(self, graphs):
        return self.output(self.on_atoms(graphs)[graphs.atom_offsets[:-1]])


class OrderOfBonds(Molecules):
    """Sends messages from the first end of a bond to the second, and not back."""

    def on_atoms(self, graphs):
        x, bonds = self.atoms(graphs.features), self.bonds(graphs.bond_features)
        sent = x[graphs.bonds[:, 0]].relu() + bonds[graphs.bond_types]
        return x + torch.zeros_like(x).index_add(0, graphs.bonds[:, 1], sent)


class AnotherByEnvironment(Molecules):
    """Where equal atoms are computed once, something else comes out."""

    by_environment = True

    def forward(self, graphs):
        return super().forward(graphs) * (1.0 if graphs.environments is None else 1.01)


class Centred(Molecules):
    """Subtracts the mean of the batch, in evaluation, too."""

    def forward(self, graphs):
        found = super().forward(graphs)
        return found - found.mean(dim=0) + self.output.bias


class PlaceInBatch(Molecules):
    """Only the first of a batch is right, alone and among others."""

    def forward(self, graphs):
        found = super().forward(graphs)
        return torch.cat([found[:1], found[1:] + 0.01])


class Leaks(Molecules):
    """So little that embeddings show no difference."""

    def forward(self, graphs):
        found = super().forward(graphs)
        return found + 1e-5 * found.tanh().mean(dim=0)


class LeaksFingerprints(Molecules):
    """Adds a little of the fingerprints of all."""

    fingerprint_bits = OUT

    def forward(self, graphs):
        return super().forward(graphs) + 1e-6 * graphs.fingerprints.mean(dim=0)


class LeaksBondFeatures(Molecules):
    """Adds a little of the features of all bonds."""

    def forward(self, graphs):
        bonds = graphs.bond_features.index_select(0, graphs.bond_types)
        return super().forward(graphs) + 1e-6 * bonds[:, :OUT].sum(dim=0)


class NeedsBonds(Molecules):
    def on_atoms(self, graphs):
        return super().on_atoms(graphs) * (len(graphs.bonds) / len(graphs.bonds))


class NoGradientOfOneAtom(Molecules):
    def forward(self, graphs):
        found = super().forward(graphs)
        return found if len(graphs.bonds) else (found.detach() + 0 * found)


class NormOverMolecules(Molecules):
    def __init__(self, num_features, options):
        super().__init__(num_features, options)
        self.norm = nn.BatchNorm1d(OUT)

    def forward(self, graphs):
        return self.norm(super().forward(graphs))


class SinglePrecision(Molecules):
    def forward(self, graphs):
        return super().forward(graphs) @ torch.eye(OUT)


class RoundsToSingle(Molecules):
    def forward(self, graphs):
        return super().forward(graphs).float()


class NormOverProteins(Proteins):
    def __init__(self, options):
        super().__init__(options)
        self.norm = nn.BatchNorm1d(OUT, track_running_stats=True)

    def forward(self, rows):
        found = super().forward(rows)
        return self.norm(found) if len(rows) > 1 else self.norm.eval()(found)


class PadsToTheLongest(ProteinCNN):
    def tokenise(self, sequences):
        longest = max(40, *map(len, sequences)) if len(sequences) > 1 else 40
        return super().tokenise(sequences)[:, :longest]


class RemembersAMean(Molecules):
    """Subtracts the mean of the last large batch, as plain numbers."""

    mean = (0.0,) * OUT

    def forward(self, graphs):
        found = super().forward(graphs)
        if graphs.num_graphs > 10:
            self.mean = found.mean(dim=0).tolist()
        return found - found.new_tensor(self.mean)


class CategoriesOfABatch(Categories):
    def forward(self, rows):
        return self.embedding(rows - rows.min())


BROKEN = {
    "description": [type("NoDocstring", (Molecules,), {})],
    "shapes": [WrongWidth, NoWidth, ReturnsNothing, OneRowAnAtom],
    "trains": [NotFinite],
    "gradients": [UnusedParameter, Detached],
    "inputs_matter": [Constant],
    "inputs_unchanged": [WritesSharedFeatures],
    "global_random_state": [DrawsFromNumPy, DrawsFromPython, DrawsInEvaluation],
    "state_in_buffers": [PlainTensor],
    "save_and_load": [CountsBatches, LateModule],
    "initial_weights": [WeightsFromNumPy, SeedsItself],
    "same_seed_same_result": [UnseededNoise],
    "renumbering": [OrderOfAtoms, OrderOfBonds, AnotherByEnvironment],
    "embedding_of_one": [Centred, CategoriesOfABatch, RemembersAMean],
    "duplicates": [PlaceInBatch],
    "rows_in_training": [NormOverProteins],
    "tokens_of_one": [PadsToTheLongest],
    "no_leak": [Leaks, LeaksFingerprints, LeaksBondFeatures],
    "one_atom_molecules": [NeedsBonds, NoGradientOfOneAtom],
    "batch_of_one": [NormOverMolecules],
    "double_precision": [SinglePrecision, RoundsToSingle],
}
OPTIONS = {PadsToTheLongest: ProteinCNNOptions(out=OUT)}
# It says what an encoder does and calls nothing wrong.
REMARKS = {"bond_features"}


def test_every_check_has_an_encoder_that_it_catches():
    assert BROKEN.keys() | REMARKS == set().union(*ENCODER_CHECKS.values())


@pytest.mark.parametrize(
    ("check", "cls"), [(name, cls) for name, broken in BROKEN.items() for cls in broken]
)
def test_a_broken_encoder_is_caught(check, cls):
    broken = subject(cls, OPTIONS.get(cls))
    # Before the check itself, as in a run of all checks: it must not live on what this leaves.
    trains = {"shapes": "skipped", "trains": "failed"}.get(check, "ok")
    assert run_check("trains", broken).verdict == trains
    result = run_check(check, broken)
    assert result.verdict == "failed"
    assert result.text.startswith("expected ")
    assert ", but got " in result.text


@pytest.mark.parametrize(
    ("cls", "expected", "got"),
    [
        (WrongWidth, "WrongWidth.forward, a tensor of floats of shape (14, 6)", "(14, 5)"),
        (OneRowAnAtom, "OneRowAnAtom.forward, a tensor of floats of shape (14, 6)", "(69, 6)"),
        (ReturnsNothing, "ReturnsNothing.forward", "None; end it with return"),
        (NoWidth, "self.out_features in the constructor of NoWidth", "none"),
    ],
)
def test_a_value_that_is_no_embedding_is_the_only_failure(cls, expected, got):
    results = {r.check: r for r in run_checks(subject(cls)) if r.check != "description"}
    assert {name for name, r in results.items() if r.verdict != "skipped"} == {"shapes"}
    before, _, after = results["shapes"].text.partition(", but got ")
    assert expected in before
    assert after.endswith(got)


@pytest.mark.parametrize("cls", [Molecules, Proteins, Categories])
def test_a_sound_encoder_passes_every_check_of_its_kind(cls):
    results = list(run_checks(subject(cls)))
    assert [r.check for r in results] == list(ENCODER_CHECKS[cls.entity])
    assert {r.check: r.text for r in results if r.verdict != "ok"} == {}


class Dropout(Proteins):
    """Counts of letters, some of them dropped."""

    def __init__(self, options):
        super().__init__(options)
        self.dropout = nn.Dropout()

    def forward(self, rows):
        return super().forward(self.dropout(rows))


def test_dropout_draws_as_a_run_lets_it_and_repeats():
    results = {result.check: result for result in run_checks(subject(Dropout))}
    assert {name for name, result in results.items() if result.verdict == "failed"} == set()
    assert results["rows_in_training"].text == "two passes in training differ, as with dropout"


class WithoutBondFeatures(Molecules):
    """Sums over neighbours; does not read bond features."""

    def __init__(self, num_features, options):
        super().__init__(num_features, options)
        self.bonds = nn.Identity()

    def on_atoms(self, graphs):
        x, edges = self.atoms(graphs.features), graphs.directed
        return x + torch.zeros_like(x).index_add(0, edges.targets, x[edges.sources].relu())


class Normalised(Molecules):
    """Batch normalisation over atoms."""

    def __init__(self, num_features, options):
        super().__init__(num_features, options)
        self.norm = nn.BatchNorm1d(8)

    def on_atoms(self, graphs):
        return self.norm(super().on_atoms(graphs))


@pytest.mark.parametrize(
    ("cls", "check", "remark"),
    [
        (Molecules, "bond_features", "read: other types of bonds change embeddings"),
        (WithoutBondFeatures, "bond_features", "not read: other types of bonds change nothing"),
        (Molecules, "no_leak", "in training, too, graphs of a batch are independent"),
        (Normalised, "no_leak", "in training, graphs of a batch depend on each other"),
    ],
)
def test_what_is_neither_right_nor_wrong_is_a_remark(cls, check, remark):
    result = run_check(check, subject(cls))
    assert result.verdict == "ok"
    assert result.text.startswith(remark)


def test_gcn_reads_no_bond_features_though_edits_change_how_it_computes():
    assert run_check("bond_features", encoder_of("gcn[hidden=8]")).text.startswith("not read")


def test_when_training_breaks_only_one_check_says_so():
    class Raises(Molecules):
        """Raises."""

        def forward(self, graphs):
            return graphs.no_such_attribute

    results = {result.check: result for result in run_checks(subject(Raises))}
    assert results["trains"].verdict == "failed"
    assert "AttributeError" in results["trains"].text
    assert "test_encoder_checks.py:" in results["trains"].text
    without_training = {"trains", "description"}
    others = {r.verdict for name, r in results.items() if name not in without_training}
    assert others == {"skipped"}


def test_an_error_of_many_lines_is_cut():
    class Raises(Molecules):
        def forward(self, graphs):
            raise NotImplementedError("No such kernel.\n" + "Registered elsewhere.\n" * 99)

    (text,) = {r.text for r in run_checks(subject(Raises)) if r.check == "trains"}
    assert text.startswith("expected no error, but got NotImplementedError: No such kernel. Reg")
    assert " ... (test_encoder_checks.py:" in text
    assert "\n" not in text
    assert len(text) < 600


@pytest.mark.parametrize("fact", ["title", "reference"])
def test_an_empty_fact_is_caught(fact):
    result = run_check("description", subject(Molecules, **{fact: " "}))
    assert result.verdict == "failed"
    assert fact in result.text


def test_edited_graphs_are_the_graphs_that_their_names_say():
    """A check that edits nothing would pass everything."""
    tried = subject(Molecules)
    graphs = tried.inputs(tried.fresh())
    other = renumbered(graphs)
    assert not torch.equal(other.atom_types, graphs.atom_types)
    assert torch.equal(other.atom_offsets, graphs.atom_offsets)

    def bonds(batch):
        """Each bond by its graph, its type and the types of its ends."""
        ends = batch.atom_types[batch.bonds].sort(dim=1).values
        graph = batch.graph_index[batch.bonds]
        assert torch.equal(graph[:, 0], graph[:, 1])
        return sorted(torch.cat([graph, ends, batch.bond_types[:, None]], dim=1).tolist())

    assert bonds(other) == bonds(graphs)
    changed = with_other_bond_types(graphs)
    assert (changed.bond_types != graphs.bond_types).all()


def test_checks_leave_the_global_random_state_alone():
    random.seed(3)
    torch.manual_seed(3)
    expected = random.random(), torch.rand(1)
    random.seed(3)
    torch.manual_seed(3)
    for check in ENCODER_CHECKS["molecule"]:
        run_check(check, subject(DrawsFromPython))
    assert (random.random(), torch.rand(1)) == expected


@pytest.mark.parametrize(("width", "taken"), [(8, True), (np.int64(8), True), (True, False)])
def test_a_width_is_any_whole_number(width, taken):
    with nullcontext() if taken else pytest.raises(ConformanceError, match="out_features"):
        assert require_width(width, "Mine") == 8
