import pytest

from bench.sweep.estimate import estimate, in_words
from tests.sweep.test_plan import _jobs


def _record(dataset, method, seconds, epochs=10):
    return {
        "job": {
            "dataset": {"label": dataset},
            "method": {"label": method},
            "training": {"epochs": epochs},
        },
        "time": {"seconds": seconds},
    }


def test_own_method_then_own_data_set_then_unknown():
    wanted = {"methods": ["cb", "vanilla"], "datasets": ["hiv", "davis"], "training.epochs": 10}
    jobs = _jobs(**wanted)  # two splits: 8 runs
    records = [_record("hiv", "cb", 100)]
    # Four runs on hiv at 100 s, four on davis unknown.
    assert estimate(jobs, records, 2) == "about 3 minutes (4 runs of no known cost not counted)"
    records.append(_record("hiv", "cb", 300))
    assert estimate(jobs, records, 2).startswith("about 7 minutes")


def test_nothing_known_and_nothing_to_do():
    assert estimate(_jobs(), [], 2) == "not known before a first run is done"
    assert estimate([], [], 2) == "nothing to do"


@pytest.mark.parametrize(
    ("seconds", "words"), [(42, "42 seconds"), (600, "10 minutes"), (7200, "2.0 hours")]
)
def test_words(seconds, words):
    assert in_words(seconds) == words
