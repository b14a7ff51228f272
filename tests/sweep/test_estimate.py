import pytest

from bench.sweep.costs import GUESS, OTHER, RATIO, RULE, SAME, SIZE, Costs
from bench.sweep.estimate import estimate, in_words, makespan, time_left
from tests.sweep.test_plan import _jobs


def _record(
    dataset, method, seconds, epochs=10, samples=1000, besides=0.0, device="cpu", encoder="gcn"
):
    return {
        "provenance": {"device": device},
        "job": {
            "dataset": {"label": dataset},
            "method": {"label": method},
            "backbones": {"molecule": {"label": encoder}},
            "training": {"epochs": epochs},
        },
        "data": {"samples": samples},
        "history": [{"stage": "train", "seconds": seconds / epochs}] * epochs,
        "time": {"seconds": seconds + besides},
    }


def _job(dataset="hiv", method="cb", epochs=10):
    wanted = {"datasets": [dataset], "methods": [method], "training.epochs": epochs}
    return _jobs(splits=["random"], **wanted)[0]


def _cost(records, samples=None, **job):
    cost = Costs(samples or {}, records).of(_job(**job))
    return None if cost is None else (cost.seconds, cost.basis)


def test_epochs_are_scaled_and_what_comes_besides_is_not():
    assert _cost([_record("hiv", "cb", 100, besides=7)], epochs=30) == (307, SAME)


def test_a_machine_that_paused_once_counts_for_little():
    record = _record("hiv", "cb", 100)
    record["history"] = [*record["history"][:-1], {"stage": "train", "seconds": 500}]
    record["time"]["seconds"] = 590
    assert _cost([record]) == (100, SAME)


def test_runs_on_another_device_say_nothing():
    slow, fast = (_record("hiv", "cb", 100), _record("hiv", "cb", 10, device="NVIDIA H100"))
    for device, seconds in (("cpu", 100), ("NVIDIA H100", 10)):
        assert Costs({}, [slow, fast], device).of(_job()).seconds == seconds
    assert Costs({}, [slow, fast], "NVIDIA T4").of(_job()).basis == RULE
    # Not known, as on a cluster: that of most runs, and no mean of both.
    assert Costs({}, [fast, slow, fast]).of(_job()).seconds == 10


def test_stages_cost_what_each_of_them_does():
    record = _record("hiv", "cb", 100)
    record["history"] = [{"stage": stage, "seconds": seconds} for stage, seconds in
                         [("train", 11)] * 8 + [("head", 6)] * 2]  # fmt: skip
    assert _cost([record]) == (100, SAME)


def test_epochs_that_name_no_stage_are_one():
    """A record that keeps every rule ends each later start in its folder with a KeyError."""
    record = _record("hiv", "cb", 100)
    record["history"] = [{"seconds": 10}] * 10
    assert _cost([record]) == (100, SAME)


def test_another_method_by_the_ratio_of_the_two_elsewhere():
    records = [_record("hiv", "vanilla", 50), _record("davis", "vanilla", 20)]
    assert _cost(records) == (50, OTHER)
    records.append(_record("davis", "cb", 30))
    assert _cost(records) == (75, RATIO)


def test_another_data_set_by_its_size():
    records = [_record("davis", "vanilla", 20, samples=100)]
    assert _cost(records) is None
    samples = {"hiv": 400}
    assert _cost(records, samples) == (80, GUESS)
    assert _cost([*records, _record("davis", "cb", 30, samples=100)], samples) == (120, SIZE)


def test_an_encoder_costs_what_its_own_runs_took():
    row = "cb[backbone=dmpnn]"
    records = [_record("hiv", "cb", 50)]
    seconds, basis = _cost(records, method=row)
    assert basis == RULE
    assert seconds == pytest.approx(5 * 1000 * 10 * 40e-6)
    records.append(_record("hiv", "vanilla[backbone=dmpnn]", 90, encoder="dmpnn"))
    assert _cost(records, method=row) == (90, OTHER)
    assert _cost(records) == (50, SAME)
    records += [_record("davis", "cb", 30), _record("davis", row, 120, encoder="dmpnn")]
    assert _cost(records, method=row) == (200, RATIO)
    # The same run as the row of a plan whose default is this encoder.
    records.append(_record("hiv", "cb", 210, encoder="dmpnn"))
    assert _cost(records, method=row) == (210, SAME)


def test_a_cost_that_was_asked_for_changes_with_a_new_record():
    costs = Costs({}, [_record("hiv", "vanilla", 50)])
    assert costs.of(_job()).basis == OTHER
    costs.add(_record("hiv", "cb", 70))
    assert (costs.of(_job()).seconds, costs.of(_job()).basis) == (70, SAME)


def test_each_basis_is_checked_where_the_truth_is_known():
    records = [_record("hiv", "cb", 100), _record("hiv", "cb", 110), _record("hiv", "vanilla", 84)]
    costs = Costs({}, records)
    error, checks = costs.typical_error(SAME, 10)
    assert (round(error, 3), checks) == (0.095, 2)  # 110 for 100 and 100 for 110
    error, checks = costs.typical_error(OTHER, 10)
    assert (round(error, 3), checks) == (0.225, 2)  # 84 for 105 and 105 for 84
    assert costs.typical_error(SIZE, 10) == (0.0, 0)


def test_the_time_comes_with_what_it_rests_on():
    jobs = _jobs(methods=["cb", "vanilla"], datasets=["hiv", "davis"], **{"training.epochs": 10})
    costs = Costs({}, [_record("hiv", "cb", 100), _record("hiv", "cb", 100)])
    first, *rest = estimate(jobs, costs, 2).split("\n")  # two splits: eight runs, four on hiv
    assert first.startswith("about 3 minutes (4 runs of no known cost not counted)")
    assert rest == [
        f"  {SAME}: 2 runs, off by 0 % in the median, compared with 2 finished runs",
        f"  {OTHER}: 2 runs, not checked",
    ]


def test_before_anything_was_measured_a_rule_of_thumb_stands_in():
    seconds, basis = _cost([], samples={"hiv": 10_000}, epochs=10)
    assert (round(seconds, 6), basis) == (4, RULE)
    contrastive, _ = _cost([], samples={"hiv": 10_000}, method="sdr", epochs=10)
    assert contrastive == pytest.approx(3 * seconds)


def test_the_start_of_processes_counts_though_no_record_knows_of_it():
    jobs = _jobs(methods=["cb"], datasets=["hiv"], **{"training.epochs": 10})
    costs = Costs({}, [_record("hiv", "cb", 0.5)])
    assert estimate(jobs, costs, 1).startswith(f"about {5 + len(jobs) * 1.5:.0f} seconds")


def test_nothing_known_and_nothing_to_do():
    assert estimate(_jobs(), Costs({}), 2) == "not known before a first run is done"
    assert estimate([], Costs({}), 2) == "nothing to do"


def test_time_left_is_shared_out_but_not_below_the_longest_run():
    assert makespan([10, 10, 10, 10], 2) == 20
    assert makespan([30, 1], 2) == 30
    assert time_left([10, None], [4], 1) == 24  # the unknown one counts as ten
    assert time_left([None, None], [6], 2) == 9
    assert time_left([None], [None], 2) is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(42, "42 seconds"), (600, "10 minutes"), (7200, "2.0 hours")]
)
def test_words(seconds, words):
    assert in_words(seconds) == words
