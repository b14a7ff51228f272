"""Base of all component settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Settings of a component: frozen, strictly typed, unknown keys refused.

    Fields carry their legal range and a description, for example
    ``beta: float = Field(0.9999, ge=0, lt=1, description="...")``.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
