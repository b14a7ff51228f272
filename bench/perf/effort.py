"""How much is measured: enough for firm medians, or what a minute allows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """Sizes and repetitions.

    Attributes
    ----------
    rounds : int
        Turns that every backend takes.
    steps : int
        Training steps or batches of one turn.
    long_rounds : int
        Turns of what takes seconds each: featurising, evaluation, two jobs.
    epoch_rounds : int
        Turns of whole epochs, two of each method.
    contrastive : tuple of str
        Methods whose epochs are set against `vanilla`'s.
    molecules : int
        Molecules of the featurising sample.
    evaluated : int or None
        Samples of the test set that are evaluated; None for all.
    job_seconds : float
        How long jobs train side by side, each turn.
    """

    rounds: int
    steps: int
    long_rounds: int
    epoch_rounds: int
    contrastive: tuple[str, ...]
    molecules: int
    evaluated: int | None
    job_seconds: float


_SDR = "sdr, after warm-up"

FULL = Effort(
    rounds=11,
    steps=4,
    long_rounds=5,
    epoch_rounds=3,
    contrastive=(_SDR, "bcl", "acl", "fcl", "afcl"),
    molecules=2000,
    evaluated=None,
    job_seconds=5.0,
)
QUICK = Effort(
    rounds=5,
    steps=2,
    long_rounds=3,
    epoch_rounds=1,
    contrastive=(_SDR, "bcl"),
    molecules=500,
    evaluated=1024,
    job_seconds=2.0,
)
