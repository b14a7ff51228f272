"""Models: load one, fit one, ask it.

A model folder holds ``card.json``, what is known of the model; ``model.safetensors``, the weights
of its network, or ``model.skops``, what an estimator has learned; ``training.safetensors``,
fingerprints of its training molecules; and the members of an ensemble in ``members/ROLE/``.
"""

from __future__ import annotations

from pathlib import Path

from bench.files import kind_of
from bench.inference.card import Card, Input
from bench.inference.fit import fit_model
from bench.inference.folder import read_model
from bench.inference.stored import read_run
from bench.inference.trained import Prediction, TrainedModel
from bench.sweep.store import RECORD

__all__ = ["Card", "Input", "Prediction", "TrainedModel", "fit_model", "load_model"]


def load_model(folder: Path, *, data_dir: Path | None = None) -> TrainedModel:
    """The model in a folder that :meth:`TrainedModel.save` wrote, or of a run of a benchmark.

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
        return read_run(folder, data_dir=data_dir)
    return read_model(folder)
