"""Where a run stands after an epoch, kept in one file, so that a stopped run goes on from there."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from bench.files import MOST_ARRAYS, read_regular, write_atomically
from bench.training.state import Snapshot

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Where a run stands after an epoch.

    Attributes
    ----------
    state : mapping of str to Tensor
        Weights and buffers of network and method, see :func:`bench.training.state.state_of`.
    frozen : list of str
        Parameters of the method that do not train.
    optimiser : mapping of str to Tensor
        Its state by name, as :meth:`bench.training.optimiser.Adam.state` gives it.
    best : Snapshot or None
        Of the best epoch so far that may be selected.
    history : list of dict
        A report of each epoch; the last one says which epoch and stage have been done.
    spent : dict
        Time, see :class:`bench.training.clock.Clock`.
    """

    state: Mapping[str, Tensor]
    frozen: list[str]
    optimiser: Mapping[str, Tensor]
    best: Snapshot | None
    history: list[dict[str, Any]]
    spent: dict[str, Any]


class CheckpointFile:
    """The file that holds a run's progress: one safetensors file with a checksum of its content.

    Parameters
    ----------
    path : Path
        The file; of one run alone.
    every_seconds : float
        How much training a stop may cost; 0 writes after each epoch.
    code : mapping, optional
        Hashes of the code that trains: what other code has begun is not gone on with.
    """

    def __init__(
        self, path: Path, every_seconds: float = 30.0, code: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self._every_seconds = every_seconds
        self._code = dict(code or {})
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether enough time has passed since the start or the last write."""
        return time.monotonic() - self._last >= self._every_seconds

    def write(self, progress: Progress, identity: Mapping[str, Any]) -> None:
        """Replace the file as a whole; a failure to write costs a warning, not the run.

        `identity` holds plain values that tell this run from all others.
        """
        tensors = {f"state.{name}": tensor for name, tensor in progress.state.items()}
        tensors |= {f"optimiser.{name}": tensor for name, tensor in progress.optimiser.items()}
        best = progress.best
        if best is not None:
            tensors |= {f"best.{name}": tensor for name, tensor in best.state.items()}
        tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        values = {
            "identity": {**identity, "code": self._code},
            "frozen": progress.frozen,
            "best": None if best is None else {"score": best.score, "epoch": best.epoch},
            "history": progress.history,
            "spent": progress.spent,
        }
        text = json.dumps(values)
        data = save(tensors, {"values": text, "sha256": _sha256(tensors, text)})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, data)
        except OSError as error:
            log.warning("%s could not be written, a stop would cost more: %s", self.path, error)
        self._last = time.monotonic()

    def load(self, identity: Mapping[str, Any]) -> Progress | None:
        """What was written last of the run with this `identity`, None when there is nothing.

        A file that is damaged or of another run is named in a warning and removed.
        """
        self._last = time.monotonic()
        try:
            tensors, values = _read(self.path)
            expected = json.loads(json.dumps({**identity, "code": self._code}))
            if other := sorted(k for k in expected if values["identity"].get(k) != expected[k]):
                raise ValueError(f"it is of a run that differs in: {', '.join(other)}")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            log.warning(
                "Expected the progress of this run in %s, but %s. It is removed and the run "
                "starts again.",
                self.path,
                error,
            )
            self.remove()
            return None
        best = values["best"]
        return Progress(
            state=_part("state.", tensors),
            frozen=values["frozen"],
            optimiser=_part("optimiser.", tensors),
            best=None if best is None else Snapshot(**best, state=_part("best.", tensors)),
            history=values["history"],
            spent=values["spent"],
        )

    def remove(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and plain values of a file whose checksum is right."""
    content = read_regular(path, MOST_ARRAYS)
    tensors = load(content)
    found = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    if _sha256(tensors, found.get("values", "")) != found.get("sha256"):
        raise ValueError("its content does not have its checksum")
    return tensors, json.loads(found["values"])


def _sha256(tensors: Mapping[str, Tensor], text: str) -> str:
    """Over `text` and over name, type, shape and bytes of each tensor, by name."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _part(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
