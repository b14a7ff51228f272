"""Modules that cannot be imported without packages which the tests do not ask for.

Named one by one: any other module that stops being importable is an error of the suite, not a
doctest that is silently gone.
"""

from importlib.util import find_spec

_NEEDS = {
    "bench/backbones/dgl.py": ("dgl",),
    "bench/backbones/pyg.py": ("torch_geometric",),
    "bench/models/gcn_dgl.py": ("dgl",),
    "bench/perf/backends/chemprop_encoder.py": ("chemprop",),
    "bench/perf/backends/dgl_stack.py": ("dgl", "dgllife"),
    "bench/perf/backends/pyg_encoders.py": ("torch_geometric",),
    "bench/perf/backends/pyg_stack.py": ("torch_geometric",),
}

collect_ignore = [path for path, packages in _NEEDS.items() if not all(map(find_spec, packages))]
