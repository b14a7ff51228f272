"""Raw samples to the arrays that the cache keeps, and those to :class:`PreparedData`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.data.conflicts import ConflictPolicy, left_out
from bench.data.featurise import Progress, featurise
from bench.data.packed import PackedGraphs, PackedTexts
from bench.data.prepared import EntityIndex, PreparedData, Unusable
from bench.dataset import Entity, EntityKind, RawSamples
from bench.errors import DataError

MAX_UNUSABLE = 0.01
"""Largest share of rows that may be left out."""

_log = logging.getLogger(__name__)


def build_arrays(
    raw: RawSamples,
    path: Path,
    *,
    conflicts: ConflictPolicy = "keep",
    jobs: int = 1,
    on_progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Featurise and index the samples read from the file at `path`.

    Samples that `conflicts` leaves out are listed with the unusable rows; they are not counted
    when these are too many.

    Raises
    ------
    DataError
        There are no samples, more than 1 % of them cannot be used, or a label is out of range.
    """
    reasons = _without_text(raw)
    smiles = _distinct(raw, "molecule", _others(raw, reasons))
    _log.info("Featurising %d distinct molecules of %s.", len(smiles), path)
    made = featurise(smiles, jobs=jobs, on_progress=on_progress)
    failures = {smiles[n]: why for n, why in made.failures.items()}
    reasons |= _rows_with(raw, failures, _others(raw, reasons))
    _refuse_many(raw, reasons, path)

    rows = _others(raw, reasons)
    proteins = _distinct(raw, "protein", rows)
    categories = _distinct(raw, "category", rows)
    numbers = {
        "molecule": dict(zip(smiles, made.graph_index.tolist(), strict=True)),
        "protein": {text: n for n, text in enumerate(proteins)},
        "category": {text: n for n, text in enumerate(categories)},
    }
    indices = np.array(
        [[numbers[e.kind][e.values[row]] for row in rows] for e in raw.entities], np.int32
    )
    labels, identity = _labels(raw, rows, path), _identity(raw.entities, indices, made.keys)
    dropped = left_out(identity, labels, conflicts)
    reasons |= dict.fromkeys(
        rows[dropped].tolist(), f"an equal sample has another label (conflicts={conflicts})"
    )
    labels, identity, rows = (np.delete(column, dropped) for column in (labels, identity, rows))
    repairs = _rows_with(raw, {smiles[n]: what for n, what in made.repaired.items()}, rows)
    facts = {
        "entities": [[entity.name, entity.kind] for entity in raw.entities],
        "class_names": list(raw.class_names),
        "notes": [*raw.notes, *_lost_classes(labels, raw.class_names)],
        "total_rows": len(raw.labels),
        "content_sha256": raw.content_sha256(),
        "unusable": _named(raw, reasons),
        "repaired": _named(raw, repairs),
    }
    return {
        **made.graphs.with_environments().arrays(),
        "labels": labels,
        "rows": rows,
        "indices": np.delete(indices, dropped, axis=1),
        "identity": identity,
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
        **_pack("smiles", [text for text in smiles if text not in failures]),
        **_pack("proteins", proteins),
        **_pack("categories", categories),
    }


def assemble(
    name: str, arrays: Mapping[str, np.ndarray], data_sha256: str, fingerprint: str
) -> PreparedData:
    """The data that :func:`build_arrays` made arrays of."""
    facts = json.loads(arrays["facts"].tobytes())
    return PreparedData(
        name=name,
        entities=tuple(
            EntityIndex(entity, kind, index)
            for (entity, kind), index in zip(facts["entities"], arrays["indices"], strict=True)
        ),
        graphs=PackedGraphs.from_arrays(arrays),
        smiles=PackedTexts(arrays["smiles_bytes"], arrays["smiles_offsets"]),
        proteins=tuple(PackedTexts(arrays["proteins_bytes"], arrays["proteins_offsets"])),
        categories=tuple(PackedTexts(arrays["categories_bytes"], arrays["categories_offsets"])),
        labels=arrays["labels"],
        class_names=tuple(facts["class_names"]),
        rows=arrays["rows"],
        identity=arrays["identity"],
        total_rows=facts["total_rows"],
        unusable=tuple(Unusable(*row) for row in facts["unusable"]),
        repaired=tuple(Unusable(*row) for row in facts["repaired"]),
        notes=tuple(facts["notes"]),
        data_sha256=data_sha256,
        content_sha256=facts["content_sha256"],
        fingerprint=fingerprint,
    )


def _without_text(raw: RawSamples) -> dict[int, str]:
    """Rows the reader gave up, and rows with an input that is not text, with reasons."""
    reasons: dict[int, str] = dict(raw.unusable)
    for entity in raw.entities:
        for row, value in enumerate(entity.values):
            if not (isinstance(value, str) and value.strip()):
                reasons.setdefault(row, f"{entity.name}: expected text, but got {value!r}")
    return reasons


def _others(raw: RawSamples, left_out: Mapping[int, str]) -> np.ndarray:
    """Rows that are not left out, rising; int64."""
    return np.setdiff1d(np.arange(len(raw.labels)), list(left_out)).astype(np.int64)


def _distinct(raw: RawSamples, kind: EntityKind, rows: np.ndarray) -> list[str]:
    # Sorted, so that the numbering does not depend on the order of the rows.
    return sorted({e.values[row] for e in raw.entities if e.kind == kind for row in rows})


def _rows_with(raw: RawSamples, remarks: Mapping[str, str], rows: np.ndarray) -> dict[int, str]:
    """Those of `rows` with a molecule that has a remark, and the first such remark."""
    found: dict[int, str] = {}
    for entity in raw.entities:
        if entity.kind == "molecule":
            for row in rows.tolist():
                if entity.values[row] in remarks:
                    found.setdefault(row, f"{entity.name}: {remarks[entity.values[row]]}")
    return found


def _refuse_many(raw: RawSamples, reasons: Mapping[int, str], path: Path) -> None:
    total = len(raw.labels)
    if total == 0:
        raise DataError(f"Expected samples in {path}, but got none below the header.")
    if len(reasons) > MAX_UNUSABLE * total:
        first = "\n".join(
            f"  row {row} ({name}): {reason}" for row, name, reason in _named(raw, reasons)[:5]
        )
        raise DataError(
            f"Expected at most {MAX_UNUSABLE:.0%} of the {total} rows of {path} to be unusable, "
            f"but got {len(reasons)}. Mend or remove them; the first are\n{first}"
        )


def _labels(raw: RawSamples, rows: np.ndarray, path: Path) -> np.ndarray:
    labels = np.asarray(raw.labels)[rows]
    wrong = np.flatnonzero(labels >= len(raw.class_names))
    if len(wrong):
        raise DataError(
            f"Expected labels 0 to {len(raw.class_names) - 1} in {path}, but got "
            f"{labels[wrong[0]]} in row {rows[wrong[0]]}. Mend the file or the data set's reader."
        )
    return labels.astype(np.int64)


def _lost_classes(labels: np.ndarray, class_names: Sequence[str]) -> list[str]:
    counts = np.bincount(labels, minlength=len(class_names))
    return [
        f"Class {name!r} has no usable sample."
        for name, count in zip(class_names, counts, strict=True)
        if count == 0
    ]


def _identity(
    entities: Sequence[Entity], indices: np.ndarray, molecule_keys: np.ndarray
) -> np.ndarray:
    """Number of each sample's tuple of inputs, where writings of one molecule are one input."""
    molecules = np.unique(molecule_keys, axis=0, return_inverse=True)[1].reshape(-1)
    columns = [
        molecules[index] if entity.kind == "molecule" else index
        for entity, index in zip(entities, indices, strict=True)
    ]
    numbers = np.unique(np.stack(columns), axis=1, return_inverse=True)[1]
    return numbers.reshape(-1).astype(np.int64)


def _named(raw: RawSamples, remarks: Mapping[int, str]) -> list[tuple[int, str, str]]:
    names = raw.row_names
    return [
        (row, str(row) if names is None else str(names[row]), remark)
        for row, remark in sorted(remarks.items())
    ]


def _pack(name: str, texts: Sequence[str]) -> dict[str, np.ndarray]:
    packed = PackedTexts.of(texts)
    return {f"{name}_bytes": packed.data, f"{name}_offsets": packed.offsets}
