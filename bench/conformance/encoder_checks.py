"""What every encoder must do, a small named function each.

A check takes an :class:`EncoderUnderTest` and returns when all is well, with a remark or without
one. It raises as the checks of methods do, see :mod:`bench.conformance.checks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.conformance.encoder import (
    ONE_ATOM,
    EncoderUnderTest,
    TrainedEncoder,
    as_array,
    projection,
    renumbered,
    with_features_of_their_own,
    with_other_bond_types,
)
from bench.conformance.shared import (
    did_not_end,
    require_buffers,
    require_texts,
    saved_and_read,
    some_names,
)
from bench.conformance.verdicts import ConformanceError, NotApplicable
from bench.data.batch import GraphBatch
from bench.dataset import EntityKind
from bench.models.network import Network

Check = Callable[[EncoderUnderTest], str | None]

# For each kind of input in the order in which they are run.
ENCODER_CHECKS: dict[EntityKind, dict[str, Check]] = {"molecule": {}, "protein": {}, "category": {}}

# Two ways to one embedding may differ by this share of the largest entry: rounding in float32.
_ROUNDING = 1e-4
# A gradient that should be zero may be this share of one that should not.
_LEAK = 1e-6


def check(*kinds: EntityKind) -> Callable[[Check], Check]:
    """Add a check under its function's name, for encoders of these kinds or of all."""

    def add(function: Check) -> Check:
        for kind in kinds or ENCODER_CHECKS:
            ENCODER_CHECKS[kind][function.__name__] = function
        return function

    return add


# ---------------------------------------------------------------- what it says of itself


@check()
def description(subject: EncoderUnderTest) -> None:
    """Title, reference, docstring and a description of each option are there."""
    require_texts(
        subject.cls, subject.cls.options_type, subject.facts, "register_backbone", "backbone"
    )


# ---------------------------------------------------------------- one short training


@check()
def shapes(subject: EncoderUnderTest) -> None:
    """The constructor sets ``out_features``, and forward returns floats of (n, out_features)."""
    trained = subject.first_training
    if isinstance(trained, ConformanceError):
        raise trained
    if isinstance(trained, Exception):
        raise did_not_end(trained)


@check()
def trains(subject: EncoderUnderTest) -> None:
    """A short training ends with finite losses and embeddings of shape (n, out_features)."""
    trained = subject.first_training
    if isinstance(trained, ConformanceError):
        raise did_not_end(trained)
    if isinstance(trained, Exception):
        raise trained
    if not np.isfinite(trained.losses).all():
        raise ConformanceError("finite losses", f"{trained.losses}")
    _require_embeddings(subject, trained.network, trained.embeddings, len(subject.data))


@check()
def gradients(subject: EncoderUnderTest) -> None:
    """Every parameter gets a gradient."""
    seen = _trained(subject).seen
    if missed := seen.trained - seen.reached:
        raise ConformanceError(
            "a gradient other than zero for every parameter at some step",
            f"none in {some_names(missed)}; use it in forward, or leave it out",
        )


@check()
def inputs_matter(subject: EncoderUnderTest) -> None:
    """Different inputs have different embeddings."""
    found = _trained(subject).embeddings
    if (found == found[0]).all():
        raise ConformanceError("different embeddings of different inputs", "the same for all")


@check()
def inputs_unchanged(subject: EncoderUnderTest) -> None:
    """A forward pass writes to nothing that it reads; batches share their feature vectors."""
    if written := _trained(subject).seen.written:
        raise ConformanceError("inputs as they were", f"changes in {some_names(written)}")


@check()
def global_random_state(subject: EncoderUnderTest) -> None:
    """Nothing is drawn from global random state but from torch's in training, for dropout."""
    touched = _trained(subject).touched
    # A package may draw while it is imported, which happens once a process.
    if touched and (touched := touched & subject.train().touched):
        raise ConformanceError(
            "draws from torch's generator alone, in the constructor and in training",
            f"a changed global state of {some_names(touched)}",
        )


@check()
def state_in_buffers(subject: EncoderUnderTest) -> None:
    """Tensors that an encoder keeps are buffers or parameters."""
    require_buffers(subject.encoder(_trained(subject).network))


@check()
def save_and_load(subject: EncoderUnderTest) -> None:
    """What is saved of an encoder, loaded into a fresh one, gives the same embeddings."""
    trained, fresh = _trained(subject), subject.fresh(seed=1)
    try:
        fresh.load_state_dict(saved_and_read(trained.network.state_dict()))
    except RuntimeError as error:
        raise ConformanceError(
            "parameters and buffers of names and shapes that the constructor knows",
            " ".join(str(error).split()),
        ) from error
    found = subject.embed(fresh)
    if not np.array_equal(found, trained.embeddings):
        raise ConformanceError(
            "the same embeddings after save and load",
            f"{_difference(found, trained.embeddings)}; keep what was learned in buffers",
        )


# ---------------------------------------------------------------- seeds


@check()
def initial_weights(subject: EncoderUnderTest) -> None:
    """Initial weights depend on the seed, and on nothing else."""
    _trained(subject)
    encoders = [subject.encoder(subject.fresh(seed)) for seed in (0, 0, 1)]
    first, again, other = (
        {name: as_array(tensor) for name, tensor in encoder.state_dict().items()}
        for encoder in encoders
    )
    if changed := {name for name in first if not np.array_equal(first[name], again[name])}:
        raise ConformanceError(
            "equal weights from equal seeds",
            f"others in {some_names(changed)}; draw from torch's generator in the constructor",
        )
    drawn = dict(encoders[0].named_parameters())
    if drawn and all(np.array_equal(first[name], other[name]) for name in drawn):
        raise ConformanceError(
            "other weights from another seed",
            "the same; draw from torch's generator, and do not seed it",
        )


@check()
def same_seed_same_result(subject: EncoderUnderTest) -> None:
    """Trained again from the same seed, it gives the same embeddings to the bit."""
    first = _trained(subject).embeddings
    for again in (subject.embed(_trained(subject).network), subject.second_training.embeddings):
        if not np.array_equal(again, first):
            raise ConformanceError("equal embeddings from equal seeds", _difference(again, first))


# ---------------------------------------------------------------- one input and others


@check("molecule")
def renumbering(subject: EncoderUnderTest) -> None:
    """Other orders of atoms and bonds leave embeddings equal."""
    network = _trained(subject).network
    graphs = subject.inputs(network)
    for seed in range(3):
        found = _evaluated(subject, network, renumbered(graphs, seed))
        _require_close(
            found,
            _evaluated(subject, network, graphs),
            "the same embeddings whatever the order of atoms and bonds",
        )


@check()
def embedding_of_one(subject: EncoderUnderTest) -> None:
    """In evaluation an embedding does not depend on the inputs beside it.

    A fresh object with the same weights is asked, which has seen no other input.
    """
    trained, fresh = _trained(subject), subject.fresh()
    fresh.load_state_dict(trained.network.state_dict())
    alone = [subject.embed(fresh, [place]) for place in range(len(subject.data))]
    _require_close(
        np.concatenate(alone),
        trained.embeddings,
        "the same embedding of an input alone and among others, in evaluation",
    )


@check()
def duplicates(subject: EncoderUnderTest) -> None:
    """Copies of one input in a batch have equal embeddings."""
    trained = _trained(subject)
    size = len(subject.data)
    found = subject.embed(trained.network, [*range(size), *reversed(range(size)), 0, 0])
    _require_close(
        found,
        trained.embeddings[[*range(size), *reversed(range(size)), 0, 0]],
        "equal embeddings of equal inputs in a batch",
    )


@check("protein", "category")
def rows_in_training(subject: EncoderUnderTest) -> None:
    """In training, too, rows are independent: equal ones of a batch are computed once."""
    _trained(subject)
    network = subject.fresh().train()
    encoder = subject.encoder(network)
    rows = subject.inputs(network)
    with torch.no_grad():
        whole, again = as_array(encoder(rows)), as_array(encoder(rows))
        if not np.array_equal(whole, again):
            raise NotApplicable("two passes in training differ, as with dropout")
        alone = [as_array(encoder(rows[place : place + 1])) for place in range(len(rows))]
    _require_close(
        np.concatenate(alone), whole, "the same embedding of a row alone and among others"
    )


@check("protein")
def tokens_of_one(subject: EncoderUnderTest) -> None:
    """A sequence becomes the same row whatever the sequences beside it."""
    encoder: Any = subject.encoder(_trained(subject).network)
    sequences = subject.data.proteins
    rows = encoder.tokenise(sequences)
    if not isinstance(rows, np.ndarray) or len(rows) != len(sequences):
        raise ConformanceError(
            f"an array of {len(sequences)} rows from tokenise",
            f"{type(rows).__name__} of {np.shape(rows)}",
        )
    for place, sequence in enumerate(sequences):
        alone = encoder.tokenise([sequence])
        if not np.array_equal(alone[0], rows[place]):
            raise ConformanceError(
                "the same row of a sequence alone and among others",
                f"another one for {sequence[:20]!r}; cut or pad to a length set in the options",
            )


@check("molecule")
def no_leak(subject: EncoderUnderTest) -> str:
    """The gradient of one graph's embedding is zero for the features of other graphs."""
    network = _trained(subject).network
    if place := _leak(subject, network.eval()):
        raise ConformanceError(
            "embeddings that in evaluation depend on their own graph alone",
            f"a gradient for {place}",
        )
    # On a copy: a pass in training changes what is kept of batches.
    fresh = subject.fresh()
    fresh.load_state_dict(network.state_dict())
    if _leak(subject, fresh.train()):
        return "in training, graphs of a batch depend on each other, as by batch normalisation"
    return "in training, too, graphs of a batch are independent"


@check("molecule")
def bond_features(subject: EncoderUnderTest) -> str:
    """Whether other types of bonds give other embeddings; either is right."""
    network = _trained(subject).network
    # By a copy, which knows no atom environments: the edited one knows none either.
    graphs = replace(subject.inputs(network))
    found = _evaluated(subject, network, with_other_bond_types(graphs))
    if np.array_equal(found, _evaluated(subject, network, graphs)):
        return "not read: other types of bonds change nothing"
    return "read: other types of bonds change embeddings"


# ---------------------------------------------------------------- corners


@check("molecule")
def one_atom_molecules(subject: EncoderUnderTest) -> None:
    """Molecules of one atom, without a bond, in a batch and alone, have gradients."""
    _trained(subject)
    for positions in (*((place,) for place in ONE_ATOM), ONE_ATOM):
        _require_training_step(subject, subject.fresh(), positions)


@check()
def batch_of_one(subject: EncoderUnderTest) -> None:
    """Training steps on one input at a time."""
    _trained(subject)
    for place in range(len(subject.data)):
        _require_training_step(subject, subject.fresh(), (place,))


@check()
def double_precision(subject: EncoderUnderTest) -> None:
    """An encoder in float64."""
    _trained(subject)
    _require_training_step(subject, subject.fresh(dtype=torch.float64), range(len(subject.data)))


# ---------------------------------------------------------------- helpers


def _trained(subject: EncoderUnderTest) -> TrainedEncoder:
    trained = subject.first_training
    if isinstance(trained, Exception):
        raise did_not_end(trained)
    return trained


def _evaluated(subject: EncoderUnderTest, network: Network, inputs: Any) -> np.ndarray:
    """Embeddings in evaluation."""
    with torch.no_grad():
        return as_array(subject.encoder(network.eval())(inputs))


def _require_training_step(subject: EncoderUnderTest, network: Network, positions: Any) -> None:
    """In training, embeddings and gradients of these inputs are as they should be."""
    encoder = subject.encoder(network.train())
    weights = next(network.parameters())
    found = encoder(subject.inputs(network, positions))
    _require_embeddings(subject, network, as_array(found), len(positions))
    if found.dtype != weights.dtype:
        raise ConformanceError(f"embeddings of {weights.dtype}", f"{found.dtype}")
    parameters = dict(encoder.named_parameters())
    if parameters:
        (found * projection(encoder.out_features, found)).sum().backward()
    reached = {name for name, p in parameters.items() if p.grad is not None and p.grad.any()}
    if parameters and not reached:
        raise ConformanceError("gradients of some parameters", "none")
    odd = {name for name in reached if not parameters[name].grad.isfinite().all()}  # type: ignore[union-attr]
    if odd:
        raise ConformanceError("finite gradients", f"others in {some_names(odd)}")
    _require_embeddings(subject, network, subject.embed(network, positions), len(positions))


def _require_embeddings(
    subject: EncoderUnderTest, network: Network, found: np.ndarray, count: int
) -> None:
    shape = (count, subject.encoder(network).out_features)
    if found.shape != shape:
        raise ConformanceError(f"embeddings of shape {shape}", f"{found.shape}")
    if not np.isfinite(found).all():
        raise ConformanceError(
            "finite embeddings", f"{np.count_nonzero(~np.isfinite(found))} other numbers"
        )


def _leak(subject: EncoderUnderTest, network: Network) -> str:
    """Which graph's embedding depends on the features of others, in words; empty for none."""
    graphs = with_features_of_their_own(subject.inputs(network))
    encoder = subject.encoder(network)
    embeddings = encoder(graphs)
    if not embeddings.requires_grad:
        return ""
    weighted = (embeddings * projection(encoder.out_features, embeddings)).sum(dim=1)
    for graph, total in enumerate(weighted):
        for name, (features, owners) in _features_of(graphs).items():
            (gradient,) = torch.autograd.grad(
                total, features, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            sizes, own = as_array(gradient.abs().amax(dim=1)), as_array(owners == graph)
            others = sizes[~own].max(initial=0.0)
            # Written so that nan is a leak.
            if not others <= _LEAK * sizes[own].max(initial=0.0):
                return f"{name} of others than graph {graph}"
    return ""


def _features_of(graphs: GraphBatch) -> dict[str, tuple[Tensor, Tensor]]:
    """What may have a gradient, with the graph of each row."""
    found = {"atom features": (graphs.atom_features, graphs.graph_index)}
    if len(graphs.bonds):
        found["bond features"] = (graphs.bond_features, graphs.graph_index[graphs.bonds[:, 0]])
    if graphs.fingerprints is not None:
        numbers = torch.arange(graphs.num_graphs, device=graphs.bonds.device)
        found["fingerprints"] = (graphs.fingerprints, numbers)
    return found


def _require_close(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    if found.shape == expected.shape:
        tolerance = _ROUNDING * max(1.0, float(np.abs(expected).max(initial=0.0)))
        # Written so that nan fails.
        if (np.abs(found - expected) <= tolerance).all():
            return
    raise ConformanceError(what, _difference(found, expected))


def _difference(got: np.ndarray, expected: np.ndarray) -> str:
    if got.shape != expected.shape:
        return f"shape {got.shape} instead of {expected.shape}"
    return f"embeddings that differ by up to {np.abs(got - expected).max():.3g}"
