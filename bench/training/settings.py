"""The training budget, equal for every method."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.options import Options

SELECT_BY = "balanced_accuracy"


def rule_of(select_by: str) -> str:
    """How an epoch is chosen, in words."""
    return f"best validation {select_by.replace('_', ' ')}"


class TrainingSettings(Options):
    """How long and how fast every run trains; all of it is part of a run's identity."""

    epochs: int = Field(30, ge=1, le=100_000, description="epochs, all stages together")
    batch_size: int = Field(128, ge=1, le=1_000_000, description="samples a training step")
    learning_rate: float = Field(1e-3, gt=0, le=10, description="peak rate of Adam")
    weight_decay: float = Field(2e-4, ge=0, le=10, description="coupled L2 of Adam")
    schedule: Literal["cosine", "imdrug"] = Field(
        "cosine", description="cosine to 0, or ImDrug's warm-up and steps at 120 and 160"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the products in the head's hidden layers; losses are float32"
    )
    # Left out where it is as ever: runs have the ids that they had before there was a choice.
    select_by: str = Field(
        SELECT_BY,
        exclude_if=lambda name: name == SELECT_BY,
        description="validation figure that chooses the epoch, see --list metrics",
    )
