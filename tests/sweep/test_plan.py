import os
import subprocess
import sys
from collections import Counter

import pytest

from bench.config import resolve
from bench.errors import UnknownNameError, UsageError
from bench.sweep.plan import Job, expand, make_jobs, plan_document, with_required

SHA = "f" * 64


def _jobs(sha=SHA, kinds=("molecule",), **overrides):
    settings = resolve("quick", {"datasets": ["hiv"], "methods": ["cb"], **overrides}).settings
    grid = expand(settings)
    labels = [part.label for part in grid.datasets]
    return make_jobs(grid, dict.fromkeys(labels, sha), dict.fromkeys(labels, kinds))


def _ids(**overrides):
    return {job.job_id for job in _jobs(**overrides)}


def test_grid_is_every_combination_once():
    jobs = _jobs(methods=["vanilla", "cb"], seeds=[0, 1], datasets=["hiv", "davis"])
    assert len(jobs) == len({job.job_id for job in jobs}) == 2 * 2 * 2 * 2


@pytest.mark.parametrize(
    "overrides",
    [
        {"training.epochs": 11},
        {"training.batch_size": 64},
        {"seeds": [1]},
        {"methods": ["cb[beta=0.99]"]},
        {"method_options": {"cb": {"beta": 0.99}}},
        {"split.group_duplicates": True},
        {"datasets": ["davis"]},
        {"backbones.molecule": "gcn[hidden=32]"},
        {"backbones.molecule": "gcn_dgl"},
        {"sha": "e" * 64},
    ],
)
def test_what_can_change_a_result_changes_the_job_id(overrides):
    assert not _ids() & _ids(**overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        {"jobs": 7},
        {"device": "cpu"},
        {"executor.name": "ray", "executor.address": "auto", "executor.gpus": 1},
        {"executor.name": "slurm", "executor.partition": "p", "executor.sbatch": {"nice": 1}},
        {"methods": ["cb[beta=0.9999]"]},
        {"methods": ["cb", "vanilla"]},
        {"backbones.protein": "protein_cnn"},
        {"method_options": {"cost_sensitive": {"gamma": 0.5}}},
    ],
)
def test_what_cannot_leaves_it(overrides):
    assert _ids() <= _ids(**overrides)


def test_return_surplus_matters_to_the_standard_split_only_and_shows_in_its_label():
    plain = {job.split.name: job.job_id for job in _jobs()}
    jobs = _jobs(**{"split.return_surplus": True})
    surplus = {job.split.name: job.job_id for job in jobs}
    assert {job.split.label for job in jobs} == {"random", "standard[return_surplus=true]"}
    assert plain["random"] == surplus["random"]
    assert plain["standard"] != surplus["standard"]


def test_protein_encoder_matters_where_there_are_proteins():
    kinds = ("molecule", "protein")
    cnn = {"backbones.protein": "protein_cnn"}
    assert not _ids(kinds=kinds) & _ids(kinds=kinds, **cnn)


def test_job_id_is_the_same_in_another_process():
    code = "from tests.sweep.test_plan import _ids; print(*sorted(_ids()))"
    # Here hashes have another seed than there.
    other = "0" if os.environ.get("PYTHONHASHSEED") != "0" else "1"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": other, "PATH": ""},
    )
    assert done.stdout == " ".join(sorted(_ids())) + "\n"


def test_groups_expand_to_registered_methods():
    names = [
        part.name for part in expand(resolve("quick", {"methods": ["paper"]}).settings).methods
    ]
    assert {"vanilla", "cb", "balanced_softmax", "cost_sensitive"} <= set(names)
    assert "class_balanced_sampling" not in names
    everything = expand(resolve("quick", {"methods": ["all"]}).settings).methods
    assert "class_balanced_sampling" in [part.name for part in everything]


def test_a_method_named_twice_runs_once():
    assert len(_jobs(methods=["cb", "paper", "cb[beta=0.9999]"])) == len(_jobs(methods=["paper"]))


@pytest.mark.parametrize("kind", ["datasets", "splits"])
def test_a_data_set_or_split_named_twice_is_refused(kind):
    name = {"datasets": "hiv", "splits": "random"}[kind]
    with pytest.raises(UsageError, match="twice"):
        _jobs(**{kind: [name, name]})


@pytest.mark.parametrize(
    ("overrides", "nearest"),
    [
        ({"methods": ["balanced_sofmax"]}, "balanced_softmax"),
        ({"datasets": ["uspto50k"]}, "uspto_50k"),
        ({"splits": ["standart"]}, "standard"),
        ({"backbones.molecule": "gcn_dg"}, "gcn_dgl"),
        ({"method_options": {"cbb": {}}}, "cb"),
    ],
)
def test_unknown_names_offer_the_nearest(overrides, nearest):
    with pytest.raises(UnknownNameError, match=f"did you mean .*'{nearest}'"):
        _jobs(**overrides)


def test_options_are_checked_before_anything_runs():
    with pytest.raises(UsageError, match="did you mean beta"):
        _jobs(methods=["cb[betta=0.9]"])
    with pytest.raises(UsageError, match="less than 1"):
        _jobs(method_options={"cb": {"beta": 2.0}})
    with pytest.raises(UsageError, match="encodes a protein"):
        _jobs(**{"backbones.molecule": "protein_cnn"})


def test_own_file_is_labelled_by_its_name_and_known_by_its_content(tmp_path):
    def part(path):
        spec = f'csv[path="{path}",smiles_columns=[s],label_column=y]'
        return expand(resolve("quick", {"datasets": [spec]}).settings).datasets[0]

    here, there = part(tmp_path / "my set.csv"), part("/elsewhere/my set.csv")
    assert here.label == "my_set"
    assert here.to_json() == there.to_json()


def test_plan_document_has_a_line_a_job():
    resolved = resolve("quick", {"datasets": ["hiv"], "methods": ["cb[beta=0.9]"]})
    grid = expand(resolved.settings)
    jobs = make_jobs(grid, {"hiv": SHA}, {"hiv": ["molecule"]})
    document = plan_document(resolved, jobs)
    assert [line["job_id"] for line in document["jobs"]] == [job.job_id for job in jobs]
    assert document["jobs"][0]["title"] == "CB Loss [beta=0.9]"
    assert document["settings"]["epochs"] == resolved.settings.training.epochs


@pytest.mark.fault(62)
def test_a_plan_of_a_thousand_jobs_describes_each_once(monkeypatch):
    """Work that grows with the square of the plan makes large plans wait."""
    described = []
    original = Job.to_json
    monkeypatch.setattr(Job, "to_json", lambda job: described.append(job) or original(job))
    datasets = ["hiv", "uspto_50k", "chembl_ki"]
    asked = {"datasets": datasets, "methods": ["paper"], "seeds": list(range(17))}
    resolved = resolve("paper", asked)
    grid = expand(resolved.settings)
    labels = [part.label for part in grid.datasets]
    jobs = make_jobs(grid, dict.fromkeys(labels, SHA), {key: ["molecule"] for key in labels})
    assert len(with_required(jobs)) == len(plan_document(resolved, jobs)["jobs"]) == 1020
    # A job that is built on is described once for itself and once for what depends on it.
    assert len(described) < 2 * len(jobs)


def test_every_method_of_the_search_gets_as_many_trials_on_a_seed_of_its_own():
    search, paper = (resolve(name, {}).settings for name in ("search", "paper"))
    assert not set(search.seeds) & set(paper.seeds)
    trials = Counter(part.name for part in expand(search).methods)
    assert {trials.pop(name) for name in ("vanilla", "balanced_softmax")} == {1}  # nothing to set
    assert set(trials.values()) == {4}
    tried = {(part.name, part.options) for part in expand(search).methods}
    chosen = [part for part in expand(paper).methods if part.facts["group"] == "paper"]
    assert {(part.name, part.options) for part in chosen} <= tried


def test_lists_of_values_make_a_row_each_and_keep_lists_that_are_one_value():
    settings = resolve(
        "quick", {"methods": ["cb[beta=[0.99,0.999]]", "vanilla"], "splits": ["random"]}
    ).settings
    assert [part.label for part in expand(settings).methods] == [
        "cb[beta=0.99]", "cb[beta=0.999]", "vanilla",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (["cb[beta=[]]"], "at least one value"),
        (["cb[betta=[0.1,0.2]]"], "did you mean beta"),
        (["cb[beta=[0.1,high]]"], "valid number, but got 'high'"),
        (["cb[beta=[[0.1],0.2]]"], "Several values go into the brackets"),
    ],
)
def test_lists_of_values_that_cannot_be_meant_are_refused(methods, words):
    with pytest.raises(UsageError, match=words):
        expand(resolve("quick", {"methods": methods}).settings)


def test_a_list_of_values_in_the_settings_of_a_method_is_refused():
    overrides = {"methods": ["cb"], "method_options": {"cb": {"beta": [0.1, 0.2]}}}
    with pytest.raises(UsageError, match="Several values go into the brackets"):
        expand(resolve("quick", overrides).settings)


def test_a_repeat_of_an_entry_makes_no_trials_though_its_preset_does(tmp_path):
    preset = tmp_path / "mine.yaml"
    preset.write_text("methods: [cb]\ndatasets: [hiv]\ntrials: {number: 3}\n")
    for overrides, given in (({}, ["trials.number=null"]), ({"trials.number": 2}, [])):
        resolved = resolve(str(preset), overrides)
        assert plan_document(resolved, [], trials={})["settings"]["given"] == given
    assert resolve(str(preset), {"trials.number": None}).settings.trials.number is None
