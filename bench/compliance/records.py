"""All rules on records, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.compliance.arithmetic import violations_of_arithmetic
from bench.compliance.rules import violations_of_shape, violations_together
from bench.compliance.violation import Violation

Json = Mapping[str, Any]


def violations_of_records(records: Sequence[Json]) -> list[Violation]:
    """What records of one report break, each on its own and together.

    Arithmetic and what they have in common are looked at in records of right shape.
    """
    found, sound = [], []
    for record in records:
        violations = list(violations_of_shape(record))
        if not violations:
            sound.append(record)
            violations = list(violations_of_arithmetic(record))
        found += violations
    return [*found, *violations_together(sound)]
