from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from bench.backbone import BACKBONES, MoleculeBackbone
from bench.conformance.toy import toy_data
from bench.data.prepared import PreparedData
from bench.errors import UnknownNameError
from bench.models.category import CategoryOptions
from bench.models.conjoint_triad import ConjointTriadOptions
from bench.models.gcn import GCN, GCNOptions
from bench.models.network import Network, build_network
from bench.models.protein_cnn import ProteinCNNOptions
from bench.models.protein_transformer import ProteinTransformerOptions
from bench.options import Options

BACKBONES_USED = {
    "molecule": ("gcn", GCNOptions()),
    "protein": ("conjoint_triad", ConjointTriadOptions()),
    "category": ("category", CategoryOptions()),
}


def build(prepared: PreparedData, seed: int = 0, **changed: tuple) -> Network:
    return build_network(prepared, {**BACKBONES_USED, **changed}, seed=seed)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("kinds", "classes", "parameters"),
    [
        (("molecule",), 2, 257_603),
        (("molecule",), 10, 259_659),
        (("molecule", "molecule"), 10, 325_195),
    ],
)
def test_networks_have_the_published_numbers_of_parameters(
    make_prepared, kinds, classes, parameters
):
    assert count(build(make_prepared(kinds, classes))) == parameters


def test_sbap_network_has_the_published_number_of_parameters(make_prepared):
    prepared = make_prepared(("molecule", "protein"))
    spec = ("protein_transformer", ProteinTransformerOptions())
    network = build(prepared, protein=spec)
    network.encoders["protein"].words = nn.Embedding(4114, 64)
    assert count(network.encoders["protein"]) == 398_272
    assert count(network) == 672_259


@pytest.mark.parametrize(
    "protein",
    [
        ("conjoint_triad", ConjointTriadOptions()),
        ("protein_cnn", ProteinCNNOptions()),
        ("protein_transformer", ProteinTransformerOptions()),
    ],
)
def test_a_training_step_reaches_every_parameter(make_prepared, protein):
    prepared = make_prepared(("molecule", "protein", "molecule", "category"), classes=3)
    network = build(prepared, protein=protein)
    batch = network.collator(prepared)(np.arange(6))
    logits = network(batch)
    assert logits.shape == (6, 3)
    assert network.encode(batch).shape == (6, network.embedding_features)
    F.cross_entropy(logits, batch.labels).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_embeddings_stand_in_the_order_of_the_entities(make_prepared):
    kinds = ("molecule", "category", "protein", "molecule")
    prepared = make_prepared(kinds)
    network = build(prepared).eval()
    collator = network.collator(prepared)
    embedded = network.encode(collator(np.array([7, 3])))
    got = embedded.split([network.encoders[kind].out_features for kind in kinds], dim=1)

    for place, position in enumerate((7, 3)):
        alone = collator(np.array([position]))
        reactant, product = network.encoders["molecule"](alone.inputs["molecule"])
        protein = network.encoders["protein"](alone.inputs["protein"].rows)[0]
        category = network.encoders["category"](alone.inputs["category"].rows)[0]
        expected = (reactant, category, protein, product)
        for part, value in zip(got, expected, strict=True):
            torch.testing.assert_close(part[place], value, rtol=1e-5, atol=1e-5)


def test_encoding_a_repeated_protein_once_is_exact(make_prepared):
    prepared = make_prepared(("molecule", "protein"))
    network = build(prepared).double()
    batch = network.collator(prepared)(np.arange(10)).to(dtype=torch.float64)
    index = prepared.entities[1].index
    proteins = network.encoders["protein"]
    every = torch.from_numpy(proteins.tokenise([prepared.proteins[number] for number in index]))
    assert len(batch.inputs["protein"].rows) < len(every)

    def gradients(embeddings: torch.Tensor) -> list[torch.Tensor]:
        weights = torch.arange(embeddings.numel(), dtype=torch.float64).view_as(embeddings)
        loss = (embeddings * weights.sin()).sum()
        return list(torch.autograd.grad(loss, list(proteins.parameters())))

    once, separately = network.encode(batch)[:, 256:], proteins(every.double())
    torch.testing.assert_close(once, separately)
    torch.testing.assert_close(gradients(once), gradients(separately))


def assert_same_state(ours: nn.Module, theirs: nn.Module) -> None:
    expected = theirs.state_dict()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_one_seed_gives_the_same_weights_wherever_shapes_agree(make_prepared):
    small = build(make_prepared(("molecule",), classes=2))
    large = build(make_prepared(("category", "molecule", "protein"), classes=10))
    assert_same_state(small.encoders["molecule"], large.encoders["molecule"])
    for ours, theirs in zip(small.head.layers[1:], large.head.layers[1:], strict=True):
        assert_same_state(ours, theirs)
    assert_same_state(small.head.layers, build(make_prepared(classes=5)).head.layers)


def test_another_seed_gives_other_weights(make_prepared):
    ours, theirs = build(make_prepared(), seed=0), build(make_prepared(), seed=1)
    assert not torch.equal(
        ours.encoders["molecule"].layers[0].convolution.weight,
        theirs.encoders["molecule"].layers[0].convolution.weight,
    )
    assert not torch.equal(ours.head.classifier.weight, theirs.head.classifier.weight)


def test_both_graph_backends_start_equal(make_prepared):
    if "gcn_dgl" not in BACKBONES:
        pytest.skip(f"gcn_dgl: {BACKBONES.unavailable()['gcn_dgl']}")
    prepared = make_prepared(("molecule", "molecule"))
    ours, theirs = build(prepared), build(prepared, molecule=("gcn_dgl", GCNOptions()))
    assert_same_state(ours, theirs)
    batch = ours.collator(prepared)(np.arange(5))
    torch.testing.assert_close(ours(batch), theirs(batch), rtol=1e-5, atol=1e-5)


def test_building_a_network_leaves_global_random_state_alone(make_prepared):
    before = torch.get_rng_state()
    first = build(make_prepared(("molecule", "protein")))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert_same_state(first, build(make_prepared(("molecule", "protein"))))


def test_a_last_batch_of_one_lone_atom_trains(make_prepared):
    prepared = make_prepared()
    lone = np.flatnonzero(prepared.graphs.atoms_per_graph()[prepared.entities[0].index] == 1)
    network = build(prepared)
    batch = network.collator(prepared)(lone[:1])
    F.cross_entropy(network(batch), batch.labels).backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_a_state_survives_saving_and_loading(make_prepared):
    prepared = make_prepared(("molecule", "protein"))
    network, other = build(prepared, seed=0), build(prepared, seed=1)
    batch = network.collator(prepared)(np.arange(10))
    network(batch)  # moves the running statistics
    other.load_state_dict(network.state_dict())
    assert torch.equal(network.eval()(batch), other.eval()(batch))


def test_an_unknown_backbone_is_refused_with_the_nearest_name(make_prepared):
    with pytest.raises(UnknownNameError, match="did you mean 'gcn'"):
        build(make_prepared(), molecule=("gcnn", GCNOptions()))


def test_every_registered_backbone_encodes_a_known_kind():
    facts = {entry.name: entry.facts["entity"] for entry in BACKBONES}
    assert {"molecule", "protein", "category"} == set(facts.values())
    assert not {"head", "network"} & set(facts)


class ReadsFingerprints(MoleculeBackbone):
    """Embeds a molecule by the first places of its fingerprint."""

    def __init__(self, num_features, options):
        super().__init__(num_features, options)
        self.fingerprint_bits = 16
        self.out_features = 16
        self.weight = nn.Parameter(torch.ones(16))

    def forward(self, graphs):
        return graphs.fingerprints * self.weight


def test_batches_carry_what_the_encoder_of_molecules_reads():
    prepared = toy_data((6, 4))
    batches = {}
    for encoder in (GCN(74, GCNOptions()), ReadsFingerprints(74, Options())):
        network = Network(["molecule"], {"molecule": encoder}, 2).double()
        batch = network.collator(prepared)(np.arange(4))
        assert network(batch).shape == (4, 2)
        batches[type(encoder)] = batch.inputs["molecule"]
    assert batches[GCN].environments is not None
    assert batches[GCN].fingerprints is None
    assert batches[ReadsFingerprints].environments is None
    assert batches[ReadsFingerprints].fingerprints.shape == (4, 16)
    assert batches[ReadsFingerprints].fingerprints.dtype == torch.float64


def test_encoders_say_what_they_read_of_a_batch():
    assert not MoleculeBackbone.by_environment
    assert MoleculeBackbone.fingerprint_bits == 0
