"""What the processor can do, and which of it the products of NumPy use."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from functools import cache
from itertools import takewhile
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
# How sets of vector instructions are called, on x86-64 and on ARM.
_VECTORS = ("avx", "fma", "amx", "asimd", "sve")
_CHOICE = "OPENBLAS_CORETYPE"


@cache
def processor() -> dict[str, str]:
    """What decides, with the versions of packages, how sums are rounded.

    ``cpu`` is the processor's name, which a virtual machine may cut short, ``instructions`` its
    sets of vector instructions, by which libraries choose among their products of matrices.
    """
    facts = {}
    with suppress(OSError), _CPUINFO.open() as lines:
        for line in takewhile(str.strip, lines):  # the block of one core; all are alike
            key, _, value = line.partition(":")
            facts[key.strip()] = value.strip()
    flags = facts.get("flags", facts.get("Features", "")).split()
    return {
        "cpu": facts.get("model name") or platform.processor() or "unknown",
        "instructions": " ".join(sorted(flag for flag in flags if flag.startswith(_VECTORS))),
    }


def pin_products() -> None:
    """Let NumPy multiply matrices alike on every processor that has AVX2, unless the user chose.

    OpenBLAS chooses kernels by the processor, and they add in different orders: one bit more or
    less, and a sample lies in another sub-cluster. It reads the choice when NumPy is imported: this
    comes before, or has no effect on this process, nor on others, which shall agree with it.
    """
    if "numpy" not in sys.modules and {"avx2", "fma"} <= set(processor()["instructions"].split()):
        os.environ.setdefault(_CHOICE, "Haswell")
