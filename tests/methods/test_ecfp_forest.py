import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

from bench.data import morgan
from bench.data.morgan import morgan_counts
from bench.dataset import Entity
from bench.errors import DataError
from bench.method import Context, Samples
from bench.methods.ecfp_forest import EcfpForest, EcfpForestOptions
from bench.metrics import balanced_accuracy
from bench.models.conjoint_triad import conjoint_triads

ASPIRIN, ETHANOL, BENZENE = "CC(=O)Oc1ccccc1C(=O)O", "CCO", "c1ccccc1"
ALCOHOLS = [f"{'C' * n}O" for n in range(2, 22)]
AMINES = [f"{'C' * n}N" for n in range(2, 22)]


def forest(labels, num_classes=2, seed=0, **options):
    context = Context(np.asarray(labels), num_classes, 1, seed)
    return EcfpForest(EcfpForestOptions(**{"trees": 20, **options}), context)


def samples(*columns, labels=None, kind="molecule"):
    entities = [Entity(f"e{i}", kind, list(column)) for i, column in enumerate(columns)]
    return Samples(tuple(entities), None if labels is None else np.asarray(labels))


def features(found, *columns):
    return found._features(samples(*columns)).toarray()


@pytest.mark.parametrize(("radius", "bits"), [(2, 2048), (3, 64)])
def test_counts_are_rdkits(radius, bits):
    row = morgan_counts(ASPIRIN, radius=radius, bits=bits)
    generator = GetMorganGenerator(radius=radius, fpSize=bits)
    expected = generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(ASPIRIN))
    found = np.zeros(bits)
    found[row.places] = row.values
    assert np.array_equal(found, expected)
    assert len(row.places) == np.count_nonzero(expected)


def test_one_molecule_is_read_as_bits():
    found = features(forest([0, 1]), [ASPIRIN, ETHANOL])
    generator = GetMorganGenerator(radius=2, fpSize=2048)
    for row, smiles in zip(found, (ASPIRIN, ETHANOL), strict=True):
        expected = generator.GetFingerprintAsNumPy(Chem.MolFromSmiles(smiles))
        assert np.array_equal(row, expected)


def test_two_molecules_are_second_minus_first_and_what_stays_cancels():
    found = features(forest([0]), [ETHANOL, BENZENE], [ASPIRIN, BENZENE])
    generator = GetMorganGenerator(radius=2, fpSize=2048)
    first, second = (
        generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(smiles)).astype(int)
        for smiles in (ETHANOL, ASPIRIN)
    )
    assert np.array_equal(found[0], second - first)
    assert (found[0] < 0).any()
    assert not found[1].any()


def test_two_molecules_side_by_side_and_three_in_any_case():
    counts = np.zeros(2048)
    row = morgan_counts(BENZENE, radius=2, bits=2048)
    counts[row.places] = row.values
    found = features(forest([0], combine="concatenate"), [ETHANOL], [BENZENE])
    assert found.shape == (1, 4096)
    assert np.array_equal(found[0, 2048:], counts)
    assert features(forest([0]), [ETHANOL], [BENZENE], [ASPIRIN]).shape == (1, 3 * 2048)


def test_proteins_and_categories_stand_beside_the_molecule():
    entities = (
        Entity("molecule", "molecule", [ETHANOL, BENZENE]),
        Entity("protein", "protein", ["MKTAYIAKQR", "M"]),
        Entity("target", "category", ["b", "a"]),
    )
    found = forest([0, 1])
    found.fit(Samples(entities, np.array([0, 1])), Samples(entities, np.array([0, 1])))
    table = found._features(Samples(entities, None)).toarray()
    assert table.shape == (2, 2048 + 343 + 2)
    assert table[0, 2048:-2] == pytest.approx(conjoint_triads("MKTAYIAKQR"))
    assert not table[1, 2048:-2].any()
    assert table[:, -2:].tolist() == [[0, 1], [1, 0]]
    unseen = (*entities[:2], Entity("target", "category", ["c", "b"]))
    assert found._features(Samples(unseen, None)).toarray()[:, -2:].tolist() == [[0, 0], [0, 1]]
    assert np.isfinite(found.logits(Samples(unseen, None))).all()


def test_each_distinct_molecule_is_read_once(monkeypatch):
    read = []
    monkeypatch.setattr(
        morgan,
        "morgan_counts",
        lambda smiles, **k: read.append(smiles) or morgan_counts(smiles, **k),
    )
    found = forest([0, 1, 1])
    found.fit(
        samples([ETHANOL, BENZENE, BENZENE], labels=[0, 1, 1]), samples([ETHANOL], labels=[0])
    )
    found.logits(samples([BENZENE, ASPIRIN]))
    assert sorted(read) == sorted([ETHANOL, BENZENE, ASPIRIN])


def test_molecules_that_fail_the_valence_check_alone_are_read_and_others_named():
    assert len(morgan_counts("C[B](C)(C)C", radius=2, bits=2048).places) > 0
    with pytest.raises(DataError, match="C1CC"):
        morgan_counts("C1CC", radius=2, bits=2048)


def fitted(labels, *, valid=None, num_classes=2, **kwargs):
    found = forest(labels, num_classes, **kwargs)
    train = samples((ALCOHOLS + AMINES)[: len(labels)], labels=labels)
    found.fit(train, valid or samples([ALCOHOLS[3], AMINES[3]], labels=[0, 1]))
    return found


def test_tells_alcohols_from_amines_with_finite_log_probabilities():
    found = fitted([0] * 20 + [1] * 20)
    logits = found.logits(samples([ALCOHOLS[0], AMINES[0], BENZENE]))
    assert logits.argmax(axis=1)[:2].tolist() == [0, 1]
    assert np.isfinite(logits).all()
    # Equal counts and no need for another tau: log probabilities as they are.
    assert np.exp(logits).sum(axis=1) == pytest.approx(np.ones(3))


def test_one_more_tree_votes_for_all_classes_alike():
    found = fitted([0] * 20 + [1] * 20, num_classes=4, tune=False)
    texts = [ALCOHOLS[0], BENZENE]
    votes = 20 * found._forest.predict_proba(found._features(samples(texts)))
    expected = np.log((np.hstack([votes, np.zeros((2, 2))]) + 1 / 4) / 21)
    assert found.logits(samples(texts)) == pytest.approx(expected)


def test_power_of_the_prior_is_chosen_on_validation():
    rng = np.random.default_rng(0)
    # Half of the amines are called alcohols: at equal odds the forest would not see the tail.
    labels = [0] * 20 + [int(x) for x in rng.random(20) < 0.4]
    valid = samples(ALCOHOLS[:6] + AMINES[:6], labels=[0] * 6 + [1] * 6)
    tuned, plain = (fitted(labels, valid=valid, tune=tune) for tune in (True, False))
    score = {
        found: balanced_accuracy(valid.labels, found.logits(valid).argmax(axis=1), 2)
        for found in (tuned, plain)
    }
    assert score[tuned] > score[plain]
    counts = np.bincount(labels)
    shift = tuned.logits(valid) - plain.logits(valid)
    assert shift == pytest.approx(
        np.broadcast_to(-tuned._tau * np.log(counts / counts.sum()), shift.shape)
    )


def test_same_seed_same_forest_and_another_seed_another():
    texts = samples([BENZENE, ASPIRIN, "CC(C)N", "OCCN"])
    labels = [0] * 20 + [1] * 20
    first, again, other = (fitted(labels, seed=s).logits(texts) for s in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_learns_from_a_single_class():
    found = fitted([1] * 20, tune=False)
    assert (found.logits(samples([ETHANOL, ASPIRIN])).argmax(axis=1) == 1).all()
