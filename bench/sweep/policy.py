"""What a start of a sweep may do, apart from what it computes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """How a start goes about runs; none of it changes a result.

    Attributes
    ----------
    max_minutes : float or None
        A run that takes longer is stopped, and has timed out.
    attempts : int
        Of a run that fails, over all starts; after so many it is left failed.
    retry_failed : bool
        Try runs that are left failed again.
    force : bool
        Run everything again, whatever is stored.
    keep_changed : bool
        Reuse runs though the code behind them has changed since.
    """

    max_minutes: float | None = None
    attempts: int = 3
    retry_failed: bool = False
    force: bool = False
    keep_changed: bool = False
