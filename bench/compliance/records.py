"""All rules on records, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.compliance.arithmetic import breaches_of_arithmetic
from bench.compliance.breach import Breach
from bench.compliance.rules import breaches_of_shape, breaches_together

Json = Mapping[str, Any]


def breaches_of_records(records: Sequence[Json]) -> list[Breach]:
    """What records of one report break, each on its own and together.

    Arithmetic and what they have in common are looked at in records of right shape.
    """
    found, sound = [], []
    for record in records:
        breaches = list(breaches_of_shape(record))
        if not breaches:
            sound.append(record)
            breaches = list(breaches_of_arithmetic(record))
        found += breaches
    return [*found, *breaches_together(sound)]
