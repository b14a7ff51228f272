"""From text of new samples to what models read, with a reason for each row that cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.data.featurise import featurise, standardise
from bench.data.packed import PackedTexts
from bench.data.prepared import HIDDEN, EntityIndex, PreparedData
from bench.data.prepared_arrays import standard_entities
from bench.dataset import Entity
from bench.errors import ModelError
from bench.inference.card import Card


@dataclass(frozen=True)
class NewSamples:
    """M of n rows, ready to be predicted.

    Attributes
    ----------
    prepared : PreparedData
        The rows that can be read, in their order, without labels.
    problems : tuple of str or None
        Of each of the n rows, why it cannot be read.
    """

    prepared: PreparedData
    problems: tuple[str | None, ...]

    @property
    def rows(self) -> np.ndarray:
        """Which of the n rows each sample is, (M,)."""
        return self.prepared.rows


def read_samples(entities: Sequence[Entity], card: Card, *, jobs: int = 1) -> NewSamples:
    """Featurise new samples as those that the model was trained on, standardised where they were.

    Parameters
    ----------
    entities : sequence of Entity
        The model's inputs, n values each.
    card : Card
        Of the model.
    jobs : int
        Processes that parse molecules.

    Raises
    ------
    ModelError
        The inputs are not those of the model.
    """
    _require_inputs(entities, card)
    problems = _without_text(entities)
    smiles = _distinct(entities, "molecule", problems)
    if card.standardise:
        made = dict(zip(smiles, standardise(smiles, jobs=jobs), strict=True))
        entities, failed = standard_entities(entities, made)
        for row, why in failed.items():
            problems[row] = problems[row] or why
        smiles = _distinct(entities, "molecule", problems)
    graphs = featurise(smiles, jobs=jobs, keys=False)
    graph_of = dict(zip(smiles, graphs.graph_index.tolist(), strict=True))
    unreadable = {smiles[place]: reason for place, reason in graphs.failures.items()}
    category_of = {name: number for number, name in enumerate(card.categories)}
    for entity in entities:
        for row, value in enumerate(entity.values):
            if problems[row] is not None:
                continue
            if entity.kind == "molecule" and graph_of[value] < 0:
                problems[row] = f"{entity.name}: {unreadable[value]}"
            elif entity.kind == "category" and value not in category_of:
                problems[row] = f"{entity.name}: {value!r} did not occur in the model's data"
    rows = np.array([row for row, problem in enumerate(problems) if problem is None], np.int64)
    proteins = _distinct(entities, "protein", problems)
    numbers = {
        "molecule": graph_of,
        "protein": {text: number for number, text in enumerate(proteins)},
        "category": category_of,
    }
    prepared = PreparedData(
        name=card.data,
        entities=tuple(
            EntityIndex(e.name, e.kind, _indices(e, rows, numbers[e.kind])) for e in entities
        ),
        graphs=graphs.graphs.with_environments() if len(graphs.graphs) else graphs.graphs,
        smiles=PackedTexts.of([text for text in smiles if graph_of[text] >= 0]),
        proteins=tuple(proteins),
        categories=card.categories,
        labels=np.full(len(rows), HIDDEN, np.int64),
        class_names=card.class_names,
        rows=rows,
        identity=rows,
        total_rows=len(problems),
        unusable=(),
        repaired=(),
        notes=(),
        data_sha256="",
        content_sha256="",
        fingerprint="",
    )
    return NewSamples(prepared, tuple(problems))


def _require_inputs(entities: Sequence[Entity], card: Card) -> None:
    expected = [input_.kind for input_ in card.inputs]
    got = [entity.kind for entity in entities]
    if got != expected:
        named = ", ".join(f"{input_.name} ({input_.kind})" for input_ in card.inputs)
        raise ModelError(
            f"Expected the model's inputs of every sample, {named}, but got "
            f"{', '.join(f'{entity.name} ({entity.kind})' for entity in entities) or 'none'}. "
            "Name as many columns as the model has inputs, in their order."
        )
    lengths = {len(entity.values) for entity in entities}
    if len(lengths) > 1:
        raise ModelError(
            f"Expected as many values of each input, but got {sorted(lengths)}. Give one a sample."
        )


def _without_text(entities: Sequence[Entity]) -> list[str | None]:
    problems: list[str | None] = [None] * len(entities[0].values)
    for entity in entities:
        for row, value in enumerate(entity.values):
            if problems[row] is None and not (isinstance(value, str) and value.strip()):
                problems[row] = f"{entity.name}: expected text, but got {value!r}"
    return problems


def _distinct(entities: Sequence[Entity], kind: str, problems: Sequence[str | None]) -> list[str]:
    # Sorted, as in the data that models are trained on.
    return sorted(
        {
            value
            for entity in entities
            if entity.kind == kind
            for value, problem in zip(entity.values, problems, strict=True)
            if problem is None
        }
    )


def _indices(entity: Entity, rows: np.ndarray, numbers: dict[str, int]) -> np.ndarray:
    return np.array([numbers[entity.values[row]] for row in rows.tolist()], np.int32)
