"""An edited method never keeps its old figures, unless somebody says so."""

import csv
import importlib
import json
import shutil
import sys

import pytest

from bench import sources
from bench.commands import repeat as commands_repeat
from bench.commands import run
from bench.commands.sweep import Stored
from bench.method import METHODS
from bench.sweep import fingerprint
from bench.sweep.costs import Costs
from bench.sweep.local import InProcess
from bench.sweep.store import Store

METHOD = '''
"""A method of the user's."""

from torch.nn.functional import cross_entropy

from bench.method import Method, register_method


@register_method("mine", title="Mine", group="extension", reference="none")
class Mine(Method):
    """Cross-entropy."""

    def loss(self, logits, labels):
        """The loss."""
        return cross_entropy(logits, labels)
'''


@pytest.fixture
def edit(tmp_path, monkeypatch):
    """Writes the method's file and has it imported again, as the next process would."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    METHODS.discover()

    def write(old="", new=""):
        assert old in METHOD
        (tmp_path / "my_methods.py").write_text(METHOD.replace(old, new))
        sources._READ.clear()
        fingerprint._sources.cache_clear()
        sys.modules.pop("my_methods", None)
        importlib.invalidate_caches()
        importlib.import_module("my_methods")

    yield write
    METHODS._entries.pop("mine", None)
    sys.modules.pop("my_methods", None)
    sources._READ.clear()
    fingerprint._sources.cache_clear()


SIGN = ("return cross", "return -cross")
RAISES = ("return cross_entropy(logits, labels)", 'raise ZeroDivisionError("by design")')


@pytest.fixture
def start(bench, toy_arguments):
    def run(*more):
        return bench(*toy_arguments("--methods", "vanilla,mine", *more))

    return run


def _record(folder, method):
    for path in (folder / "runs").glob("*/record.json"):
        record = json.loads(path.read_text())
        if record["job"]["method"]["name"] == method:
            return record
    raise AssertionError(method)


def test_an_edit_runs_again_what_it_touches_and_nothing_else(edit, start, tmp_path):
    edit()
    start()
    first = _record(tmp_path / "results", "mine")
    untouched = _record(tmp_path / "results", "vanilla")
    edit('"""The loss."""', "# Nothing but the loss.\n        ")
    _, out, err = start()
    assert "2 done before, 0 to do" in out
    assert "changed" not in err
    edit(*SIGN)
    _, out, err = start("--dry-run")
    assert "changed toy · random · mine" in out
    assert "1 done, 1 to do" in out
    assert _record(tmp_path / "results", "mine") == first
    _, out, err = start()
    assert "1 done before, 1 to do (1 again as their code has changed)" in out
    assert "my_methods.py has changed since 1 of these runs." in err
    again = _record(tmp_path / "results", "mine")
    assert again["job_id"] == first["job_id"]
    assert again["history"] != first["history"]
    assert _record(tmp_path / "results", "vanilla") == untouched
    _, out, err = start()
    assert "2 done before, 0 to do" in out
    assert "changed" not in err


def test_a_process_that_has_read_the_file_before_its_edit_starts_nothing(
    edit, start, bench, toy_arguments, tmp_path
):
    """As in a notebook: the workers would have the new code, and what plans them the old."""
    edit()
    assert start()[0] == 0
    (tmp_path / "my_methods.py").write_text(METHOD.replace(*SIGN))
    code, _, err = start("--seeds", "0,1")
    assert code == 2
    assert "Expected my_methods.py as this Python process has read it" in " ".join(err.split())
    assert bench(*toy_arguments("--methods", "vanilla"))[0] == 0


def test_what_is_kept_is_marked_in_every_table(edit, start, bench, tmp_path):
    edit()
    start()
    edit(*SIGN)
    folder = tmp_path / "results"
    code, out, err = start("--keep-changed")
    assert code == 0
    assert "2 done before, 0 to do" in out
    assert "Kept and marked." in err
    for text in (out, (folder / "table2.md").read_text(), (folder / "table2.csv").read_text()):
        assert "Mine (earlier code)" in text
        assert "Vanilla GCN (earlier code)" not in text
    assert "my_methods.py changed after 1 of the runs." in (folder / "table2.md").read_text()
    assert (folder / "runs.csv").read_text().count("my_methods.py") == 1
    code, out, _ = bench("verify", "--out", folder)
    assert code == 0
    assert "my_methods.py has changed since 1 of these runs." in out
    bench("paper", "--no-figures", "--out", folder)
    assert "earlier code" in (folder / "paper" / "table2.tex").read_text()
    start()  # and no longer once it was run again
    assert "earlier code" not in (folder / "table2.md").read_text()


def _states(folder):
    with (folder / "runs.csv").open() as file:
        return {
            row["method"]: (row["status"], row["balanced_accuracy"]) for row in csv.DictReader(file)
        }


def test_a_run_that_fails_after_an_edit_is_not_shown_with_its_old_figures(
    edit, start, bench, tmp_path
):
    """An edited method raises, and the table shows what it came to before."""
    edit()
    start()
    folder = tmp_path / "results"
    before = _states(folder)
    edit(*RAISES)
    for _ in range(3):
        code, out, _ = start()
        assert code == 1
        assert "1 again as their code has changed" in out
        assert "Failed runs" in out
        assert _states(folder)["mine"] == ("failed", "")
        assert _states(folder)["vanilla"] == before["vanilla"]
    code, out, err = start()  # it has failed too often to be tried
    assert code == 1
    assert "0 to do" in out
    assert "Not tried: 1 run" in err
    assert "Failed runs" in out
    assert bench("report", "--out", folder)[0] == 1
    assert _states(folder)["mine"] == ("failed", "")
    code, out, _ = bench("verify", "--out", folder)
    assert code == 0
    assert "The last plan: 2 runs, 1 done, 1 failed." in out
    bench("archive", "--out", folder)
    new = tmp_path / "new"
    new.mkdir()
    for path in folder.glob("records.tar.xz*"):
        shutil.copy(path, new)
    assert bench("report", "--out", new)[0] == 1
    # It counts where it is kept and where its code is here again.
    code, out, _ = start("--keep-changed")
    assert code == 0
    assert "Mine (earlier code)" in out
    assert "Failed runs" not in out
    edit()
    code, out, _ = start()
    assert code == 0
    assert "2 done before, 0 to do" in out
    assert "Failed runs" not in out
    assert _states(folder) == before


def test_a_part_that_fails_after_an_edit_has_no_old_figures_in_the_whole(
    edit, start, bench, toy_arguments, tmp_path
):
    """The table of a preset shows what another table of the folder does not."""
    edit()
    start()
    folder = tmp_path / "results"
    edit(*RAISES)
    assert bench(*toy_arguments("--methods", "mine"))[0] == 1
    assert bench("report", "--preset", "quick", "--out", folder)[0] == 1
    assert _states(folder)["mine"] == ("failed", "")
    edit()
    assert bench(*toy_arguments("--methods", "mine"))[0] == 0
    assert bench("report", "--preset", "quick", "--out", folder)[0] == 0


def test_a_run_of_other_code_that_another_command_stores_meanwhile_does_not_count(
    edit, start, monkeypatch, tmp_path
):
    edit()
    start()
    folder = tmp_path / "results"
    run_jobs = run.run_jobs

    def beside_another(*arguments, **more):
        record = _record(folder, "mine")
        Store(folder).renew({**record, "sources": {**record["sources"], "my_methods.py": "0"}})
        return run_jobs(*arguments, **more)

    monkeypatch.setattr(run, "run_jobs", beside_another)
    edit(*RAISES)
    code, out, _ = start()
    assert code == 1
    assert "Failed runs" in out
    assert _states(folder)["mine"] == ("failed", "")


def test_the_best_model_is_of_a_run_that_counts(edit, bench, toy_arguments, tmp_path):
    edit()
    asked = toy_arguments("--methods", "mine", "--seeds", "0,1,2")
    bench(*asked)
    edit("return cross", "1 / self.context.seed\n        return cross")
    assert bench(*asked, "--keep-models", "best")[0] == 1
    store = Store(tmp_path / "results")
    kept = [r["job"]["seed"] for r in store.records() if store.has_weights(r["job_id"])]
    # Seed 0 keeps what it had: its run is to be done again.
    assert sorted(kept) in ([0, 1], [0, 2])


@pytest.mark.parametrize("more", [(), ("--force",)])
def test_a_run_that_is_interrupted_leaves_no_old_figures_in_the_table(
    edit, start, bench, tmp_path, monkeypatch, more
):
    edit()
    start()
    folder = tmp_path / "results"
    before = _states(folder)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    if not more:
        edit(*SIGN)
    with monkeypatch.context() as patched:
        patched.setattr("bench.training.kinds.train", interrupted)
        assert start(*more)[0] == 130
    assert bench("report", "--out", folder)[0] == 1
    assert _states(folder)["mine"] == ("missing", "")
    assert _states(folder)["vanilla"] == (("missing", "") if more else before["vanilla"])
    assert _record(folder, "mine")  # it stays until its new one takes its place
    assert start()[0] == 0
    assert (_states(folder) == before) is bool(more)


def test_a_trial_that_fails_after_an_edit_has_no_old_score(bench, toy_arguments, edit, tmp_path):
    methods = ("--methods", "mine,vanilla", "--set", "trials.number=1")
    edit()
    assert bench(*toy_arguments(*methods))[0] == 0
    edit(*RAISES)
    assert bench(*toy_arguments(*methods))[0] == 1
    code, out, _ = bench("settings", "--out", tmp_path / "results")
    assert code == 1
    assert "1 of 2 runs are done." in out


def test_runs_that_do_not_say_which_code_made_them_do_not_count(edit, start, tmp_path):
    edit()
    start()
    store = Store(tmp_path / "results")
    record = _record(store.root, "mine")
    del record["sources"]
    store.renew(record)
    _, out, _ = start("--dry-run")
    assert "The code that made 1 of these runs is not recorded." in out
    start("--keep-changed")
    assert "it is not recorded which code made 1 of the runs" in " ".join(
        (store.root / "table2.md").read_text().split()
    )


@pytest.fixture
def repeat(bench, tmp_path, monkeypatch):
    """Repeats the stored runs in this process, where alone the user's method is known."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.commands.repeat.make_executor", lambda *_: InProcess())
    return lambda: bench("verify", "--repeat", 1, "--out", tmp_path / "results")


def test_repeating_confirms_a_change_that_changes_nothing(edit, start, bench, repeat, tmp_path):
    edit()
    start()
    edit("return cross_entropy(logits, labels)", "return 1 * cross_entropy(logits, labels)")
    folder = tmp_path / "results"
    before = _record(folder, "mine")
    code, out, _ = repeat()
    assert code == 0, out
    assert "Trained again (draw 0): 1 of 2 runs, of 1 method." in out
    assert "1 run trained again: 1 equal bit for bit, 0 different or failed." in out
    assert "1 stored runs now count as made by the present code." in out
    after = _record(folder, "mine")
    assert after["confirmed"]["equal"] == "bit for bit"
    changed = {"sources", "confirmed", "checksum"}
    assert {k: v for k, v in after.items() if k not in changed} == {
        k: v for k, v in before.items() if k not in changed
    }
    assert not list((tmp_path / "cache").glob("repeat-*"))
    _, out, err = start()
    assert "2 done before, 0 to do" in out
    assert "changed" not in err
    assert bench("verify", "--out", folder)[0] == 0


def test_where_no_code_has_changed_every_method_is_repeated(edit, start, repeat):
    edit()
    start()
    code, out, _ = repeat()
    assert code == 0
    assert "Trained again (draw 0): 2 of 2 runs, of 2 methods." in out
    assert "0 stored runs now count as made by the present code." in out


def test_repeating_names_a_change_that_changes_something(edit, start, repeat, tmp_path):
    edit()
    start()
    edit(*SIGN)
    folder = tmp_path / "results"
    before = _record(folder, "mine")
    code, _, err = repeat()
    assert code == 1
    assert "toy · random · mine · seed 0: differs in" in err
    assert "training from epoch 1 on" in err
    assert _record(folder, "mine") == before
    assert "1 do not: a run of their method came out different" in err


def test_a_run_that_is_replaced_while_it_is_repeated_is_left_alone(
    edit, start, bench, repeat, monkeypatch, tmp_path
):
    """Another command trains the same run meanwhile, and its record is overwritten."""
    edit()
    start()
    edit("return cross_entropy(logits, labels)", "return 1 * cross_entropy(logits, labels)")
    train = commands_repeat._train

    def beside_another_command(*arguments):
        done = train(*arguments)
        start()
        return done

    monkeypatch.setattr(commands_repeat, "_train", beside_another_command)
    code, out, err = repeat()
    assert code == 0, err
    assert "0 stored runs now count" in out
    assert "1 were replaced meanwhile by another command" in err
    assert Store(tmp_path / "results").read(_record(tmp_path / "results", "mine")["job_id"])
    assert bench("verify", "--out", tmp_path / "results")[0] == 0


def test_a_repeat_that_fails_is_not_taken_for_an_earlier_one(edit, start, repeat, monkeypatch):
    """What another code was confirmed by confirms this one, which raises."""
    edit()
    start()
    edit("return cross_entropy(logits, labels)", "return 1 * cross_entropy(logits, labels)")
    with monkeypatch.context() as patched:  # as where another run differs
        patched.setattr(Store, "remove", lambda self: None)
        patched.setattr(Store, "renew", lambda self, record: None)
        assert repeat()[0] == 0
    edit(*RAISES)
    code, out, err = repeat()
    assert code == 1
    assert "mine · seed 0: could not be trained again" in err
    assert "Failed runs" in out
    assert "0 stored runs now count as made by the present code." in out


def test_runs_that_came_with_the_folder_confirm_nothing(edit, start, repeat, tmp_path):
    """A stranger's folder says that its runs were trained again, and that they are equal."""
    edit()
    start()
    folder = tmp_path / "results"
    shutil.copytree(folder / "runs", folder / "repeat" / "runs")
    code, out, _ = repeat()
    assert code == 0, out
    assert "2 runs: 0 done before, 2 to do" in out


def test_kept_runs_of_several_changes_are_one_line():
    kept = {"a": ("bench/x.py",), "b": ("bench/y.py", "bench/z.py"), "c": None}
    assert Stored({}, {}, {}, kept, Costs({}, [])).notes() == [
        "bench/x.py, bench/y.py, bench/z.py have changed since 2 of these runs, some since fewer. "
        "Kept and marked.",
        "The code that made 1 of these runs is not recorded. Kept and marked.",
    ]
