"""The stacks whose packages are installed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from bench.perf.backends.backend import Backend
from bench.perf.backends.encoder_peer import EncoderPeer
from bench.perf.backends.stack import Stack

_STACKS = {
    "dgllife + DGL": ("bench.perf.backends.dgl_stack", "DGLStack"),
    "PyG": ("bench.perf.backends.pyg_stack", "PyGStack"),
}

# By the encoders whose mathematics they share.
_PEERS = {
    "gin": ("PyG", "bench.perf.backends.pyg_encoders", "PyGGIN"),
    "gine": ("PyG", "bench.perf.backends.pyg_encoders", "PyGGINE"),
    "gat": ("PyG", "bench.perf.backends.pyg_encoders", "PyGGAT"),
    "dmpnn": ("chemprop", "bench.perf.backends.chemprop_encoder", "ChempropDMPNN"),
    "attentivefp": ("PyG", "bench.perf.backends.pyg_encoders", "PyGAttentiveFP"),
}


def available_peer(encoder: str) -> type[EncoderPeer] | None:
    """The same `encoder` of another package; None where there is none, or it is not installed."""
    if encoder not in _PEERS:
        return None
    _, module, name = _PEERS[encoder]
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, OSError):
        return None


def remark_on_missing_peers() -> str:
    """One line on the packages whose encoders are left out; empty when there are none."""
    missing: dict[str, list[str]] = {}
    for encoder, (title, *_) in _PEERS.items():
        if available_peer(encoder) is None:
            missing.setdefault(title, []).append(encoder)
    absent = " and ".join(f"{title} for {', '.join(names)}" for title, names in missing.items())
    return absent and (
        f"Beside encoders, {absent}: left out, as the packages are not installed; "
        "pip install -r requirements-perf.txt, and for chemprop, which wants an older RDKit, "
        "pip install chemprop==2.3.1 into an environment of its own"
    )


def available_stacks() -> list[type[Stack]]:
    """Those of the stacks that can be imported."""
    found = []
    for module, name in _STACKS.values():
        try:
            found.append(getattr(importlib.import_module(module), name))
        except (ImportError, OSError):  # OSError: a library of dgl's that does not load
            continue
    return found


def remark_on_missing(stacks: Sequence[type[Backend]]) -> str:
    """One line on the stacks that are left out; empty when there are none."""
    titles = {stack.title for stack in stacks}
    missing = " and ".join(title for title in _STACKS if title not in titles)
    return missing and (
        f"{missing}: left out, as the packages are not installed; "
        "pip install -r requirements-perf.txt"
    )
