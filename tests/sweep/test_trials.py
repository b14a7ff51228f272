"""What is tried for each method: by its own options alone, in equal number, the defaults first."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.config import resolve
from bench.errors import UnavailableError, UsageError
from bench.method import METHODS
from bench.options import NotSearched, Range
from bench.spec import parse_spec
from bench.sweep import trials
from bench.sweep.plan import expand
from bench.sweep.search_space import Numbers, Searched, Values, search_space
from bench.sweep.trials import check_trials, grid_of_trials, key_of, proposals

NAMES = st.sampled_from(METHODS.names())


def asked(*methods, number=5, **overrides):
    return resolve(
        "quick", {"methods": list(methods), "trials.number": number, **overrides}
    ).settings


def tried(*methods, scores=None, **overrides):
    """Labels of the trials of each row."""
    wanted = asked(*methods, **overrides)
    return {
        row.label: [part.label for part in proposals(row, wanted, scores or {})]
        for row in expand(wanted).methods
    }


@settings(deadline=None, max_examples=25)
@given(name=NAMES, few=st.integers(1, 6), more=st.integers(0, 6), seed=st.integers(0, 2**40))
def test_more_trials_hold_the_fewer_and_the_first_has_the_defaults(name, few, more, seed):
    small = tried(name, number=few, **{"trials.seed": seed})[name]
    large = tried(name, number=few + more, **{"trials.seed": seed})[name]
    assert large[: len(small)] == small
    assert small[0] == name
    assert len(set(large)) == len(large) <= few + more


@settings(deadline=None, max_examples=10)
@given(names=st.lists(NAMES, min_size=2, max_size=4, unique=True))
def test_draws_depend_on_no_other_method_and_no_order(names):
    together = tried(*names)
    assert together == tried(*reversed(names)) == {name: tried(name)[name] for name in names}


def test_every_method_gets_as_many_trials_unless_there_are_no_more():
    small = {"aglu": 2, "calibrated_stack": 4, "class_balanced_sampling": 2, "gda": 2}
    counts = {row: len(labels) for row, labels in tried("all", number=5).items()}
    for name, count in counts.items():
        free = search_space(METHODS.get(name).cls.options_type)
        assert count == (small.get(name, 5) if free else 1), name


def test_every_number_among_the_options_can_be_drawn_unless_it_says_that_it_is_not_searched():
    for entry in METHODS:
        space = search_space(entry.cls.options_type)
        for key, field in entry.cls.options_type.model_fields.items():
            said = any(isinstance(item, NotSearched) for item in field.metadata)
            if field.annotation in (int, float) and not said:
                assert isinstance(space[key].domain, Numbers | Values), (entry.name, key)


@settings(deadline=None, max_examples=200)
@given(data=st.data(), place=st.floats(0, 1, exclude_max=True))
def test_what_is_drawn_is_in_its_range_and_legal(data, place):
    entry = METHODS.get(data.draw(NAMES))
    for key, searched in search_space(entry.cls.options_type).items():
        value = searched.domain.at(place)
        if isinstance(searched.domain, Numbers):
            limits = searched.domain.range
            assert limits.low * (1 - 1e-9) <= value <= limits.high * (1 + 1e-9)
        if key != "forest":  # a stack needs something to stack
            assert getattr(entry.cls.options_type(**{key: value}), key) == value


@settings(deadline=None)
@given(
    scale=st.sampled_from(["linear", "log", "near one"]), place=st.floats(0, 1, exclude_max=True)
)
def test_the_place_of_a_number_is_where_it_was_drawn(scale, place):
    numbers = Numbers(Range(0.1, 0.99, scale), whole=False)
    assert numbers.place(numbers.at(place)) == pytest.approx(place, abs=0.01)
    assert (numbers.place(-5), numbers.place(0.999)) == (0, 1)


def test_whole_numbers_reach_both_ends_alike():
    numbers = Numbers(Range(1, 3), whole=True)
    assert [numbers.at(place) for place in (0, 0.33, 0.34, 0.66, 0.67, 0.999)] == [1, 1, 2, 2, 3, 3]
    assert Numbers(Range(5, 20), whole=True).at(math.nextafter(1, 0)) == 20
    assert Values(tuple(range(49))).at(math.nextafter(1, 0)) == 48
    assert type(Numbers(Range(100, 1000, "log"), whole=True).at(0.5)) is int


def test_options_that_are_set_are_not_drawn():
    fixed = "ib[alpha=100,start=0.25]"
    for label in tried(fixed)[fixed]:
        assert {"alpha": 100, "start": 0.25}.items() <= parse_spec(label).options.items()
    every = "cb[base=cross_entropy,beta=0.99]"
    assert tried(every)[every] == [every]


def test_a_method_that_names_another_is_tried_with_what_is_drawn_for_that_one():
    own, wrapped = tried("ib", "posthoc[method=ib]").values()
    assert wrapped[0] == "posthoc[method=ib]"
    assert wrapped == [f"posthoc[method={label}]" for label in own]
    fixed = "posthoc[method=ib[alpha=100,start=0.25]]"
    for label in tried(fixed)[fixed]:
        assert "alpha=100" in label
        assert "start=0.25" in label
    assert tried("posthoc[method=vanilla]") == {
        "posthoc[method=vanilla]": ["posthoc[method=vanilla]"]
    }
    wanted = asked("posthoc[method=cb]", method_options={"cb": {"beta": 0.99}})
    [row] = expand(wanted).methods
    first, *others = proposals(row, wanted, {})
    assert first.requires["first_stage"].options.beta == 0.99
    plain = proposals(expand(asked("cb")).methods[0], asked("cb"), {})
    inner = [part.requires["first_stage"].options for part in others]
    assert inner == [part.options for part in plain[1:]]


def test_the_settings_of_a_preset_are_where_a_search_starts():
    wanted = asked("cb", method_options={"cb": {"beta": 0.99}})
    [row] = expand(wanted).methods
    parts = proposals(row, wanted, {})
    assert (parts[0].label, parts[0].options.beta) == ("cb", 0.99)
    plain = expand(asked("cb")).methods[0]
    others = proposals(plain, asked("cb"), {})
    assert [part.options for part in parts[1:]] == [part.options for part in others[1:]]


def test_an_option_without_effect_is_not_drawn():
    assert not any("gamma" in label for label in tried("cb")["cb"])
    focal = tried("cb[base=focal]")["cb[base=focal]"]
    assert all("gamma" in label for label in focal[1:])


def test_a_grid_in_brackets_has_trials_for_each_of_its_rows():
    rows = tried("cb_focal[beta=[0.9,0.99]]")
    assert list(rows) == ["cb_focal[beta=0.9]", "cb_focal[beta=0.99]"]
    # The same draws of what is free.
    gammas = [[parse_spec(label).options.get("gamma") for label in row] for row in rows.values()]
    assert gammas[0] == gammas[1]


def test_trials_that_two_rows_share_are_run_once():
    wanted = asked("class_balanced_sampling", "class_balanced_sampling[redraw=every_epoch]")
    grid = expand(wanted)
    rows = {row.label: proposals(row, wanted, {}) for row in grid.methods}
    assert [len(parts) for parts in rows.values()] == [2, 1]
    trials_grid = grid_of_trials(grid, wanted, rows)
    assert len(trials_grid.methods) == 2
    assert (trials_grid.seeds, len(trials_grid.splits)) == ((100,), 1)


@pytest.mark.parametrize("number", [0, -1, 10_001, 1.5])
def test_a_number_of_trials_that_cannot_be_is_refused(number):
    with pytest.raises(UsageError, match=r"trials\.number"):
        asked("cb", number=number)


def test_a_seed_of_the_table_is_refused_for_trials():
    with pytest.raises(UsageError, match="a seed that the table does not use, but 0 is"):
        check_trials(asked("cb", **{"trials.seed": 0}))
    check_trials(asked("cb"))


def test_without_optuna_the_sampler_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(UnavailableError, match="pip install optuna"):
        check_trials(asked("cb", **{"trials.sampler": "tpe"}))
    check_trials(asked("cb"))


# ---------------------------------------------------------------- Optuna's proposals

BEST = 1.3


def _run(wanted, row, scores):
    """Proposals until nothing is new, each scored by how near its gamma is to the best."""
    while True:
        parts = proposals(row, wanted, scores)
        new = [part for part in parts if key_of(part) not in scores]
        if not new:
            return parts
        scores |= {key_of(part): -((part.options.gamma - BEST) ** 2) for part in new}


@pytest.fixture
def optuna():
    return pytest.importorskip("optuna")


def test_proposals_begin_as_random_trials_and_come_nearer(optuna):
    random = asked("focal", number=10)
    wanted = asked("focal", number=30, **{"trials.sampler": "tpe"})
    [row] = expand(wanted).methods
    parts = _run(wanted, row, {})
    assert parts[:10] == proposals(row, random, {})
    gammas = [abs(part.options.gamma - BEST) for part in parts]
    assert len({key_of(part) for part in parts}) == 30
    assert sum(gammas[20:]) < sum(gammas[:10])


def test_proposals_follow_from_the_scores_and_not_from_the_number(optuna):
    scores = {}
    long = asked("focal", number=17, **{"trials.sampler": "tpe"})
    [row] = expand(long).methods
    parts = _run(long, row, scores)
    short = asked("focal", number=13, **{"trials.sampler": "tpe"})
    assert _run(short, row, {}) == parts[:13]
    # A search that goes on finds in its scores where it was.
    known = {key_of(part): scores[key_of(part)] for part in parts[:12]}
    assert proposals(row, long, known) == parts[:15]


def test_a_trial_that_failed_is_no_obstacle_to_proposals(optuna):
    wanted = asked("dive", number=15, **{"trials.sampler": "tpe"})
    [row] = expand(wanted).methods
    scores = {key_of(part): None for part in proposals(row, wanted, {})}
    assert len(proposals(row, wanted, scores)) == 15


def test_draws_that_are_legal_only_apart_are_left_out(monkeypatch):
    monkeypatch.setattr(
        trials, "search_space", lambda _: {"forest": Searched(Values((False, True)))}
    )
    bare = 'calibrated_stack[networks=""]'
    wanted = asked(bare)
    [row] = expand(wanted).methods
    assert [part.options.forest for part in proposals(row, wanted, {})] == [True]
