"""Models: load one, fit one, ask it.

A model folder holds ``card.json``, what is known of the model; ``model.safetensors``, the weights
of its network, or ``model.skops``, what an estimator has learned; ``training.safetensors``,
fingerprints of its training molecules; and the members of an ensemble in ``members/ROLE/``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from bench.files import kind_of
from bench.inference.card import PACKAGES, Card, Input, versions_here
from bench.inference.fit import fit_model
from bench.inference.folder import read_model
from bench.inference.stored import read_run
from bench.inference.trained import Prediction, TrainedModel
from bench.plain_text import some_of
from bench.sweep.fingerprint import sources_of_model
from bench.sweep.store import RECORD

__all__ = ["Card", "Input", "Prediction", "TrainedModel", "fit_model", "load_model"]

log = logging.getLogger(__name__)


def load_model(folder: Path, *, data_dir: Path | None = None) -> TrainedModel:
    """The model in a folder that :meth:`TrainedModel.save` wrote, or of a run of a benchmark.

    It is a warning where code or packages behind its predictions are others than those that made
    it.

    Parameters
    ----------
    folder : Path
        A model folder, or ``runs/JOB_ID`` of a results folder, where the members of an ensemble
        are found beside it.
    data_dir : Path, optional
        Where the data set of a run is looked for first. From it come fingerprints of training
        molecules and the order that makes predictions equal the stored ones to the last bit.

    Raises
    ------
    ModelError
        It is no model, damaged, of another version, or lacks what it needs.
    """
    if kind_of(folder / RECORD) is not None:
        model = read_run(folder, data_dir=data_dir)
    else:
        model = read_model(folder)
    if changes := dict.fromkeys(_changes(model)):
        log.warning(
            "The model in %s was made by other code or packages, so that it may predict something "
            "else now: %s. Fit it again to be sure.",
            folder,
            some_of(list(changes)),
        )
    return model


def _changes(model: TrainedModel) -> Iterator[str]:
    """What is not as it was when `model` was made."""
    card = model.card
    if card.sources:
        now = sources_of_model(card.method.name, [part.name for part in card.backbones.values()])
        changed = (file for file, sha256 in now.items() if card.sources.get(file) != sha256)
        yield from (f"{file} has changed" for file in changed)
    here = versions_here()
    for name in PACKAGES:
        # Builds of one version differ behind the plus sign.
        was, is_now = (of.get(name, "").partition("+")[0] for of in (card.versions, here))
        if was and was != is_now:
            yield f"{name} was {was}, is {is_now or 'absent'}"
    for member in model.members.values():
        yield from _changes(member)
