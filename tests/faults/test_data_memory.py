from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Peaks of this process and of its largest child are in kilobytes.
FEATURISE = """
import json, resource, sys
from joblib.externals.loky import get_reusable_executor
from bench.data.featurise import featurise

rings = ["c1ccccc1", "C1CCNCC1", "c1ccc2ncccc2c1", "c1ccoc1", "C1CCCC1", "c1ccsc1"]
ends = ["O", "N", "F", "Cl", "C(=O)O", "S(=O)(=O)N", "C#N", "OC", "[N+](=O)[O-]", "Br"]
def molecule(n):
    a, n = divmod(n, 6); b, n = divmod(a, 6); c, d = divmod(b, 10); d, e = divmod(c, 10)
    chain = "C" * (1 + d // 10)
    return f"{ends[b % 10]}{chain}{rings[n]}CN{chain}({ends[c % 10]})C{rings[a % 6]}C{ends[d % 10]}"

smiles = [molecule(n) for n in range(41_127)]
made = featurise(smiles, jobs=int(sys.argv[1]))
made.graphs.with_environments()
get_reusable_executor().shutdown(wait=True)  # only children that have ended are counted
peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF,
         resource.RUSAGE_CHILDREN)]
print(json.dumps([len(made.graphs), float(made.graphs.atoms_per_graph().mean()), *peaks]))
"""

OPEN = """
import sys
from pathlib import Path
import numpy as np
from bench.data import cache

arrays = cache.open_or_build(Path(sys.argv[1]), "big", {}, lambda: {"x": np.ones(100_000_000 // 8)})
total = sum(float(array.sum()) for array in arrays.values())  # every page is read
own = sum(
    int(line.split()[1])
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()
    if line.startswith("Private_Dirty")
)
print(total, own)
"""


def run(program: str, *arguments: object) -> list[float]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.strip("[]\n").replace(",", " ").split()]


@pytest.mark.slow
@pytest.mark.fault(62)
@pytest.mark.parametrize("jobs", [1, 4])
def test_a_set_of_the_size_of_hiv_is_featurised_within_two_gigabytes(jobs):
    """Featurising runs out of memory, all the more with a process a core."""
    graphs, atoms, own, child = run(FEATURISE, jobs)
    assert graphs == 41_127
    assert atoms > 20
    assert (child > 0) == (jobs > 1)
    assert own + jobs * child < 2_000_000


@pytest.mark.fault(62)
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's accounts are read")
def test_processes_share_the_pages_of_a_cached_set(tmp_path):
    """Every worker holds a copy of the data, and ten workers fill the memory."""
    run(OPEN, tmp_path)  # builds it
    total, own = run(OPEN, tmp_path)
    assert total == 100_000_000 // 8
    # 100 MB are read; what belongs to the process alone is the interpreter and its packages.
    assert own < 80_000
