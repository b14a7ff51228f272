"""The scikit-learn estimator: any method of the benchmark on molecules as SMILES."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from bench.api.inputs import TextColumns, is_missing, text_columns
from bench.errors import ArgumentError, BenchWarning, ModelError
from bench.plain_text import some_of
from bench.spec import spec_of

if TYPE_CHECKING:
    from bench.inference.card import Part
    from bench.inference.model import Prediction, TrainedModel
    from bench.registry import Registry

Prior = Literal["as-is", "train", "equal"] | Sequence[float]

_ESTIMATOR = "estimator.json"
_NAMED_ROWS = 5
_MOST_SEED = 2**31 - 1
# A truth value is a number as well.
_KINDS = {"text": str, "truth value": bool | np.bool_, "number": Real}


class LongTailClassifier(ClassifierMixin, BaseEstimator):
    """A long-tail method on molecules, as a scikit-learn classifier.

    X is SMILES: a list, array or series of n texts, or a frame or array of n rows with several
    columns where a sample has several molecules, or a molecule and a protein. y has one class for
    each sample, of any type that scikit-learn takes.

    It trains on all samples but the share on which the epoch, and whatever the method tunes, are
    chosen. The same data, parameters and `random_state` give the same model bit for bit.
    ``score`` is accuracy, which says little of a long tail: use ``scoring="balanced_accuracy"``.

    Parameters
    ----------
    method : str
        A method by name, with or without options in brackets: ``"cb[beta=0.99]"``.
        ``python run_bench.py --list methods``, or ``ltdd-bench --list methods`` where the package
        is installed, describes them.
    options : mapping, optional
        Options of the method, stronger than those in brackets.
    backbone : str or mapping
        Encoder of molecules, such as ``"gcn"``; or kind of input to encoder:
        ``{"molecule": "gcn", "protein": "protein_cnn"}``.
    epochs, batch_size, learning_rate, weight_decay
        The training budget, as of a benchmark. A forest has none of it.
    valid_share : float
        Share of each class that is held back for choices, in (0, 1).
    random_state : int, RandomState or None
        An int repeats bit for bit; None draws from the global state of NumPy.
    prior : {"as-is", "train", "equal"} or sequence of float, shape (K,)
        Class shares for which ``predict_proba`` and with it ``predict`` speak, by Bayes' rule on
        the logits: those of training, equal ones, or these. ``"as-is"`` takes the logits as the
        method gives them. A method whose logits are a posterior under no known prior refuses the
        others.
    bad : {"raise", "skip"}
        What happens to samples whose SMILES cannot be read. ``"raise"``: an error names them.
        ``"skip"``: ``fit`` leaves them out with a warning that names them; ``predict_proba`` and
        ``decision_function`` give NaN in their place, and ``predict`` None, in an array of
        objects. ``score`` and scorers of scikit-learn need samples that can be read.
    protein : str or int, optional
        The column of X, by name or number, that holds amino-acid sequences.
    standardise : bool
        Whether molecules are cleaned up by RDKit, in ``fit`` and ``predict``: of several fragments
        the largest organic one, neutralised.
    device : {"cpu", "cuda", "auto"}
        Where a network trains; it predicts on the CPU.
    n_jobs : int, optional
        Processes that parse molecules in ``predict``; -1 is one a core. It changes no result.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        The classes, sorted, of the type of y; text in the data's order where :meth:`load` read a
        model that ``fit`` on the command line or a benchmark made.
    model_ : bench.inference.model.TrainedModel
        The model; ``model_.card`` is what is known of it, such as counts and validation figures.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X was a frame.

    Examples
    --------
    >>> from bench import LongTailClassifier
    >>> smiles = [f"{'C' * n}O" for n in range(1, 25)] + [f"{'C' * n}c1ccccc1" for n in range(8)]
    >>> y = ["alcohol"] * 24 + ["ring"] * 8
    >>> model = LongTailClassifier("ecfp_forest", random_state=0).fit(smiles, y)
    >>> model.predict(["CCCCO", "CCc1ccccc1"]).tolist()
    ['alcohol', 'ring']
    >>> model.predict_proba(["CCCCO"]).shape
    (1, 2)
    """

    def __init__(
        self,
        method: str = "balanced_softmax",
        *,
        options: Mapping[str, Any] | None = None,
        backbone: str | Mapping[str, str] = "gcn",
        epochs: int = 30,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        weight_decay: float = 2e-4,
        valid_share: float = 0.1,
        random_state: int | np.random.RandomState | None = 0,
        prior: Prior = "as-is",
        bad: Literal["raise", "skip"] = "raise",
        protein: str | int | None = None,
        standardise: bool = False,
        device: str = "cpu",
        n_jobs: int | None = None,
    ) -> None:
        self.method = method
        self.options = options
        self.backbone = backbone
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.valid_share = valid_share
        self.random_state = random_state
        self.prior = prior
        self.bad = bad
        self.protein = protein
        self.standardise = standardise
        self.device = device
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> LongTailClassifier:  # noqa: N803 (as scikit-learn has it)
        """Train on molecules `X`, n of them, with classes `y`, shape (n,).

        Raises
        ------
        bench.errors.ArgumentError
            X or y are of the wrong kind, or SMILES cannot be read. It is a ValueError.
        bench.errors.UsageError
            There is no such method, option or encoder, or a value is out of range.
        bench.errors.TrainingError
            The method cannot be trained on these samples.
        """
        skips, seed = self._skips(), _seed(self.random_state)
        labels = _labels(y)
        columns = text_columns(X)
        if len(labels) != len(columns):
            raise ArgumentError(
                f"Expected one class a sample, but got {len(columns)} samples and {len(labels)} "
                "classes."
            )
        try:
            model, classes = self._fit(columns, labels, seed)
        except _BadSamplesError as error:
            problems = self._problems(columns)
            if not problems:
                raise ArgumentError(str(error)) from None
            if not skips:
                raise ArgumentError(
                    f"Expected SMILES that can be read, but {_named(problems, len(columns))} "
                    "Mend or remove them, or leave them out by bad='skip'."
                ) from None
            warnings.warn(
                f"Left out, as they cannot be read: {_named(problems, len(columns))}",
                BenchWarning,
                stacklevel=2,
            )
            kept = np.setdiff1d(np.arange(len(columns)), list(problems))
            if not len(kept):
                raise ArgumentError("Expected SMILES that can be read, but got none.") from None
            model, classes = self._fit(columns.rows(kept), labels[kept], seed)
        self.model_ = model
        self.classes_ = classes
        self.n_features_in_ = len(columns.names)
        if columns.named:
            self.feature_names_in_ = np.array(columns.names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The class of each molecule, shape (n,).

        Raises
        ------
        bench.errors.ArgumentError
            SMILES cannot be read, and ``bad`` is ``"raise"``.
        """
        scores = self._scores(X)
        readable = ~np.isnan(scores).any(axis=1)
        predicted: np.ndarray = self.classes_[scores.argmax(axis=1)]
        if not readable.all():
            predicted = predicted.astype(object)
            predicted[~readable] = None
        return predicted

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Probability of each class, float64, shape (n, K); the columns are `classes_`.

        Raises
        ------
        bench.errors.ArgumentError
            SMILES cannot be read, and ``bad`` is ``"raise"``.
        bench.errors.UsageError
            The method gives no probabilities under the prior that is asked for.
        """
        return self._probabilities(self._predicted(X).logits)

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """Scores whose largest is predicted, (n, K); of two classes (n,), above 0 for the second.

        The logits, or log probabilities where a prior is set. Errors are those of
        :meth:`predict_proba`.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: N803
        """Accuracy on samples `X`, all of which can be read, with classes `y`, shape (n,).

        Raises
        ------
        bench.errors.ArgumentError
            SMILES cannot be read.
        """
        predicted = self.predict(X)
        if unread := [row for row, one in enumerate(predicted) if one is None]:
            raise ArgumentError(
                f"Expected SMILES that can be read, but {len(unread)} of {len(predicted)} cannot, "
                f"such as row {unread[0]}. Leave them out of what is scored."
            )
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def nearest_similarity(self, X: Any) -> np.ndarray | None:  # noqa: N803
        """Highest Tanimoto similarity of each sample to a training sample, float64, shape (n,).

        Of Morgan fingerprints, radius 2, 2,048 bits; of samples with several molecules the last
        one's. NaN where SMILES cannot be read; None where the model keeps no fingerprints.
        """
        check_is_fitted(self)
        columns = text_columns(X)
        self._require_columns(columns)
        return self.model_.nearest_similarity(
            columns.entities(self.protein), jobs=_processes(self.n_jobs)
        )

    def save(self, folder: str | PathLike[str]) -> Path:
        """Keep the fitted classifier in a new folder, which the command ``predict`` takes, too.

        Nothing in it is a pickle: it may come from a stranger.

        Raises
        ------
        bench.errors.ModelError
            There is something already, or it cannot be written.
        """
        check_is_fitted(self)
        target = Path(folder)
        document = {
            "parameters": _plain({**self.get_params(), "random_state": self.model_.card.seed}),
            "classes": self.classes_.tolist(),
            "dtype": "object" if self.classes_.dtype == object else self.classes_.dtype.str,
            "feature_names": getattr(self, "feature_names_in_", np.array([])).tolist() or None,
        }
        self.model_.save(target, {_ESTIMATOR: json.dumps(document, indent=1).encode()})
        return target

    @classmethod
    def load(
        cls, folder: str | PathLike[str], *, data_dir: str | PathLike[str] | None = None
    ) -> LongTailClassifier:
        """A fitted classifier from a model folder.

        Parameters
        ----------
        folder : str or path
            What :meth:`save` or the command ``fit`` wrote, or a run's folder,
            ``results/runs/JOB_ID``; of these two the classes are text.
        data_dir : str or path, optional
            Folder with data files, looked in first where a run needs its training data.

        Raises
        ------
        bench.errors.ModelError
            It is no model, damaged, or of another version.
        """
        from bench.inference.model import load_model

        place = Path(folder)
        model = load_model(place, data_dir=None if data_dir is None else Path(data_dir))
        return cls._restored(model, _document(place))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = _files_of(state["model_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        files = state.get("model_")
        super().__setstate__({key: value for key, value in state.items() if key != "model_"})
        if files is not None:
            self.model_ = _model_of(files)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = self.bad == "skip"
        return tags

    @classmethod
    def _restored(
        cls, model: TrainedModel, document: Mapping[str, Any] | None
    ) -> LongTailClassifier:
        from bench.backbone import BACKBONES
        from bench.method import METHODS

        card = model.card
        if document is None:
            made = cls(
                _asked(METHODS, card.method),
                backbone={kind: _asked(BACKBONES, part) for kind, part in card.backbones.items()}
                or "gcn",
                valid_share=card.valid_share or 0.1,
                random_state=card.seed,
                standardise=card.standardise,
                **{
                    name: card.training[name]
                    for name in ("epochs", "batch_size", "learning_rate", "weight_decay")
                },
            )
            made.classes_ = np.array(card.class_names)
            proteins = [place for place, one in enumerate(card.inputs) if one.kind == "protein"]
            made.protein = proteins[0] if proteins else None
            names = [one.name for one in card.inputs] if len(card.inputs) > 1 else None
        else:
            try:
                made = cls(**document["parameters"])
                made.classes_ = np.array(document["classes"], dtype=document["dtype"])
                names = document["feature_names"]
                if tuple(map(str, made.classes_)) != card.class_names:
                    raise ValueError(f"its classes are {some_of(list(map(str, made.classes_)))}")
                if names is not None and len(names) != len(card.inputs):
                    raise ValueError(f"its columns are {some_of(names)}")
            except (KeyError, TypeError, ValueError) as error:
                raise ModelError(
                    f"Expected {_ESTIMATOR} of a classifier of {some_of(card.class_names)}, but "
                    f"it is damaged: {error}. Copy the folder again from where it was made."
                ) from None
        made.model_ = model
        made.n_features_in_ = len(card.inputs)
        if names is not None:
            made.feature_names_in_ = np.array(names, dtype=object)
        return made

    def _skips(self) -> bool:
        if self.bad not in ("raise", "skip"):
            raise ArgumentError(f"Expected bad='raise' or 'skip', but got {self.bad!r}.")
        return self.bad == "skip"

    def _fit(
        self, columns: TextColumns, labels: np.ndarray, seed: int
    ) -> tuple[TrainedModel, np.ndarray]:
        from bench.data.left_out import TooManyBadError
        from bench.dataset import RawSamples
        from bench.inference.model import fit_model
        from bench.spec import parse_spec

        classes, places = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ArgumentError(
                f"Expected at least two classes in y, but got 1 class: {classes.tolist()[0]!r}."
            )
        if not isinstance(self.method, str):
            raise ArgumentError(f"Expected the name of a method, but got {self.method!r}.")
        if not isinstance(self.backbone, str | Mapping):
            raise ArgumentError(
                f"Expected the name of an encoder, or one a kind of input, in backbone=, but got "
                f"{self.backbone!r}."
            )
        if not isinstance(self.options, Mapping | None):
            raise ArgumentError(f"Expected options by name, but got {self.options!r}.")
        if not isinstance(self.valid_share, Real):
            raise ArgumentError(f"Expected a number in valid_share=, but got {self.valid_share!r}.")
        if self.device not in ("cpu", "cuda", "auto"):
            raise ArgumentError(f"Expected the device cpu, cuda or auto, but got {self.device!r}.")
        spec = parse_spec(self.method)
        raw = RawSamples(
            columns.entities(self.protein), places.astype(np.int64), tuple(map(str, classes))
        )
        backbones = {"molecule": self.backbone} if isinstance(self.backbone, str) else self.backbone
        try:
            model = fit_model(
                raw,
                name="X",
                method=spec.name,
                options={**spec.options, **_plain(self.options or {})},
                backbones=backbones,
                training=self._training(),
                seed=seed,
                valid_share=self.valid_share,
                standardise=bool(self.standardise),
                max_bad=0.0,
                device=self.device,
            )
        except TooManyBadError as error:
            raise _BadSamplesError(str(error)) from None
        return model, classes

    def _training(self) -> Any:
        """The budget, checked."""
        from bench.spec import Spec, check_options
        from bench.training.settings import TrainingSettings

        given = {
            name: _plain(getattr(self, name))
            for name in ("epochs", "batch_size", "learning_rate", "weight_decay")
        }
        return check_options(TrainingSettings, Spec("training", given), "classifier")

    def _predicted(self, x: Any) -> Prediction:
        check_is_fitted(self)
        skips, columns = self._skips(), text_columns(x)
        self._require_columns(columns)
        found = self.model_.predict(columns.entities(self.protein), jobs=_processes(self.n_jobs))
        problems = {row: why for row, why in enumerate(found.problems) if why is not None}
        if problems and not skips:
            raise ArgumentError(
                f"Expected SMILES that can be read, but {_named(problems, len(columns))} Mend or "
                "remove them, or set bad='skip' to have NaN in their place."
            )
        return found

    def _scores(self, x: Any) -> np.ndarray:
        logits = self._predicted(x).logits
        if isinstance(self.prior, str) and self.prior == "as-is":
            return logits
        with np.errstate(divide="ignore"):
            return np.log(self._probabilities(logits))

    def _probabilities(self, logits: np.ndarray) -> np.ndarray:
        try:
            prior = (
                self.prior if isinstance(self.prior, str) else np.asarray(self.prior, np.float64)
            )
        except (TypeError, ValueError):
            raise ArgumentError(
                f"Expected a prior by name, or a share of each class, but got {self.prior!r}."
            ) from None
        return self.model_.probabilities(logits, prior)

    def _require_columns(self, columns: TextColumns) -> None:
        if len(columns.names) != self.n_features_in_:
            raise ArgumentError(
                f"X has {len(columns.names)} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        expected = getattr(self, "feature_names_in_", None)
        if columns.named and expected is not None and list(columns.names) != expected.tolist():
            raise ArgumentError(
                f"Expected the columns {expected.tolist()} in X, as in fit, but got "
                f"{list(columns.names)}."
            )

    def _problems(self, columns: TextColumns) -> dict[int, str]:
        """Rows that cannot be read, and why."""
        from bench.data.molecules import parse, standardised

        def problem_of(smiles: str) -> str | None:
            if self.standardise:
                return standardised(smiles).problem or None
            parsed = parse(smiles)
            return parsed.problem if parsed.mol is None else None

        problems: dict[int, str] = {}
        for entity in columns.entities(self.protein):
            reasons: dict[str, str | None] = {}
            for text in set(entity.values):
                if not text.strip():
                    reasons[text] = "the text is empty"
                elif entity.kind == "molecule":
                    reasons[text] = problem_of(text)
            for row, text in enumerate(entity.values):
                if (why := reasons.get(text)) is not None:
                    problems.setdefault(row, f"{entity.name}: {why}")
        return dict(sorted(problems.items()))


class _BadSamplesError(Exception):
    """Samples cannot be read."""


def _labels(y: Any) -> np.ndarray:
    """Classes as an array, shape (n,).

    Raises
    ------
    ArgumentError
        It is missing, has missing values, or is no classes.
    """
    if y is None:
        raise ArgumentError(
            "LongTailClassifier requires y to be passed, but the target y is None: it takes the "
            "class of each sample."
        )
    try:
        # A list as it is: an array of numbers and texts would be one of texts.
        labels = column_or_1d(
            np.array(y, dtype=object) if isinstance(y, list | tuple) else y, warn=True
        )
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            raise ValueError("Input y contains NaN or infinity.")
        missing = [is_missing(value) for value in labels.tolist()]
        if any(missing):
            raise ValueError(f"Input y contains NaN: row {missing.index(True)} has no class.")
        if labels.dtype.kind not in "biuf":
            _require_one_kind(labels)
            labels = np.array(labels.tolist())
        check_classification_targets(labels)
    except ValueError as error:
        raise ArgumentError(str(error)) from None
    return labels


def _require_one_kind(labels: np.ndarray) -> None:
    """Refuse classes of several kinds, or of one that would come back as another.

    Raises
    ------
    ArgumentError
        They are neither texts nor truth values nor numbers.
    """
    first: dict[str, Any] = {}
    for value in labels.tolist() if labels.dtype.kind in "OUT" else labels:
        kind = next((name for name, types in _KINDS.items() if isinstance(value, types)), "")
        first.setdefault(kind or type(value).__name__, value)
    if len(first) > 1 or not first.keys() <= _KINDS.keys():
        raise ArgumentError(
            "Expected classes that are all text, all numbers or all truth values, but got "
            f"{' and '.join(f'{value!r} ({kind})' for kind, value in list(first.items())[:3])}. "
            "Make text of them."
        )


def _named(problems: Mapping[int, str], samples: int) -> str:
    rows = [f"row {row} ({why})" for row, why in list(problems.items())[:_NAMED_ROWS]]
    more = f" and {len(problems) - _NAMED_ROWS} more" if len(problems) > _NAMED_ROWS else ""
    return f"{len(problems)} of {samples} cannot: {'; '.join(rows)}{more}."


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return int(random_state)
    try:
        return int(check_random_state(random_state).randint(_MOST_SEED))
    except ValueError as error:
        raise ArgumentError(f"Expected a random_state: {error}.") from None


def _processes(n_jobs: int | None) -> int:
    from bench.sweep.local import default_jobs

    if n_jobs is not None and n_jobs < 0:
        return max(1, default_jobs() + 1 + n_jobs)
    return n_jobs or 1


def _asked(registry: Registry[Any], part: Part) -> str:
    """A method or an encoder as it is asked for, with all its options that are not the defaults."""
    options_type = registry.get(part.name).cls.options_type
    return spec_of(part.name, options_type.model_validate(part.options)).label


def _plain(value: Any) -> Any:
    """`value` as JSON has it."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _document(folder: Path) -> Mapping[str, Any] | None:
    """What :meth:`LongTailClassifier.save` kept beside the model; None where it did not."""
    from bench.inference.folder import read_beside

    text = read_beside(folder, _ESTIMATOR)
    if text is None:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"Expected {folder / _ESTIMATOR} to be a classifier's, but it cannot be read: {error}."
        ) from None
    if not isinstance(document, dict):
        raise ModelError(f"Expected a mapping in {folder / _ESTIMATOR}, but got another thing.")
    return document


def _files_of(model: TrainedModel) -> dict[str, bytes]:
    """The files of a model folder by relative path: what a pickle holds of a model."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        model.save(folder)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _model_of(files: Mapping[str, bytes]) -> TrainedModel:
    from bench.inference.model import load_model

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return load_model(folder)
