import csv as csv_module
import json
import os

import pytest
import torch

from bench.method import METHODS, Method, register_method
from bench.sweep import devices, local
from bench.training import loop
from tests.commands.conftest import ROWS


def _table(folder):
    with (folder / "table2.csv").open() as file:
        return list(csv_module.DictReader(file))


def _files(folder):
    return {p.relative_to(folder): p.stat().st_mtime_ns for p in folder.rglob("*")}


def test_run_ends_with_the_table_and_a_rerun_trains_nothing(bench, toy_arguments, tmp_path):
    code, out, _ = bench(*toy_arguments())
    assert code == 0
    assert "2 runs: 0 done before, 2 to do" in out
    assert "Vanilla GCN" in out
    assert "table2.md" in out
    first = {name: (tmp_path / "results" / name).read_bytes() for name in os.listdir(
        tmp_path / "results") if name.endswith((".md", ".csv"))}  # fmt: skip
    assert sorted(first) == ["runs.csv", "table2.csv", "table2.md"]
    code, out, _ = bench(*toy_arguments())
    assert code == 0
    assert "2 done before, 0 to do" in out
    assert all((tmp_path / "results" / name).read_bytes() == first[name] for name in first)


def test_report_rebuilds_the_same_bytes(bench, toy_arguments, tmp_path):
    bench(*toy_arguments())
    folder = tmp_path / "results"
    before = {name: (folder / name).read_bytes() for name in ("table2.md", "table2.csv")}
    for name in before:
        (folder / name).unlink()
    code, out, _ = bench("report", "--out", folder)
    assert code == 0
    assert "Vanilla GCN" in out
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_report_of_a_preset_goes_to_a_folder_of_its_own(bench, toy_arguments, tmp_path):
    folder, other = tmp_path / "results", tmp_path / "ablation"
    bench(*toy_arguments())
    first = (folder / "table2.csv").read_bytes()
    (folder / "plans" / "quick.json").rename(folder / "plans" / "ablation.json")
    bench(*toy_arguments("--seeds", 1))
    last = (folder / "table2.csv").read_bytes()
    code, _, _ = bench("report", "--out", folder, "--preset", "ablation", "--to", other)
    assert code == 0
    assert (other / "table2.csv").read_bytes() == first
    assert (folder / "table2.csv").read_bytes() == last != first
    code, _, err = bench("report", "--out", folder, "--preset", "nothing")
    assert code == 2
    assert "nothing.json" in err


def test_a_wider_plan_reuses_what_is_done(bench, toy_arguments):
    bench(*toy_arguments("--methods", "vanilla"))
    _, out, _ = bench(*toy_arguments("--methods", "vanilla,cb,cb[beta=0.5]"))
    assert "3 runs: 1 done before, 2 to do" in out
    assert "CB Loss [beta=0.5]" in out


def test_encoders_are_rows_of_the_table_and_of_its_comparison(bench, toy_arguments, tmp_path):
    asked = ("--methods", "vanilla,vanilla_tuned,ecfp_forest", "--backbones", "gcn,gin")
    code, out, err = bench(*toy_arguments(*asked))
    assert code == 0, err
    assert "5 runs" in out
    with (tmp_path / "results" / "runs.csv").open() as file:
        rows = list(csv_module.DictReader(file))
    assert {(row["method"], row["backbone"]) for row in rows} == {
        ("vanilla", "gcn"), ("vanilla[backbone=gin]", "gin"),
        ("vanilla_tuned", "gcn"), ("vanilla_tuned[backbone=gin]", "gin"), ("ecfp_forest", ""),
    }  # fmt: skip
    assert "Vanilla GIN" in out
    # Method or encoder: a table of its own, two by two.
    shown = (tmp_path / "results" / "encoders.md").read_text()
    assert "| method | gcn | gin |" in shown


def test_one_process_and_two_give_the_same_results(bench, toy_arguments, tmp_path):
    bench(*toy_arguments(out="one"))
    code, _, _ = bench(*toy_arguments("--executor", "local", "--jobs", 2, out="two"))
    assert code == 0
    assert _table(tmp_path / "one") == _table(tmp_path / "two")


def test_the_command_itself_leaves_cuda_and_its_algorithms_alone(bench, toy_arguments, monkeypatch):
    """Its processes are started from it; what they are to do is theirs to set."""
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: asked.append("CUDA was started"))
    monkeypatch.setattr(devices, "find_gpus", lambda: (devices.Gpu("NVIDIA H100", 3 * 10**9),))
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda *_, **__: asked.append("set"))
    more = ("--executor", "local", "--set", "deterministic=false", "--dry-run")
    code, out, _ = bench(*toy_arguments("--device", "cuda", *more))
    assert code == 0
    assert f"{min(2, local.default_jobs())} side by side" in out
    assert asked == []


def test_a_gpu_that_is_left_alone_is_named(bench, toy_arguments, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "default_jobs", lambda: 16)
    arguments = toy_arguments("--executor", "local", "--jobs", 8, "--dry-run")
    code, out, _ = bench(*arguments)
    assert code == 0
    assert "Runs train on the CPU though there is a GPU: 8 cores are" in out
    assert out.count("though there is a GPU") == 1


def test_dry_run_shows_the_plan_and_writes_nothing(bench, toy_arguments, tmp_path):
    arguments = toy_arguments()
    before = _files(tmp_path)
    code, out, _ = bench(*arguments, "--dry-run")
    assert code == 0
    assert out.count("to do   toy · random") == 2
    assert "a rule of thumb" in out
    assert _files(tmp_path) == before
    bench(*arguments)
    _, out, _ = bench(*arguments, "--dry-run")
    assert out.count("done    toy · random") == 2


def test_a_failing_method_is_one_marked_row_and_exit_code_1(
    bench, toy_arguments, tmp_path, monkeypatch
):
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))

    @register_method("breaks", title="Breaks", group="extension", reference="none")
    class Breaks(Method):
        def loss(self, logits, labels):
            raise ZeroDivisionError("by design")

    arguments = toy_arguments("--methods", "vanilla,breaks")
    code, out, err = bench(*arguments)
    assert code == 1
    assert "ZeroDivisionError: by design" in err
    cells = {(r["method"], r["metric"]): r for r in _table(tmp_path / "results")}
    assert cells["vanilla", "balanced_accuracy"]["n"] == "1"
    assert cells["breaks", "balanced_accuracy"]["n"] == "0"
    assert cells["breaks", "balanced_accuracy"]["mean"] == ""
    [failure] = (tmp_path / "results" / "failures").iterdir()
    assert "by design" in json.loads(failure.read_text())["traceback"]

    # The method is mended: the next start runs it again, as a failure is never kept as a result.
    monkeypatch.setattr(Breaks, "loss", Method.loss)
    code, out, _ = bench(*arguments)
    assert code == 0
    assert "1 done before, 1 to do" in out
    assert not list((tmp_path / "results" / "failures").iterdir())


def test_interrupt_ends_with_130_and_the_same_command_goes_on(bench, toy_arguments, monkeypatch):
    trained = []
    original = loop.train

    def train(*arguments, **keywords):
        if trained:
            raise KeyboardInterrupt
        trained.append(1)
        return original(*arguments, **keywords)

    monkeypatch.setattr("bench.training.kinds.train", train)
    code, _, err = bench(*toy_arguments())
    assert code == 130
    assert "the same command goes on" in err
    monkeypatch.setattr("bench.training.kinds.train", original)
    _, out, _ = bench(*toy_arguments())
    assert "1 done before, 1 to do" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--methods", "vanila"), "did you mean 'vanilla'"),
        (("--splits", "standart"), "did you mean 'standard'"),
        (("--datasets", "hvi"), "did you mean 'hiv'"),
        (("--preset", "papre"), "did you mean 'paper'"),
        (("--set", "training.epoch=3"), "did you mean epochs"),
        (("--set", "training"), "KEY=VALUE"),
        (("--epochs", "0"), "greater than or equal to 1"),
        (("--epochs", "many"), "not a valid integer"),
        (("--seeds", "0,x"), "whole numbers"),
        (("--methods", ","), "at least one"),
        (("--methods", "cb[beta=2]"), "less than 1"),
        (("--nope",), "No such option"),
        (("--long",), "--long goes with --list"),
        (("--executor", "dask"), "'submitit-local' or 'in-process'"),
        (("--set", "executor.partitions=x"), "did you mean partition"),
        (("--smiles-col", "s"), "go with --data"),
        (("--data", "x.csv", "--label-col", "y"), "--smiles-col"),
        (("--data", "x.csv", "--datasets", "hiv"), "exclude each other"),
    ],
)
def test_usage_errors_end_with_2_before_anything_starts(bench, tmp_path, arguments, words):
    code, _, err = bench("--out", tmp_path / "results", *arguments)
    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert not (tmp_path / "results").exists()


def test_missing_data_says_where_it_looked_and_what_to_do(bench, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.data.obtain._download", _no_network)
    monkeypatch.setattr("bench.data.folders.CHECKOUT", tmp_path / "nowhere" / "checkout")
    code, _, err = bench("--datasets", "sbap", "--data-dir", tmp_path, "--out", tmp_path / "r")
    assert code == 2
    assert "sbap.tab" in err
    assert str(tmp_path) in err


def _no_network(*_):
    from bench.errors import DataError

    raise DataError("no network")


def _run_csv(bench, toy_arguments, path, *more):
    return bench(*toy_arguments(*more, path=path))


def test_csv_with_a_missing_column_lists_the_columns(bench, toy_arguments):
    code, _, err = bench(*toy_arguments("--label-col", "clas"))
    assert code == 2
    assert "'class'" in err


def test_csv_with_bom_and_crlf_is_read(bench, toy_arguments, csv):
    path = csv(newline="\r\n", encoding="utf-8-sig")
    assert _run_csv(bench, toy_arguments, path)[0] == 0


def test_csv_with_bad_smiles_names_them(bench, toy_arguments, csv):
    rows = [*ROWS, *[(f"C1CC{n}", "ring") for n in "((([[["]]
    code, _, err = _run_csv(bench, toy_arguments, csv(rows))
    assert code == 2
    assert "row 61" in err
    assert "C1CC" in err or "SMILES" in err


def test_csv_with_one_class_is_refused(bench, toy_arguments, csv):
    code, _, err = _run_csv(bench, toy_arguments, csv([(s, "only") for s, _ in ROWS]))
    assert code == 2
    assert "two classes" in err


def test_class_of_one_sample_trains_on_random_and_is_refused_by_standard(
    bench, toy_arguments, csv, tmp_path
):
    path = csv([*ROWS, ("C1CCCCC1", "single")])
    code, _, err = _run_csv(bench, toy_arguments, path)
    assert code == 0
    assert "single" in err
    code, _, err = _run_csv(bench, toy_arguments, path, "--splits", "standard", "--seeds", "1")
    assert code == 2
    assert "single" in err


def test_results_folder_that_cannot_be_written(bench, toy_arguments, tmp_path):
    (tmp_path / "results").write_text("a file is in the way")
    code, _, err = bench(*toy_arguments())
    assert code == 2
    assert "--out" in err


def test_a_file_of_ones_own_is_never_the_papers_data_set(bench, toy_arguments, csv, tmp_path):
    path = csv(name="hiv.csv")
    assert bench(*toy_arguments(path=path))[0] == 0
    assert {row["published"] for row in _table(tmp_path / "results")} == {""}


def test_one_content_under_two_names_is_refused_before_training(bench, csv, tmp_path):
    specs = [
        f'csv[path="{csv(name=name)}",smiles_columns=[smiles],label_column=class]'
        for name in ("a.csv", "b.csv")
    ]
    code, out, err = bench("--datasets", ",".join(specs), "--out", tmp_path / "r", "--epochs", 1)
    assert code == 2
    assert "the same by content" in err
    assert "to do" not in out


def test_names_with_brackets_are_printed_as_they_are(bench, toy_arguments, csv, tmp_path):
    rows = [(smiles, f"[b]{name}[/i]") for smiles, name in ROWS]
    code, out, _ = bench(*toy_arguments(path=csv(rows), out="res[/b]"))
    assert code == 0
    assert "res[/b]" in out
    path = csv(rows)
    code, out, _ = bench("data", f'csv[path="{path}",smiles_columns=[smiles],label_column=class]')
    assert code == 0
    assert "[b]ring[/i]" in out


def test_a_missing_run_is_not_all_done(bench, toy_arguments, tmp_path):
    bench(*toy_arguments())
    [first, _] = sorted((tmp_path / "results" / "runs").iterdir())
    (first / "record.json").write_text("{")
    code, out, _ = bench("report", "--out", tmp_path / "results")
    assert code == 1
    assert "missing" in out


def test_each_of_two_commands_reports_its_own_plan(bench, toy_arguments, monkeypatch, tmp_path):
    from bench.commands import sweep as command

    other = {"schema": 1, "settings": {}, "jobs": []}
    original = command.Executor.run

    def run(*arguments):
        yield from original(*arguments)
        command.Store(tmp_path / "results").write_plan(other)  # a second command, meanwhile

    monkeypatch.setattr(command.Executor, "run", run)
    code, out, _ = bench(*toy_arguments())
    assert code == 0
    assert "Vanilla GCN" in out


def test_a_full_disk_is_a_failed_run_and_the_others_go_on(
    bench, toy_arguments, monkeypatch, tmp_path
):
    from bench.sweep.store import Store

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "write", full)
    monkeypatch.setattr(Store, "write_failure", full)
    code, _, err = bench(*toy_arguments())
    assert code == 1
    assert err.count("No space left on device") >= 2
    assert "Traceback" not in err


def test_cuda_where_there_is_none_is_refused_before_anything_is_written(
    bench, toy_arguments, monkeypatch, tmp_path
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, _, err = bench(*toy_arguments("--device", "cuda"))
    assert code == 2
    assert "--device cpu" in err
    assert not (tmp_path / "results").exists()


def test_a_plan_for_a_gpu_is_shown_where_there_is_none(bench, toy_arguments, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, out, _ = bench(*toy_arguments("--device", "cuda", "--dry-run"))
    assert code == 0
    assert "Expected a CUDA device" in out
    assert "2 to do" in out


def test_dry_run_of_a_file_that_is_not_there(bench, toy_arguments, tmp_path):
    code, _, err = bench(*toy_arguments("--dry-run", path=tmp_path / "absent.csv"))
    assert code == 2
    assert "absent.csv" in err


def test_options_before_a_command_are_refused(bench, tmp_path):
    """They are those of a benchmark: the command would look at another folder without a word."""
    for before in (("--out", tmp_path), ("--preset", "paper"), ("--force",)):
        code, _, err = bench(*before, "report")
        assert code == 2
        assert f"got {before[0]} before report, which does not see it there." in err
    assert "report has no --force: " in err
    _, _, err = bench("--out", tmp_path, "report")
    assert "report --out ..." in err


def test_options_that_contradict_each_other_are_refused(bench, toy_arguments):
    code, _, err = bench(*toy_arguments("--force", "--keep-changed"))
    assert (code, "give one of them" in err) == (2, True)
    code, _, err = bench(*toy_arguments("--set", "trials.sampler=tpe"))
    assert (code, "--sampler goes with --trials N." in err) == (2, True)


def test_a_dry_run_refuses_what_the_run_refuses(bench, toy_arguments):
    code, _, err = bench(*toy_arguments("--max-minutes", 5, "--dry-run"))
    assert code == 2
    assert "--max-minutes needs runs in processes of their own" in err
