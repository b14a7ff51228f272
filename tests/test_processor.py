"""Products of matrices do not depend on the processor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import processor

_ASK = """
import json, {first}, {second}
import numpy
from threadpoolctl import threadpool_info
print(json.dumps([i["architecture"] for i in threadpool_info() if i["internal_api"] == "openblas"]))
"""

INTEL = "processor : 0\nmodel name : One\nflags : fpu fma avx avx2\n\nprocessor : 1\nflags : x\n"
ARM = "processor : 0\nFeatures : fp asimd sve2\n"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    processor.processor.cache_clear()
    yield
    processor.processor.cache_clear()


def kernels(first: str, second: str, **settings: str) -> set[str]:
    """The kernels of OpenBLAS in a process that imports two modules in turn."""
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
    code = _ASK.format(first=first, second=second)
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(answer.stdout))


@pytest.mark.skipif(
    "avx2" not in processor.processor()["instructions"], reason="the processor has no AVX2"
)
def test_numpy_multiplies_alike_on_all_processors_with_avx2() -> None:
    if not kernels("os", "sys"):
        pytest.skip("NumPy is not built with OpenBLAS")
    assert kernels("bench", "scipy.linalg") == {"Haswell"}
    assert kernels("bench", "scipy.linalg", OPENBLAS_CORETYPE="Sandybridge") == {"Sandybridge"}
    assert kernels("scipy.linalg", "bench") == kernels("scipy.linalg", "os")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (INTEL, {"cpu": "One", "instructions": "avx avx2 fma"}),
        (ARM, {"instructions": "asimd sve2"}),
        ("", {"instructions": ""}),
        (None, {"instructions": ""}),
    ],
)
def test_a_processor_is_told_by_name_and_instructions(
    content: str | None, expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    if content is not None:
        (tmp_path / "cpuinfo").write_text(content)
    found = processor.processor()
    assert found["cpu"]
    assert found.items() >= expected.items()


@pytest.mark.parametrize(
    ("flags", "loaded", "before", "after"),
    [
        ("avx2 fma", False, None, "Haswell"),
        ("avx2 fma", False, "Zen", "Zen"),
        ("avx fma", False, None, None),
        ("asimd", False, None, None),
        # Processes that this one starts would multiply otherwise than it does itself.
        ("avx2 fma", True, None, None),
    ],
)
def test_kernels_are_pinned_where_that_has_an_effect_and_nobody_chose(
    flags: str,
    loaded: bool,
    before: str | None,
    after: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    environment = {} if before is None else {"OPENBLAS_CORETYPE": before}
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setitem(sys.modules, "numpy", sys)
    if not loaded:
        monkeypatch.delitem(sys.modules, "numpy")
    processor.pin_products()
    assert environment.get("OPENBLAS_CORETYPE") == after
