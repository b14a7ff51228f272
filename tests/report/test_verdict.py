"""What to use, to avoid and to trust: every sentence there and absent, numbers by hand."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.api.results import Results, Verdicts
from bench.report.figures.source import source_of_table
from bench.report.html import overview
from bench.report.html.results import places_of
from bench.report.model import verdict as verdict_module
from bench.report.model.best_sets import best_sets
from bench.report.model.measures import measures_named
from bench.report.model.paired_cells import gap_over_seeds
from bench.report.model.sampling_variance import covariance_from
from bench.report.model.table2 import table2
from bench.report.model.verdict import verdicts
from bench.report.writers.markdown import markdown
from bench.report.writers.terminal import render_terminal
from bench.statistics import Difference
from bench.sweep.store import Store
from tests.report.report_records import make_grid, make_job, make_plan, make_record, predictions_of

# Samples of the two classes in every test set below.
COMMON, RARE = 100, 50


def matrix(common, rare):
    """That many samples of both classes are right: 90 and 45 are 90 %."""
    return [[common, COMMON - common], [RARE - rare, rare]]


def judged(rights, *, splits=("random",), edit=None, absent=(), failed=(), shown=None, joined=()):
    """A table with verdicts and its predictions.

    `rights` has, by method and perhaps by split, the right samples of each seed.
    """
    jobs, records = [], []
    for split in splits:
        of_split = rights.get(split, rights)
        for method, seeds in of_split.items():
            for seed, right in enumerate(seeds):
                job = make_job("hiv", split, method, seed)
                jobs.append(job)
                if (method, seed) in (*absent, *failed):
                    continue
                of_run = right if isinstance(right, list) else matrix(*right)
                record = make_record(job, of_run)
                if edit is not None:
                    edit(record)
                records.append(record)
    failures = {
        job["job_id"]: {"reason": "it broke", "error": ""}
        for job in jobs
        if (job["method"], job["seed"]) in failed
    }
    plan = make_plan(jobs)
    if joined:
        ids = [job["job_id"] for job in jobs if job["method"] in joined]
        plan["settings"]["joined"] = {"source": "reference", "runs": ids}
    more = {} if shown is None else {"shown": shown}
    table = table2(plan, records, failures, **more)
    predictions = predictions_of(records)
    table = dataclasses.replace(table, leaders=best_sets(table, predictions))
    return dataclasses.replace(table, verdicts=tuple(verdicts(table, predictions))), predictions


def texts(advice):
    return [one.text for one in advice]


def verdict_of(*args, **more):
    [found] = judged(*args, **more)[0].verdicts
    return found


def seconds(**of_method):
    def edit(record):
        record["time"]["seconds"] = of_method[record["job"]["method"]["name"]]

    return edit


# Two alike, one 30 points behind: 90, 89 and 60 % at seed 0.
THREE = {
    "cb": [(90, 45), (91, 45), (90, 46)],
    "ib": [(89, 45), (91, 44), (90, 45)],
    "vanilla": [(60, 30), (61, 30), (60, 31)],
}


def test_the_best_set_is_to_be_used_and_its_cheapest_member_is_named():
    table, predictions = judged(THREE, edit=seconds(cb=50.0, ib=2.0, vanilla=1.0))
    [use] = table.verdicts[0].use
    # Seeds of cb: 90, 90.5, 91; of ib: 89.5, 89.5, 90.
    gap = gap_over_seeds(
        table, "random", table.columns[0], "cb", "ib", covariance_from(predictions)
    )
    assert use.sentences == (
        "cb has the highest balanced accuracy, 90.50 % (3 seeds): 0.83 points above ib and 30.00 "
        "points above plain training (vanilla).",
        "It is not significantly better than ib; than the other one it is.",
        "A run takes 50 s; ib, not significantly worse, takes 2.0 s (0.83 points behind, 95 % "
        f"interval {gap.low:.2f} to {gap.high:.2f}).",
        # Right are 90, 91 and 90 of 100, and 45, 45 and 46 of 50.
        "cb misses 9.3 % of class 1 and 9.7 % of class 0 in the test set.",
    )
    assert use.text == " ".join(use.sentences)
    assert use.methods == ("cb", "ib")
    assert gap.low < 0 < gap.high


def test_a_method_at_chance_is_not_named_as_the_cheapest():
    # Two noisy seeds: nothing differs significantly, not even from one class for all samples.
    rights = {"cb": [(90, 48), (60, 20)], "vanilla": [(85, 45), (55, 22)], "plain": [(100, 0)] * 2}
    found = verdict_of(rights, edit=seconds(cb=30.0, vanilla=20.0, plain=1.0))
    [use] = texts(found.use)
    assert "It is not significantly better than any of the 2 others." in use
    assert "; vanilla, not significantly worse, takes 20 s (" in use
    assert any("plain" in advice.methods for advice in found.avoid)


def best_of(table, tmp_path):
    """The best as Python has it, and the line of the page's best."""
    source = source_of_table(table, [])
    [place] = places_of(source)
    return Results(Store(tmp_path), source).best(), place.best


def test_a_higher_mean_that_is_not_compared_is_named(tmp_path):
    rights = {"focal": [(95, 48)] * 3, **THREE}
    table, _ = judged(rights, absent=[("focal", 2)])
    assert table.verdicts[0].use[0].sentences[:3] == (
        "cb has the highest balanced accuracy of the methods compared on 3 shared seeds, 90.50 % "
        "(3 seeds): 0.83 points above ib and 30.00 points above plain training (vanilla).",
        "Higher, but not compared, as runs are missing: focal (95.50 %).",
        "It is not significantly better than ib; than the other one it is.",
    )
    best, line = best_of(table, tmp_path)
    assert (best.method, line.row.label, best.higher) == ("cb", "cb", ("focal",))
    assert str(best) == (
        "cb has the highest balanced accuracy of the methods compared on 3 shared seeds, 90.50 %. "
        "Not significantly different from it: ib (3 seeds). Higher, but not compared, as runs are "
        "missing: focal."
    )
    [verdict] = judged({name: rights[name] for name in ("cb", "vanilla", "focal")},
                       absent=[("focal", 2)])[0].verdicts  # fmt: skip
    assert "It is significantly better than the other method compared." in verdict.use[0].text


def test_the_mean_of_the_best_is_that_of_the_seeds_compared(tmp_path):
    # cb has 90.50 % on the seeds of vanilla, and 68.30 % on all of its own: ib has 89.67 %.
    rights = {**THREE, "cb": [*THREE["cb"], (35, 17), (35, 17)]}
    table, _ = judged(rights)
    [use] = table.verdicts[0].use
    assert use.sentences[0].startswith(
        "cb has the highest balanced accuracy of the methods compared on 3 shared seeds, 90.50 % "
        "(3 seeds): 0.83 points above ib"
    )
    assert use.methods == ("cb", "ib")
    best, line = best_of(table, tmp_path)
    assert (best.method, best.seeds, line.row.label) == ("cb", 3, "cb")
    assert round(best.mean, 2) == 90.5


def test_the_best_may_be_the_cheapest():
    found = verdict_of(THREE, edit=seconds(cb=2.0, ib=50.0, vanilla=1.0))
    said = "A run takes {}, less than any of these."
    assert said.format("2.0 s") in found.use[0].sentences
    found = verdict_of(THREE, edit=seconds(cb=0.04, ib=50.0, vanilla=1.0))
    assert said.format("< 0.1 s") in found.use[0].sentences


def test_a_cheaper_method_that_is_significantly_worse_alone_is_not_offered(monkeypatch):
    apart = Difference(mean=0.8, low=0.1, high=1.5, pairs=3)
    monkeypatch.setattr(verdict_module, "gap_over_seeds", lambda *_: apart)
    found = verdict_of(THREE, edit=seconds(cb=50.0, ib=2.0, vanilla=1.0))
    assert found.use[0].methods == ("cb", "ib")
    assert "A run takes 50 s." in found.use[0].sentences


def test_a_best_that_stands_alone():
    found = verdict_of({name: THREE[name] for name in ("cb", "vanilla")})
    assert found.use[0].sentences[1:3] == (
        "It is significantly better than the other method.",
        "A run takes 12 s.",
    )
    assert found.use[0].methods == ("cb",)
    found = verdict_of({**THREE, "ib": THREE["vanilla"]})
    assert found.use[0].sentences[1] == "It is significantly better than all 2 others."
    found = verdict_of({name: THREE[name] for name in ("cb", "ib")})
    assert found.use[0].sentences[1] == "It is not significantly better than the other method."


def test_times_of_other_machines_are_not_compared():
    edit = seconds(cb=50.0, ib=2.0, vanilla=1.0)

    def costs(joined):
        return verdict_of(THREE, edit=edit, joined=joined).use[0].sentences[2]

    assert costs(["cb"]) == "A run takes 50 s, on another machine."
    assert costs(["ib"]) == "A run takes 50 s."
    assert "; ib, not significantly worse, takes 2.0 s" in costs(["cb", "ib"])


def test_no_cost_is_named_where_a_run_depends_on_one_that_is_not_there():
    def edit(record):
        if record["job"]["method"]["name"] == "cb":
            record["job"]["requires"] = {"teacher": "0" * 20}

    assert "A run" not in verdict_of(THREE, edit=edit).use[0].text


def test_of_several_classes_the_mean_share_missed_in_a_frequency_group_is_named():
    # 12 classes of 10 test samples: 4 frequent with 9 right, 4 medium, 4 rare with 5 and 6 right.
    def diagonal(*right):
        return [
            [one if k == n else 10 - one if k == (n + 1) % 12 else 0 for k in range(12)]
            for n, one in enumerate(right)
        ]

    def edit(record):
        counts = list(range(120, 0, -10))
        record["data"]["train_counts"] = counts

    rights = {
        "cb": [diagonal(*[9] * 4, *[8] * 4, *[right] * 4) for right in (5, 6)],
        "ib": [diagonal(*[5] * 12)] * 2,
    }
    [use] = verdict_of(rights, edit=edit).use
    assert use.sentences[-1] == (
        "cb misses 45.0 % of rare classes and 10.0 % of frequent classes in the test set."
    )


def test_a_class_that_is_rare_in_one_run_and_frequent_in_another_keeps_its_figures():
    def edit(record):
        seed = record["job"]["seed"]
        record["data"]["train_counts"] = [51 - 2 * seed, 49 + 2 * seed]

    table, _ = judged({"cb": [(90, 25)] * 2}, edit=edit)
    [place] = places_of(source_of_table(table, []))
    assert [group.short for group in place.groups] == ["0 (frequent)", "1 (rare)"]
    assert [recall.value for recall in place.lines[0].recalls] == [90, 50]
    facts = overview._data(source_of_table(table, []), table.columns[0])
    assert facts[-1] == "rarest: class, 49.0 % of the training samples"
    [verdict] = table.verdicts
    said = "cb misses 50.0 % of class 1 and 10.0 % of class 0 in the test set."
    assert verdict.use[0].sentences[-1] == said
    assert "The rarest class has 50 to 100 test samples: in one run" in " ".join(
        texts(verdict.trust)
    )


def test_significantly_worse_methods_are_to_be_avoided_by_how_much():
    [worse] = verdict_of(THREE).avoid
    # Seeds of vanilla: 60, 60.5, 61 %.
    assert worse.text == "Significantly worse than cb: vanilla (by 30.00 points)."
    assert worse.methods == ("vanilla",)
    assert verdict_of({name: THREE[name] for name in ("cb", "ib")}).avoid == ()


def test_names_with_a_comma_are_listed_with_semicolons():
    rights = {"cb": THREE["cb"], "ib[a=1,b=2]": THREE["vanilla"], "focal": THREE["vanilla"]}
    [worse] = verdict_of(rights).avoid
    assert "ib [a=1,b=2] (by 30.00 points); focal (by 30.00 points)." in worse.text


def test_a_handful_is_named_and_the_rest_counted():
    many = {f"m{n}": [(60 - n, 30), (61 - n, 30), (60 - n, 31)] for n in range(7)}
    [worse] = verdict_of({"cb": THREE["cb"], **many}).avoid
    assert len(worse.methods) == 7
    assert "m6 (by 33.00 points), m5 (by 32.50 points)" in worse.text
    assert worse.text.endswith("m2 (by 31.00 points) and 2 more (by 30.00 or more).")


def test_a_method_that_predicts_one_class_is_named_with_its_runs():
    one = {**THREE, "vanilla": [(COMMON, 0), (COMMON, 0), (99, 1)]}
    found = verdict_of(one).avoid
    assert found[0].text == "Predicts one class only: vanilla (in 2 of 3 runs)."
    assert not any("one class" in text for text in texts(verdict_of(THREE).avoid))


def test_one_class_in_some_runs_of_the_best_set_is_a_doubt_and_no_reason_to_avoid_it():
    noisy = {"cb": [(90, 48), (60, 20), (90, 46)], "vanilla": [(85, 45), (COMMON, 0), (80, 40)]}
    found = verdict_of(noisy)
    assert found.use[0].methods == ("cb", "vanilla")
    said = "Predicts one class only: vanilla (in 1 of 3 runs)."
    assert said in texts(found.trust)
    assert said not in texts(found.avoid)


def test_methods_are_named_without_the_mark_of_earlier_code():
    jobs = make_grid(methods=("cb", "vanilla"), seeds=(0,))
    plan = make_plan([{**job, "changed": ["bench/seeds.py"]} for job in jobs])
    records = [make_record(job) for job in jobs]
    table = table2(plan, records, {})
    assert all(row.heading.endswith("(earlier code)") for row in table.rows)
    [found] = verdicts(table, predictions_of(records))
    assert "earlier code" not in "".join(texts((*found.use, *found.avoid, *found.trust)))


def test_methods_at_or_below_chance_are_named():
    # 50, 49.5 and 47 %: a mean of 48.83 %.
    low = {**THREE, "vanilla": [(50, 25), (49, 25), (44, 25)]}
    assert "At or below chance (50.00 %): vanilla (48.83 %)." in texts(verdict_of(low).avoid)
    # 51, 52 and 53 %: 52 +- 4.303 * 1 / sqrt(3) reaches down to 49.52 %.
    near = {**THREE, "vanilla": [(52, 25), (54, 25), (56, 25)]}
    assert (
        "Not clearly above chance (50.00 %): vanilla (52.00 %, 95 % interval 49.52 to 54.48)."
    ) in texts(verdict_of(near).avoid)
    assert not any("chance" in text for text in texts(verdict_of(THREE).avoid))


def test_an_interval_that_reaches_chance_is_no_reason_to_avoid_the_best():
    # 60, 90 and 100 %: 83.33 +- 4.303 * 20.8 / sqrt(3) reaches down to 31.6 %.
    noisy = {"cb": [(60, 30), (90, 45), (100, 50)], "ib": [(60, 30), (88, 45), (100, 49)]}
    assert verdict_of(noisy).avoid == ()


def test_two_seeds_are_too_few_to_say_that_an_interval_reaches_chance():
    two = {name: runs[:2] for name, runs in THREE.items()}
    two["vanilla"] = [(52, 25), (56, 25)]
    assert not any("chance" in text for text in texts(verdict_of(two).avoid))


def test_where_no_method_is_above_chance_none_is_to_be_used():
    chance = {"cb": [(50, 25), (40, 25), (50, 25)], "vanilla": [(100, 0)] * 3}
    [use] = verdict_of(chance).use
    assert use.text == "No method is above chance (50.00 %): use none of them."
    assert use.methods == ()
    assert any("vanilla" in advice.methods for advice in verdict_of(chance).avoid)


def test_chance_is_that_of_the_classes_tested():
    third = [[[10, 0, 0], [10, 0, 0], [0, 10, 0]]] * 2  # a third of the mean recall
    best = [[[10, 0, 0], [0, 10, 0], [0, 0, 10]], [[10, 0, 0], [1, 9, 0], [0, 0, 10]]]
    found = verdict_of({"cb": best, "vanilla": third})
    assert "At or below chance (33.33 %): vanilla (33.33 %)." in texts(found.avoid)


def at_epoch(epoch, *methods):
    def edit(record):
        if record["job"]["method"]["name"] in methods:
            record["selection"]["epoch"] = epoch

    return edit


def test_methods_that_still_improved_are_to_be_avoided_unless_they_are_the_best():
    text = (
        "Still improving on validation in the last tenth of the epochs: {} (3 of 3 runs). Longer "
        "training may help."
    )
    found = verdict_of(THREE, edit=at_epoch(10, "vanilla"))
    assert text.format("vanilla") in texts(found.avoid)
    best = verdict_of(THREE, edit=at_epoch(10, "cb"))
    assert text.format("cb") in texts(best.trust)
    for other in (verdict_of(THREE), verdict_of(THREE, edit=at_epoch(9, "vanilla"))):
        assert not any("improving" in one for one in texts((*other.avoid, *other.trust)))


def test_the_smallest_lead_that_is_significant_and_the_largest_that_is_not_are_named():
    assert (
        "Over 3 seeds, the smallest significant lead is 30.00 points, the largest that is not "
        "significant 0.83."
    ) in texts(verdict_of(THREE).trust)
    alike = {name: THREE[name] for name in ("cb", "ib")}
    assert ("Over 3 seeds, not even the largest lead, 0.83 points, is significant.") in texts(
        verdict_of(alike).trust
    )


def test_with_one_seed_it_says_that_it_cannot_tell():
    found = verdict_of({"cb": [(90, 45)], "ib": [(88, 44)], "vanilla": [(60, 30)]})
    assert found.use[0].text.startswith(
        "cb has the highest balanced accuracy, 90.00 % (1 seed), but that is no evidence: one seed "
        "cannot tell which differences are real."
    )
    assert found.use[0].methods == ("cb",)
    assert not any("worse" in text for text in texts(found.avoid))
    # They differ in 2 of 100 and 1 of 50 samples: a variance of 0.02 * 0.98 in each class, so
    # sqrt((0.0196 / 100 + 0.0196 / 50) / 4) = 1.212 points, times 1.96.
    assert (
        "One seed cannot tell which differences are real. Between cb and ib, other test samples "
        "alone would move the difference by up to 2.4 points either way (95 %)."
    ) in texts(found.trust)
    assert not any("One seed" in text for text in texts(verdict_of(THREE).trust))


def test_with_one_method_it_says_only_what_it_can():
    found = verdict_of({"cb": THREE["cb"]})
    assert found.use[0].sentences[:-1] == (
        "cb has a balanced accuracy of 90.50 % (3 seeds).",
        "No other method has a finished run here.",
        "A run takes 12 s.",
    )
    assert found.avoid == ()
    assert not any("difference" in text for text in texts(found.trust))
    once = verdict_of({"cb": [(90, 45)]})
    assert "1 seed: what another gives is not known." in texts(once.trust)


def test_the_rarest_class_and_what_one_run_resolves():
    rare = "The rarest class, 1, has 50 test samples: in one run its recall is uncertain by ±{} "
    found = verdict_of({"cb": [(90, 45)], "vanilla": [(60, 30)]})
    # Wilson of 45 of 50: 1.96 / 1.0768 * sqrt(0.9 * 0.1 / 50 + 3.8415 / 10000) = 8.51 points.
    assert rare.format("8.5") + "points (95 %)." in texts(found.trust)


def test_several_rare_classes_are_taken_together():
    even = [[[9, 1, 0, 0, 0], [0, 8, 0, 0, 0], [0, 0, 6, 0, 0], [0, 0, 0, 4, 0], [0, 0, 0, 1, 3]]]
    assert "The 2 rarest of 5 classes have 8 test samples together: in one run their mean" in (
        "".join(texts(verdict_of({"cb": even}).trust))
    )


def test_it_says_that_methods_of_one_run_are_hardly_tested():
    def edit(record):
        record["job"]["requires"] = {"network": "0" * 20}

    said = "All methods depend on the same runs"
    assert any(text.startswith(said) for text in texts(verdict_of(THREE, edit=edit).trust))
    assert not any(text.startswith(said) for text in texts(verdict_of(THREE).trust))


def test_few_steps_of_networks_are_named():
    # 1,050 training samples in batches of 128 are 9 steps, 10 epochs 90.
    few = (
        "Networks had only 90 training steps (under 1,000 is few): more epochs may change the "
        "order."
    )
    assert few in texts(verdict_of(THREE).trust)

    def enough(record):
        record["job"]["training"]["batch_size"] = 10

    def no_network(record):
        record["parameters"] = 0

    for edit in (enough, no_network):
        assert not any("steps" in text for text in texts(verdict_of(THREE, edit=edit).trust))


def test_failed_and_missing_runs_are_told():
    found = verdict_of(THREE, failed=[("ib", 1)], absent=[("ib", 2), ("vanilla", 0)])
    assert found.trust[0].text == (
        "Of 9 runs, 1 failed and 2 are missing (ib, vanilla). A method without all its runs on a "
        "split is not compared there."
    )
    assert found.use[0].methods == ("cb",)
    assert "too many runs are missing" in found.use[0].text
    assert not any("missing" in text for text in texts(verdict_of(THREE).trust))


def test_a_data_set_without_a_finished_run_has_no_advice_but_says_why():
    found = verdict_of({"cb": [(90, 45)]}, absent=[("cb", 0)])
    assert (found.use, found.avoid) == ((), ())
    assert texts(found.trust) == [
        "Of 1 run, 0 failed and 1 are missing (cb). A method without all its runs on a split is "
        "not compared there."
    ]


def test_splits_that_disagree_are_told_and_sentences_say_which_they_mean():
    names = {"random": THREE, "scaffold": {**THREE, "cb": THREE["vanilla"], "vanilla": THREE["cb"]}}
    found = verdict_of(names, splits=("random", "scaffold"))
    assert [one.split for one in found.use] == ["random", "scaffold"]
    assert found.use[1].text.startswith("Scaffold split: vanilla has the highest")
    assert "The splits disagree on the best method: cb (random), vanilla (scaffold)." in texts(
        found.trust
    )
    assert (
        "cb has 90.50 % on the random split and 60.50 % on the scaffold split: 30.00 points apart, "
        "and their 95 % intervals do not overlap."
    ) in texts(found.trust)
    same = verdict_of({"random": THREE, "scaffold": THREE}, splits=("random", "scaffold"))
    assert not any("disagree" in text or "apart" in text for text in texts(same.trust))


def test_it_is_about_balanced_accuracy_whatever_is_shown():
    shown = measures_named(["log_loss", "mcc"])
    assert verdict_of(THREE, shown=shown) == verdict_of(THREE)


def test_folds_of_one_seed_are_no_single_seed():
    splits = tuple(f"cv5[fold={fold}]" for fold in range(5))
    jobs = [make_job("hiv", split, method, 0) for split in splits for method in ("cb", "vanilla")]
    records = [
        make_record(job, matrix(90 if job["method"] == "cb" else 60, 40 + place % 3))
        for place, job in enumerate(jobs)
    ]
    table, predictions = table2(make_plan(jobs), records, {}), predictions_of(records)
    table = dataclasses.replace(table, leaders=best_sets(table, predictions))
    [found] = verdicts(table, predictions)
    assert "(5 runs over folds of 1 seed)" in found.use[0].text
    assert not any("cannot tell" in text for text in texts((*found.use, *found.trust)))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3).flatmap(
        lambda seeds: st.dictionaries(
            st.sampled_from(["cb", "ib", "vanilla", "mixup"]),
            st.lists(
                st.tuples(st.integers(0, COMMON), st.integers(0, RARE)),
                min_size=seeds,
                max_size=seeds,
            ),
            min_size=1,
        )
    )
)
def test_no_method_is_both_to_be_used_and_significantly_worse(rights):
    found = verdict_of(rights)
    worse = {label for one in found.avoid if "Significantly" in one.text for label in one.methods}
    assert worse.isdisjoint(label for one in found.use for label in one.methods)
    assert len(found.use) == 1


def test_markdown_terminal_and_python_say_the_same(capsys):
    from bench.commands.console import console

    table, _ = judged({**THREE, "a*b": THREE["ib"]})
    [verdict] = table.verdicts
    text = markdown(table)
    start = text.index("## In short")
    assert text.index("# Results") < start < text.index("- **Figures**")
    assert "a\\*b" in text[start : text.index("## How to read")]
    console.print(render_terminal(table))
    printed = " ".join(capsys.readouterr().out.split())
    shown = str(Verdicts(table.verdicts))
    assert shown.startswith("hiv\nUse: cb has the highest balanced accuracy")
    for one in (verdict.use[0], verdict.avoid[0], verdict.trust[0]):
        assert " ".join(one.text.split()) in printed
        assert one.text in shown


def test_the_terminal_speaks_of_six_data_sets_and_points_to_the_rest(capsys):
    from bench.commands.console import console

    jobs = [make_job(f"task{n}", method=m, seed=0) for n in range(7) for m in ("cb", "ib")]
    records = [make_record(job, matrix(90, 45)) for job in jobs]
    table = table2(make_plan(jobs), records, {})
    found = tuple(verdicts(table, predictions_of(records)))
    assert [verdict.label for verdict in found] == [f"task{n}" for n in range(7)]
    for shown, pointer in ((found, True), (found[:1], False)):
        few = [dataclasses.replace(one, trust=one.trust[:1]) for one in shown]
        console.print(render_terminal(dataclasses.replace(table, verdicts=tuple(few))))
        printed = capsys.readouterr().out
        assert printed.count("has the highest balanced accuracy") == min(len(shown), 6)
        assert ("more of this in table2.md" in printed) is pointer


def test_the_time_table_says_whose_seconds_come_from_elsewhere():
    assert "Those of cb were measured on another machine (runs joined from reference)" in markdown(
        judged(THREE, joined=["cb"])[0]
    )
    assert "another machine" not in markdown(judged(THREE)[0])
