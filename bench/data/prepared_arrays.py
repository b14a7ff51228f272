"""Raw samples to the arrays that the cache keeps, and those to :class:`PreparedData`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.data.conflicts import ConflictPolicy, left_out
from bench.data.featurise import CHUNK, Progress, featurise, standardise
from bench.data.left_out import TooManyBadError, too_many
from bench.data.packed import PackedGraphs, PackedTexts
from bench.data.prepared import EntityIndex, Kind, PreparedData, Unusable
from bench.dataset import MAX_BAD, Entity, EntityKind, RawSamples
from bench.errors import DataError

if TYPE_CHECKING:
    from bench.data.molecules import Standardised

_log = logging.getLogger(__name__)


def build_arrays(
    raw: RawSamples,
    path: Path,
    *,
    conflicts: ConflictPolicy = "keep",
    standardised: bool = False,
    max_bad: float = MAX_BAD,
    unordered: bool = False,
    jobs: int = 1,
    on_progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Featurise and index the samples read from the file at `path`.

    Where they are to be `standardised`, their molecules are cleaned up first; one that cannot be
    makes its row a bad one. The checksum of the content stays that of the file's samples.

    Rows without a label, and samples that `conflicts` leaves out, are listed with the bad rows;
    they are not counted when these are too many. Bad rows are counted before features are made,
    as far as that needs no parsing, and then with every chunk of molecules, so that a file with
    too many is refused early and no molecule is parsed twice. Samples with the same molecules in
    another order are equal ones where they are `unordered`.

    Raises
    ------
    DataError
        There are no samples, more of them are bad than `max_bad` allows, fewer than two classes
        are left, or a label is out of range.
    """
    if not len(raw.labels):
        raise DataError(f"Expected samples in {path}, but got none below the header.")
    content_sha256 = raw.content_sha256()
    if standardised:
        raw = _standardised(raw, jobs, on_progress)
    bad = _BadRows(raw, path, max_bad)
    bad.refuse_too_many(whole=False)
    smiles = _distinct(raw, "molecule", bad.others)
    _log.info("Featurising %d distinct molecules of %s.", len(smiles), path)

    def failed(found: Mapping[int, str]) -> None:
        bad.add({smiles[n]: why for n, why in found.items()})
        bad.refuse_too_many(whole=len(smiles) <= CHUNK)

    made = featurise(smiles, jobs=jobs, on_progress=on_progress, on_failures=failed)
    reasons = dict(raw.unusable) | bad.reasons()
    kinds: dict[int, Kind] = dict.fromkeys(raw.unlabelled, "unlabelled")

    rows = _others(raw, reasons)
    labels = _labels(raw, rows, path)
    _refuse_one_class(raw.class_names, labels, path)
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
    identity = _identity(raw.entities, indices, made.keys, unordered=unordered)
    dropped = left_out(identity, labels, conflicts)
    reasons |= dict.fromkeys(
        rows[dropped].tolist(), f"an equal sample has another label (conflicts={conflicts})"
    )
    kinds |= dict.fromkeys(rows[dropped].tolist(), "conflict")
    labels, identity, rows = (np.delete(column, dropped) for column in (labels, identity, rows))
    repairs = _rows_with(raw, {smiles[n]: what for n, what in made.repaired.items()}, rows)
    facts = {
        "entities": [[entity.name, entity.kind] for entity in raw.entities],
        "class_names": list(raw.class_names),
        "notes": [*raw.notes, *_lost_classes(labels, raw.class_names)],
        "total_rows": len(raw.labels),
        "content_sha256": content_sha256,
        "unusable": [
            (*named, kinds.get(row, "bad"))
            for row, named in zip(sorted(reasons), _named(raw, reasons), strict=True)
        ],
        "repaired": _named(raw, repairs),
    }
    return {
        **made.graphs.with_environments().arrays(),
        "labels": labels,
        "rows": rows if raw.rows is None else raw.rows[rows],
        "indices": np.delete(indices, dropped, axis=1),
        "identity": identity,
        "molecules": _molecules(made.keys),
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
        **_pack("smiles", [text for text in smiles if text not in bad.molecules]),
        **_pack("proteins", proteins),
        **_pack("categories", categories),
        **_packed_columns(raw, rows),
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
        molecules=arrays["molecules"],
        split_column=_unpacked_column("split_column", arrays),
        dates=_unpacked_column("dates", arrays),
    )


class _BadRows:
    """The bad rows of a file, as far as they are known.

    Attributes
    ----------
    molecules : dict
        SMILES that cannot be used, and why.
    others : ndarray of int64
        Rows whose molecules are to be parsed.
    """

    def __init__(self, raw: RawSamples, path: Path, max_bad: float) -> None:
        self._raw, self._path, self._max_bad = raw, path, max_bad
        self._without_text = _without_text(raw)
        self.others = _others(raw, {**raw.unusable, **self._without_text})
        self.molecules: dict[str, str] = {}
        self._rows = set(self._without_text)

    @cached_property
    def _rows_of(self) -> dict[str, list[int]]:
        """The rows in which a SMILES stands; made at the first one that cannot be used."""
        found: dict[str, list[int]] = {}
        for entity in self._raw.entities:
            if entity.kind == "molecule":
                for row in self.others.tolist():
                    found.setdefault(entity.values[row], []).append(row)
        return found

    def add(self, molecules: Mapping[str, str]) -> None:
        self.molecules |= molecules
        for text in molecules:
            self._rows.update(self._rows_of[text])

    def reasons(self) -> dict[int, str]:
        return self._without_text | _rows_with(self._raw, self.molecules, self.others)

    def refuse_too_many(self, *, whole: bool) -> None:
        labelled = len(self._raw.labels) - len(self._raw.unlabelled)
        if too_many(len(self._rows), labelled, self._max_bad):
            listed = [Unusable(*row) for row in _named(self._raw, self.reasons())]
            raise TooManyBadError(listed, labelled, self._max_bad, self._path, whole=whole)


def _standardised(raw: RawSamples, jobs: int, on_progress: Progress | None) -> RawSamples:
    """The samples with their molecules cleaned up; rows with one that cannot be are unusable."""
    smiles = _distinct(raw, "molecule", _others(raw, {**raw.unusable, **_without_text(raw)}))
    made = dict(zip(smiles, standardise(smiles, jobs=jobs, on_progress=on_progress), strict=True))
    entities, failed = standard_entities(raw.entities, made)
    failed = {row: why for row, why in failed.items() if row not in raw.unusable}
    labels = raw.labels.copy()
    labels[list(failed)] = -1
    return replace(
        raw,
        entities=entities,
        labels=labels,
        unusable=dict(sorted({**raw.unusable, **failed}.items())),
    )


def standard_entities(
    entities: Sequence[Entity], made: Mapping[str, Standardised]
) -> tuple[tuple[Entity, ...], dict[int, str]]:
    """Inputs with each molecule as `made` has it, and the rows of those that it has not, and why.

    A text that is no key of `made` stays as it is.
    """
    failed: dict[int, str] = {}
    found = []
    for entity in entities:
        if entity.kind == "molecule":
            values = list(entity.values)
            for row, text in enumerate(values):
                standard = made.get(text)
                if standard is not None and standard.smiles is not None:
                    values[row] = standard.smiles
                elif standard is not None:
                    failed.setdefault(row, f"{entity.name}: {standard.problem}")
            entity = replace(entity, values=values)
        found.append(entity)
    return tuple(found), failed


def _without_text(raw: RawSamples) -> dict[int, str]:
    """Rows with a label that the reader gave up, or with an input that is not text."""
    reasons = {row: why for row, why in raw.unusable.items() if row not in raw.unlabelled}
    for entity in raw.entities:
        for row, value in enumerate(entity.values):
            if row not in raw.unlabelled and not (isinstance(value, str) and value.strip()):
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


def _refuse_one_class(class_names: Sequence[str], labels: np.ndarray, path: Path) -> None:
    left = np.unique(labels)
    if len(left) < min(2, len(class_names)):
        only = f"only class {class_names[left[0]]!r}" if len(left) else "nothing"
        raise DataError(
            f"Expected samples of at least two classes in {path}, but without its bad rows "
            f"{only} is left. Mend the bad rows."
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


def _molecules(keys: np.ndarray) -> np.ndarray:
    """Number of each graph's molecule, where writings of one molecule are one; int64, (G,)."""
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _identity(
    entities: Sequence[Entity], indices: np.ndarray, molecule_keys: np.ndarray, *, unordered: bool
) -> np.ndarray:
    """Number of each sample's tuple of inputs, where writings of one molecule are one input.

    With `unordered`, tuples with the same molecules in another order have one number.
    """
    molecules = _molecules(molecule_keys)
    is_molecule = [entity.kind == "molecule" for entity in entities]
    columns = np.stack(
        [
            molecules[index] if one else index
            for one, index in zip(is_molecule, indices, strict=True)
        ]
    )
    if unordered:
        columns[is_molecule] = np.sort(columns[is_molecule], axis=0)
    numbers = np.unique(columns, axis=1, return_inverse=True)[1]
    return numbers.reshape(-1).astype(np.int64)


def _named(raw: RawSamples, remarks: Mapping[int, str]) -> list[tuple[int, str, str]]:
    """Row of the file, its name and the remark, in order of the rows of `raw`."""
    found = []
    for row, remark in sorted(remarks.items()):
        number = row if raw.rows is None else int(raw.rows[row])
        name = str(number) if raw.row_names is None else str(raw.row_names[row])
        found.append((number, name, remark))
    return found


def _packed_columns(raw: RawSamples, rows: np.ndarray) -> dict[str, np.ndarray]:
    packed: dict[str, np.ndarray] = {}
    for name, texts in raw.columns_of_splits().items():
        packed |= _pack(name, [texts[row] for row in rows.tolist()])
    return packed


def _unpacked_column(name: str, arrays: Mapping[str, np.ndarray]) -> PackedTexts | None:
    if f"{name}_bytes" not in arrays:
        return None
    return PackedTexts(arrays[f"{name}_bytes"], arrays[f"{name}_offsets"])


def _pack(name: str, texts: Sequence[str]) -> dict[str, np.ndarray]:
    packed = PackedTexts.of(texts)
    return {f"{name}_bytes": packed.data, f"{name}_offsets": packed.offsets}
