"""What --keep-models leaves of a benchmark, and that its runs count as done all the same."""

import pytest

from bench.sweep.leases import Leases
from bench.sweep.store import Store


@pytest.fixture
def kept(tmp_path):
    """(method, seed) of the runs whose models are there."""

    def look():
        store = Store(tmp_path / "results")
        return {
            (record["job"]["method"]["name"], record["job"]["seed"])
            for record in store.records()
            if store.has_weights(record["job_id"])
        }

    return look


def test_all_are_kept_when_nothing_is_said(bench, toy_arguments, kept):
    bench(*toy_arguments())
    assert kept() == {("vanilla", 0), ("cb", 0)}


def test_none_but_those_that_others_build_on(bench, toy_arguments, kept):
    arguments = toy_arguments("--methods", "cb,ncm", "--keep-models", "none")
    code, out, _ = bench(*arguments)
    assert code == 0
    assert kept() == {("vanilla", 0)}
    assert "Models of 2 runs removed" in out
    # They are done, every rule holds, and the archive has them.
    code, out, _ = bench(*arguments)
    assert "2 runs and 1 they depend on: 3 done before, 0 to do" in out
    assert "removed" not in out
    folder = arguments[arguments.index("--out") + 1]
    code, out, _ = bench("verify", "--out", folder)
    assert code == 0
    assert "3 keep every rule" in out
    assert "could not be recomputed" not in out
    assert bench("archive", "--out", folder)[0] == 0


def test_nothing_is_removed_while_another_command_is_at_work(bench, toy_arguments, kept):
    """Its runs may need a model of this command's, whatever the plans in the folder say."""
    arguments = toy_arguments("--methods", "cb", "--keep-models", "none")
    leases = Store(arguments[arguments.index("--out") + 1]).leases
    other = Leases(leases)
    other.claim("0" * 20)
    code, out, _ = bench(*arguments)
    other.close()
    assert code == 0
    assert kept() == {("cb", 0)}
    assert "All models are kept for now, as another command is at work" in out
    _, out, _ = bench(*arguments)
    assert kept() == set()


def test_the_best_seed_alone(bench, toy_arguments, kept):
    bench(*toy_arguments("--methods", "vanilla", "--seeds", "0,1,2", "--keep-models", "best"))
    assert len(kept()) == 1


@pytest.mark.parametrize("keep", ["best", "none"])
def test_trials_leave_no_models(bench, toy_arguments, kept, keep):
    """Twenty trials of each method fill the disk, whatever is to be kept."""
    code, out, _ = bench(*toy_arguments(
        "--methods", "focal", "--trials", "2", "--seeds", "0", "--keep-models", keep
    ))  # fmt: skip
    assert code == 0
    assert kept() == ({("focal", 0)} if keep == "best" else set())
    assert f"Models of {2 if keep == 'best' else 3} runs removed" in out
    assert f"(--keep-models {keep})" in out


def test_what_builds_on_a_run_without_its_model_has_it_trained_again(bench, toy_arguments, kept):
    bench(*toy_arguments("--methods", "vanilla", "--keep-models", "none"))
    assert kept() == set()
    code, out, _ = bench(*toy_arguments("--methods", "vanilla,ncm"))
    assert code == 0
    assert "1 to do again for their weights" in out
    assert kept() == {("vanilla", 0), ("ncm", 0)}


def test_it_changes_no_job_and_no_caption(bench, toy_arguments, tmp_path):
    bench(*toy_arguments())
    _, out, _ = bench(*toy_arguments("--keep-models", "none"))
    assert "2 done before" in out
    assert Store(tmp_path / "results").read_plan()["settings"]["given"] == [
        "training.batch_size=16", "training.epochs=2",
    ]  # fmt: skip


def test_another_word_is_refused(bench, toy_arguments):
    code, _, err = bench(*toy_arguments("--keep-models", "some"))
    assert code == 2
    assert "keep_models" in err
