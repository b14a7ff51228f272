"""How long a run takes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


class Clock:
    """Wall and processor time of a run since it first started, without the time it lay still."""

    def __init__(self) -> None:
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._seconds = time.perf_counter()
        self._cpu_seconds = time.process_time()

    def spent(self) -> dict[str, Any]:
        """When the run started (UTC), its ``seconds`` and its ``cpu_seconds`` so far."""
        return {
            "started": self._started,
            "seconds": time.perf_counter() - self._seconds,
            "cpu_seconds": time.process_time() - self._cpu_seconds,
        }

    def add(self, spent: Mapping[str, Any]) -> None:
        """Count what :meth:`spent` gave in the attempt from which this one goes on."""
        self._started = spent["started"]
        self._seconds -= spent["seconds"]
        self._cpu_seconds -= spent["cpu_seconds"]
