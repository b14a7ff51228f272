import gc
import sys
import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import Descriptors
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from rdkit.DataStructs import TanimotoSimilarity
from scipy.sparse import csr_array
from scipy.special import log_softmax

from bench.data import descriptors as descriptors_room
from bench.data.descriptors import NAMES, descriptors
from bench.dataset import Entity
from bench.errors import DataError
from bench.method import METHODS, Context, Samples
from bench.methods._boosted_arrays import arrays_of_booster, booster_of_arrays
from bench.methods._forest_arrays import Forest
from bench.methods.balanced_forest import BalancedForest
from bench.methods.balanced_forest import _grown as balanced_trees
from bench.methods.ecfp_forest import EcfpForest, EcfpForestOptions
from bench.methods.gbdt import Gbdt, GbdtOptions, boosting_parameters
from bench.methods.majority import Majority
from bench.methods.nearest_neighbour import NearestNeighbour, NearestNeighbourOptions, _scores
from bench.metrics import balanced_accuracy
from bench.objects import objects_from_bytes, objects_to_bytes
from bench.options import Options

ENDS = ("O", "N", "S", "C(=O)O", "c1ccccc1")
MOLECULES = [f"{'C' * length}{end}" for length in range(2, 26) for end in ENDS]
PROTEINS = ["MKTAYIAKQR", "MSILVTRPSPAGEEL", "GGSHHWGYGKHNGPE"]
DESCRIBE = descriptors_room.each_once()
TRAIN, VALID, TEST = slice(0, 80), slice(80, 100), slice(100, 120)
PEERS = {
    "gbdt": (Gbdt, GbdtOptions(rounds=15, leaf_samples=3)),
    "balanced_forest": (BalancedForest, EcfpForestOptions(trees=10)),
    "nearest_neighbour": (NearestNeighbour, NearestNeighbourOptions()),
    "majority": (Majority, Options()),
}


def entities(kinds, where):
    rng = np.random.default_rng(1)
    columns = {
        "molecule": lambda: [MOLECULES[i] for i in rng.permutation(len(MOLECULES))],
        "protein": lambda: [PROTEINS[i] for i in rng.integers(3, size=len(MOLECULES))],
        "category": lambda: [f"t{i}" for i in rng.integers(4, size=len(MOLECULES))],
    }
    first = Entity("e0", "molecule", MOLECULES[where])
    return first, *(
        Entity(f"e{i}", kind, columns[kind]()[where]) for i, kind in enumerate(kinds, 1)
    )


def labels_of(num_classes):
    """By the end of a molecule, unevenly."""
    return np.minimum(np.tile(np.arange(len(ENDS)), len(MOLECULES) // 5), num_classes - 1)


def parts(num_classes, kinds=()):
    labels = labels_of(num_classes)
    train, valid = (Samples(entities(kinds, where), labels[where]) for where in (TRAIN, VALID))
    return train, valid, Samples(entities(kinds, TEST))


def fitted(name, train, valid, num_classes, seed=0, **options):
    cls, plain = PEERS[name]
    context = Context(train.labels, num_classes, 1, seed, descriptors=lambda: DESCRIBE)
    found = cls(plain.model_copy(update=options), context)
    found.fit(train, valid)
    return found


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize(
    ("num_classes", "kinds"), [(2, ()), (5, ("protein", "category")), (5, ("molecule",))]
)
def test_restored_predicts_the_same_bits(name, num_classes, kinds):
    train, valid, test = parts(num_classes, kinds)
    found = fitted(name, train, valid, num_classes)
    expected = found.logits(test)
    assert expected.shape == (20, num_classes)
    assert np.isfinite(expected).all()
    context = replace(found.context, labels=np.sort(train.labels))
    again = PEERS[name][0](found.options, context)
    again.load_state(objects_from_bytes(objects_to_bytes(found.state())))
    assert np.array_equal(again.logits(test), expected)
    prior = found.implied_log_prior()
    assert prior is None or prior.exp().sum().item() == pytest.approx(1)


@pytest.mark.parametrize("name", ["gbdt", "balanced_forest"])
def test_same_seed_same_bits_and_another_seed_another_model(name):
    train, valid, test = parts(5)
    rng = np.random.default_rng(0)
    train = replace(train, known_labels=rng.integers(5, size=80))
    first, again, other = (fitted(name, train, valid, 5, seed).logits(test) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", PEERS)
def test_classes_that_training_lacks(name):
    train, valid, test = parts(5)
    lacking = Samples(train.entities, np.where(train.labels == 1, 4, train.labels))
    logits = fitted(name, lacking, valid, 5, **_untuned(name)).logits(test)
    assert np.isfinite(logits).all()
    assert not (logits.argmax(axis=1) == 1).any()
    single = Samples(train.entities, np.full(len(train.labels), 3))
    logits = fitted(name, single, valid, 5, **_untuned(name)).logits(test)
    assert (logits.argmax(axis=1) == 3).all()


def _untuned(name):
    return {"tune": False} if name in ("gbdt", "balanced_forest") else {}


@pytest.mark.parametrize(
    ("name", "package"), [("gbdt", "lightgbm"), ("balanced_forest", "imblearn")]
)
def test_without_its_package_it_says_what_to_install(name, package, monkeypatch):
    assert METHODS.get(name).cls.missing() is None
    monkeypatch.setitem(sys.modules, package, None)
    assert METHODS.get(name).cls.missing() == (
        f"it needs the package {package}, which is not installed. Run: pip install '.[peers]'"
    )


# ---------------------------------------------------------------- LightGBM


@pytest.mark.parametrize("num_classes", [2, 5])
def test_gbdt_is_lightgbm_called_directly(num_classes):
    import lightgbm

    train, valid, test = parts(num_classes)
    found = fitted("gbdt", train, valid, num_classes, tune=False, rounds=6)
    generator = GetMorganGenerator(radius=2, fpSize=2048)

    def table(samples):
        mols = [Chem.MolFromSmiles(smiles) for smiles in samples.entities[0].values]
        functions = dict(Descriptors.descList)
        own = [[functions[name](mol) for name in NAMES] for mol in mols]
        counts = [generator.GetCountFingerprintAsNumPy(mol) for mol in mols]
        return np.hstack([np.array(counts, float), np.array(own, np.float32).astype(float)])

    counts = np.bincount(train.labels)
    weights = (len(train.labels) / (num_classes * counts[train.labels])) ** 0.5
    seed = int(found.context.rng("trees").integers(2**31))
    parameters = boosting_parameters(found.options, num_classes, seed)
    data = lightgbm.Dataset(table(train), label=train.labels, weight=weights)
    booster = lightgbm.train(parameters, data, 6)
    scores = [
        booster.predict(table(valid), num_iteration=rounds).reshape(len(valid.labels), -1)
        for rounds in range(1, 7)
    ]
    right = [
        balanced_accuracy(
            valid.labels,
            (each[:, 0] > 0.5).astype(int) if num_classes == 2 else each.argmax(axis=1),
            num_classes,
        )
        for each in scores
    ]
    assert found.report() == {"tau": 0.0, "best_round": int(np.argmax(right)) + 1}
    raw = booster.predict(
        table(test), num_iteration=found.report()["best_round"], raw_score=True
    ).reshape(20, -1)
    expected = np.hstack([np.zeros_like(raw), raw]) if num_classes == 2 else raw
    assert found.logits(test) == pytest.approx(log_softmax(expected, axis=1), rel=1e-12, abs=1e-14)


def test_gbdt_takes_tau_times_the_log_prior_off():
    train, valid, test = parts(5)
    tuned, plain = (fitted("gbdt", train, valid, 5, tune=tune, rounds=2) for tune in (True, False))
    shares = np.bincount(train.labels) / len(train.labels)
    tau = tuned.report()["tau"]
    assert tuned.logits(test) == pytest.approx(plain.logits(test) - tau * np.log(shares))
    expected = log_softmax((1 - 0.5 - tau) * np.log(shares))
    assert tuned.implied_log_prior().numpy() == pytest.approx(expected)


def test_gbdt_reads_how_often_and_the_second_molecule_minus_the_first():
    train, valid, _ = parts(2, ("molecule",))
    found = fitted("gbdt", train, valid, 2)
    pair = Samples((Entity("e0", "molecule", ["CCO"]), Entity("e1", "molecule", ["CCCCO"])))
    row = found._features(pair).toarray()[0]
    assert row.shape == (2048 + 130,)
    assert row[2048:] == pytest.approx(descriptors("CCCCO") - descriptors("CCO"))
    assert np.abs(row[:2048]).max() > 1
    beside = fitted("gbdt", train, valid, 2, combine="concatenate")._features(pair)
    assert beside.shape == (1, 2 * (2048 + 130))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 4), st.integers(2, 12), st.integers(1, 4))
def test_boosted_arrays_predict_as_the_booster(seed, classes, leaves, rounds):
    import lightgbm

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 5)).round(1)
    x[rng.random(x.shape) < 0.2] = np.nan
    x[rng.random(x.shape) < 0.2] = 0
    parameters = boosting_parameters(
        GbdtOptions(leaves=leaves, leaf_samples=2, feature_share=1.0), classes, 1
    )
    labels = np.arange(60) % classes
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, labels), rounds)
    found = booster_of_arrays(arrays_of_booster(booster.model_to_string()))
    other = np.vstack([x, rng.normal(size=(20, 5)), np.full((1, 5), np.nan)])
    expected = booster.predict(other, raw_score=True)
    assert np.array_equal(found.predict(other, raw_score=True), expected)


def _boosted():
    train, valid, _ = parts(5)
    return fitted("gbdt", train, valid, 5).state()["trees"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("left_child", lambda a: a * 0),  # a loop
        ("left_child", lambda a: a + 1000),
        ("right_child", lambda a: a - 1000),
        ("split_feature", lambda a: a - 1000),
        ("split_feature", lambda a: a + 10_000),
        ("decision_type", lambda a: a | 1),
        ("decision_type", lambda a: a * 0 + 64),
        ("threshold", lambda a: a * np.nan),
        ("threshold", lambda a: a.astype(np.float32)),
        ("leaf_value", lambda a: a * np.inf),
        ("leaf_value", lambda a: a[:-1]),
        ("leaves", lambda a: a * 0),
        ("leaves", lambda a: a[:-1]),
        ("scores", lambda a: a * 0),
    ],
)
def test_arrays_that_are_no_trees_are_refused(name, change):
    arrays = _boosted()
    with pytest.raises(ValueError, match="Expected"):
        booster_of_arrays({**arrays, name: change(arrays[name])})


def test_trees_of_classes_that_are_not_there_are_refused():
    train, valid, _ = parts(5)
    found = fitted("gbdt", train, valid, 5)
    state = {**found.state(), "classes": np.array([0, 1, 2, 3, 7])}
    with pytest.raises(ValueError, match="classes that the data has"):
        found.load_state(state)


# ---------------------------------------------------------------- descriptors


def test_descriptors_are_rdkits():
    smiles = "CC(=O)Oc1ccccc1C(=O)O"
    expected = Descriptors.CalcMolDescriptors(Chem.MolFromSmiles(smiles))
    assert descriptors(smiles).tolist() == [np.float32(expected[name]) for name in NAMES]
    assert len(set(NAMES)) == 130


def test_descriptors_that_rdkit_cannot_compute_are_nan():
    # No charges of mercury, and a valence that fails RDKit's check.
    for smiles in ("C[Hg]C", "C[B](C)(C)C", "[Na+]"):
        values = descriptors(smiles)
        assert not np.isinf(values).any()
        assert np.isfinite(values[NAMES.index("HeavyAtomCount")])
    assert np.isnan(descriptors("C[Hg]C")).any()
    with pytest.raises(DataError, match="C1CC"):
        descriptors("C1CC")


def test_values_beyond_single_precision_and_failures_are_nan(monkeypatch):
    def fails(_):
        raise RuntimeError("no ring information")

    functions = (lambda _: 1e39, lambda _: -np.inf, fails, *([lambda _: 1.0] * 127))
    monkeypatch.setattr(descriptors_room, "_functions", lambda: functions)
    values = descriptors("C")
    assert np.isnan(values[:3]).all()
    assert (values[3:] == 1).all()


# ---------------------------------------------------------------- forest


def test_balanced_forest_is_imbalanced_learns_called_directly():
    from imblearn.ensemble import BalancedRandomForestClassifier

    train, valid, test = parts(2)
    noise = np.random.default_rng(0).random(80) < 0.3
    train = replace(train, known_labels=train.labels ^ noise)
    found = fitted("balanced_forest", train, valid, 2, tune=False)
    generator = GetMorganGenerator(radius=2, fpSize=2048)

    def table(samples):
        mols = map(Chem.MolFromSmiles, samples.entities[0].values)
        return np.array([generator.GetFingerprintAsNumPy(mol) for mol in mols], np.float32)

    seed = int(found.context.rng("forest").integers(2**31))
    direct = BalancedRandomForestClassifier(10, random_state=seed).fit(table(train), train.labels)
    expected = np.log((10 * direct.predict_proba(table(test)) + 0.5) / 11)
    assert found.logits(test) == pytest.approx(expected, rel=1e-12)
    control = EcfpForest(found.options, found.context)
    control.fit(train, valid)
    assert not np.array_equal(control.logits(test), found.logits(test))
    assert found.implied_log_prior().exp().tolist() == [0.5, 0.5]


def test_trees_of_many_classes_that_do_not_fit_are_warned_of(monkeypatch, caplog):
    """Memory runs out after hours of boosting."""
    train, valid, _ = parts(5)
    fitted("gbdt", train, valid, 5, rounds=2)
    assert not caplog.records
    # 5 classes, 31 leaves and 20 kB a tree: 100 kB a round.
    monkeypatch.setattr("bench.methods.gbdt._memory_bytes", lambda: 10**6)
    fitted("gbdt", train, valid, 5, rounds=10)
    assert not caplog.records
    fitted("gbdt", train, valid, 5, rounds=11)
    assert "each of 5 classes a round: 11 rounds" in caplog.text
    assert "set gbdt[rounds=5] or fewer" in caplog.text


def test_a_balanced_forest_grows_its_trees_one_by_one_and_they_are_the_same():
    """All trees of hundreds of classes at once take more memory than there is."""
    from imblearn.ensemble import BalancedRandomForestClassifier

    rng = np.random.default_rng(0)
    labels = np.append(np.repeat(np.arange(6), 5), rng.integers(6, size=60))
    features = csr_array((rng.random((90, 40)) < 0.2).astype(np.float32))
    whole = BalancedRandomForestClassifier(8, random_state=3).fit(features, labels)
    expected = Forest.of(whole.estimators_, whole.classes_, 40).arrays()
    found = Forest.of(balanced_trees(8, features, labels, 3), np.arange(6), 40).arrays()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    trees = balanced_trees(3, features, labels, 3)
    first = weakref.ref(next(trees))
    next(trees)
    gc.collect()
    assert first() is None


# ---------------------------------------------------------------- memory and chance


@pytest.mark.parametrize("kinds", [(), ("molecule",), ("protein", "category")])
@pytest.mark.parametrize("num_classes", [2, 5])
def test_nearest_neighbour_is_a_plain_loop(num_classes, kinds):
    train, valid, test = parts(num_classes, kinds)
    found = fitted("nearest_neighbour", train, valid, num_classes)
    generator = GetMorganGenerator(radius=2, fpSize=2048)

    def alike(kind, one, other):
        if kind != "molecule":
            return float(one == other)
        first, second = (generator.GetFingerprint(Chem.MolFromSmiles(x)) for x in (one, other))
        return TanimotoSimilarity(first, second)

    logits = found.logits(test)
    for sample in range(len(logits)):
        similarity = [
            sum(
                alike(mine.kind, mine.values[sample], theirs.values[other])
                for mine, theirs in zip(test.entities, train.entities, strict=True)
            )
            / len(test.entities)
            for other in range(len(train.labels))
        ]
        expected = [
            max((s for s, k in zip(similarity, train.labels, strict=True) if k == label))
            for label in range(num_classes)
        ]
        tied = train.labels[np.array(similarity) == max(similarity)]
        assert logits[sample] == pytest.approx(expected, abs=1e-15)
        assert logits[sample].argmax() == np.bincount(tied).argmax()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_ties_go_to_the_most_common_class_and_then_to_the_first(pairs):
    similarity, labels = np.array([s / 3 for s, _ in pairs]), np.array([k for _, k in pairs])
    scores = _scores(similarity, labels, 5)
    tied = np.bincount(labels[similarity == similarity.max()])
    assert scores.argmax() == tied.argmax()
    assert scores.max() == pytest.approx(similarity.max(), abs=1e-15)
    assert scores[4] == -1
    for label in set(labels.tolist()):
        assert scores[label] == pytest.approx(similarity[labels == label].max(), abs=1e-15)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("index of e0", np.full(80, 80)),
        ("index of e0", np.full(80, -1)),
        ("index of e0", np.zeros(79, np.int64)),
        ("labels", np.full(80, 2)),
        ("labels", np.full(80, -1)),
    ],
)
def test_neighbours_that_are_not_there_are_refused(key, value):
    train, valid, _ = parts(2)
    found = fitted("nearest_neighbour", train, valid, 2)
    with pytest.raises(ValueError, match="Expected"):
        found.load_state({**found.state(), key: value})


def test_majority_is_the_class_shares_of_training():
    train, valid, test = parts(2)
    logits = fitted("majority", train, valid, 3).logits(test)
    counts = np.append(np.bincount(train.labels), 1)
    assert np.exp(logits) == pytest.approx(np.tile(counts / counts.sum(), (20, 1)))
    assert (logits.argmax(axis=1) == 1).all()
