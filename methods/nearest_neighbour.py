"""How much of a result is memory: the class of the most similar training sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from bench.data.compiled import compiled
from bench.data.similarity import similarities
from bench.dataset import Entity
from bench.method import Context, Estimator, Samples, register_method
from bench.options import Choices, Options, Range


class NearestNeighbourOptions(Options):
    """Settings of the fingerprints."""

    radius: Annotated[int, Range(1, 3)] = Field(
        2, ge=0, le=10, description="bonds around an atom that a fragment spans"
    )
    bits: Annotated[int, Choices(1024, 2048, 4096)] = Field(
        2048, ge=16, le=65_536, description="length of a fingerprint"
    )


@register_method(
    "nearest_neighbour",
    title="Nearest neighbour",
    group="peer",
    reference="Cover and Hart, IEEE Trans. Inf. Theory 13 (1967), 10.1109/TIT.1967.1053964; "
    "Rogers and Hahn, J. Chem. Inf. Model. 2010, 10.1021/ci100050t (fingerprints)",
)
class NearestNeighbour(Estimator):
    """Gives a sample the class of the training sample that is most like it.

    Formula: ``z_k`` is the largest similarity to a training sample of class k, -1 where there is
    none. Similarity is the mean over the inputs of a sample: of molecules Tanimoto's, between sets
    of circular fragments; of proteins and categories 1 if equal, else 0. Where several training
    samples are equally near, the class that most of them have is predicted, of those the first;
    its ``z_k`` is one rounding step above.

    Settings: ``radius`` 2, ``bits`` 2,048.
    Cost: seconds to a minute; no GPU.

    When it helps: it is a peer that only remembers, so it shows how much of a column a copy of the
    nearest training sample explains.

    What differs: nothing is tuned, so frequent classes win where classes overlap.
    """

    options_type = NearestNeighbourOptions
    options: NearestNeighbourOptions

    def __init__(self, options: NearestNeighbourOptions, context: Context) -> None:
        super().__init__(options, context)
        self._fingerprint = context.fingerprints(options.radius, options.bits)

    def fit(self, train: Samples, valid: Samples) -> None:
        self._labels = train.labels
        # By input: its distinct values in training, and which of them each sample has.
        self._known, self._index = {}, {}
        for entity in train.entities:
            values = sorted(set(entity.values))
            places = {value: place for place, value in enumerate(values)}
            self._index[entity.name] = np.array([places[value] for value in entity.values])
            self._known[entity.name] = (
                self._bits(values) if entity.kind == "molecule" else np.array(values, str)
            )

    def state(self) -> Mapping[str, Any]:
        return {
            "labels": self._labels,
            **{f"values of {name}": values for name, values in self._known.items()},
            **{f"index of {name}": index for name, index in self._index.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._labels = np.array(state["labels"], np.int64)
        self._known, self._index = (
            {
                key.removeprefix(prefix): value
                for key, value in state.items()
                if key.startswith(prefix)
            }
            for prefix in ("values of ", "index of ")
        )
        # Compiled loops go wherever these point.
        for name, index in self._index.items():
            if (
                index.shape != self._labels.shape
                or index.min() < 0
                or index.max() >= len(self._known[name])
            ):
                raise ValueError(f"Expected one known value of {name} for each training sample.")
        if self._labels.min() < 0 or self._labels.max() >= self.context.num_classes:
            raise ValueError("Expected training samples of classes that the data has.")

    def logits(self, samples: Samples) -> np.ndarray:
        pairs = [(self._alike(one), self._index[one.name]) for one in samples.entities]
        found = np.empty((len(samples.entities[0].values), self.context.num_classes))
        for sample in range(len(found)):
            total = np.zeros(len(self._labels))
            for alike, index in pairs:
                total += alike(sample)[index]
            found[sample] = _scores(total / len(pairs), self._labels, self.context.num_classes)
        return found

    def _alike(self, entity: Entity) -> Callable[[int], np.ndarray]:
        """Gives the similarities of a sample's value to the known ones, float64."""
        known = self._known[entity.name]
        if entity.kind == "molecule":
            bits = self._bits(entity.values)
            return lambda sample: similarities(bits[sample], known)
        places = {value: place for place, value in enumerate(known.tolist())}
        numbers, own = np.arange(len(known)), [places.get(value, -1) for value in entity.values]
        return lambda sample: (numbers == own[sample]).astype(np.float64)

    def _bits(self, smiles: Sequence[str]) -> np.ndarray:
        """Which fragments each molecule has, as bits of uint64, (n, W)."""
        words = np.zeros((len(smiles), -(-self.options.bits // 64)), np.uint64)
        for row, text in zip(words, smiles, strict=True):
            places = self._fingerprint(text).places
            np.bitwise_or.at(row, places // 64, np.uint64(1) << (places % 64).astype(np.uint64))
        return words


@compiled
def _scores(similarity: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Of each class the largest similarity, (K,); of those that tie, the most common leads."""
    nearest = np.full(num_classes, -1.0)
    times = np.zeros(num_classes, np.int64)
    for sample in range(len(labels)):
        label = labels[sample]
        if similarity[sample] > nearest[label]:
            nearest[label], times[label] = similarity[sample], 0
        if similarity[sample] == nearest[label]:
            times[label] += 1
    largest = nearest.max()
    times[nearest < largest] = 0
    if (times > 0).sum() > 1:
        nearest[times.argmax()] = np.nextafter(largest, np.inf)
    return nearest
