"""Benchmarks called from Python: what they take, where they write, what they refuse."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import bench
from bench import cli
from bench.api.own_table import own_data
from bench.errors import ArgumentError, BenchWarning, DataError, UnknownNameError, UsageError
from bench.method import METHODS, Method, register_method
from tests.api.conftest import compare, frame

pytestmark = pytest.mark.filterwarnings("ignore::bench.errors.BenchWarning")


def test_a_frame_is_kept_in_the_results_folder_and_a_second_call_trains_nothing(tmp_path):
    first = compare(out=tmp_path, seeds=[0], name="my molecules")
    [written] = (tmp_path / "data").rglob("*.csv")
    assert written.name == "my_molecules.csv"
    assert pd.read_csv(written).equals(frame())
    records = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("record.json")}
    again = compare(out=tmp_path, seeds=[0], name="my molecules")
    assert records == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("record.json")}
    assert len(records) == 2
    pd.testing.assert_frame_equal(first.runs, again.runs)


def test_the_command_line_gives_the_same_figures(tmp_path, monkeypatch):
    path = tmp_path / "toy.csv"
    frame().to_csv(path, index=False)
    compare(path, out=tmp_path / "python", seeds=[0, 1])
    arguments = (
        "--data", path, "--smiles-col", "smiles", "--label-col", "class", "--splits", "random",
        "--epochs", 2, "--set", "training.batch_size=16", "--methods", "vanilla,ecfp_forest",
        "--seeds", "0,1", "--executor", "in-process", "--out", tmp_path / "command",
        "--set", "method_options={ecfp_forest: {trees: 30}}",
    )  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["run_bench.py", *map(str, arguments)])
    assert cli.main() == 0
    tables = [(tmp_path / place / "table2.csv").read_bytes() for place in ("python", "command")]
    assert tables[0] == tables[1]


def test_without_a_folder_the_results_are_below_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = compare(seeds=[0], methods="ecfp_forest")
    assert done.folder.parent.as_posix() == "results"
    assert done.folder.name.startswith("frame-")
    assert (tmp_path / done.folder / "plan.json").exists()
    other = compare(frame()[::-1], seeds=[0], methods="ecfp_forest")
    assert other.folder != done.folder


def test_finished_runs_of_another_folder_stand_beside_ones_own_and_are_not_trained(tmp_path):
    toy = {"seeds": [0], "name": "toy"}
    compare(**toy, out=tmp_path / "theirs", methods="ecfp_forest")
    done = compare(**toy, out=tmp_path / "own", methods="majority", baselines=tmp_path / "theirs")
    assert sorted(done.runs["method"]) == ["ecfp_forest", "majority"]
    [finished] = (tmp_path / "theirs").rglob("record.json")
    joined = tmp_path / "own" / finished.relative_to(tmp_path / "theirs")
    assert joined.read_bytes() == finished.read_bytes()


def test_every_method_runs_with_every_encoder_and_frames_name_it(tmp_path):
    toy = "gcn[hidden=8,layers=1]"
    methods = ["vanilla", "ecfp_forest"]
    done = compare(frame(), out=tmp_path, seeds=[0], methods=methods, backbones=["gcn", toy])
    encoders = {"vanilla": "gcn", f"vanilla[backbone={toy}]": toy, "ecfp_forest": ""}
    for found in (done.table, done.runs, done.per_class):
        assert dict(zip(found["method"], found["backbone"], strict=True)) == encoders
    card = done.model(f"vanilla[backbone={toy}]").card
    assert card.backbones["molecule"].options["hidden"] == 8
    other = compare(frame(), out=tmp_path, seeds=[0], methods=methods, backbones={"molecule": toy})
    assert set(other.runs["job_id"]) < set(done.runs["job_id"])


def test_columns_by_name_are_a_frame_and_only_named_columns_are_kept(tmp_path):
    columns = {**frame().to_dict("list"), "secret": ["x"] * len(frame())}
    done = compare(columns, out=tmp_path, seeds=[0], methods=["ecfp_forest"])
    assert list(done.runs["status"]) == ["complete"]
    [written] = (tmp_path / "data").rglob("*.csv")
    assert "secret" not in written.read_text()


def test_progress_is_printed_only_where_it_is_wanted(tmp_path, capsys):
    compare(out=tmp_path, seeds=[0], methods=["ecfp_forest"])
    assert capsys.readouterr().out == ""
    compare(out=tmp_path, seeds=[1], methods=["ecfp_forest"], progress=True)
    said = capsys.readouterr().out
    assert "1 run: 0 done before, 1 to do" in said
    assert "Written:" not in said


def test_a_remark_is_a_warning_at_the_line_of_the_call(tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bench.compare(
            frame(), smiles="smiles", label="class", methods=["ecfp_forest"], seeds=[0],
            epochs=1, out=tmp_path, progress=False, executor="in-process",
        )  # fmt: skip
    remarks = [one for one in caught if issubclass(one.category, BenchWarning)]
    assert remarks
    assert {one.filename for one in remarks} == {__file__}


@pytest.fixture
def failing():
    @register_method("fails_by_design", title="Fails", group="extension", reference="none")
    class FailsByDesign(Method):
        def loss(self, logits, labels):
            raise RuntimeError("by design")

    yield "fails_by_design"
    del METHODS._entries["fails_by_design"]


def test_a_run_that_fails_is_a_warning_and_a_row_and_the_others_count(tmp_path, failing):
    with pytest.warns(BenchWarning, match="1 of 2 runs failed: .*fails_by_design.*by design"):
        done = compare(out=tmp_path, seeds=[0], methods=["ecfp_forest", failing])
    assert list(done.failed["method"]) == [failing]
    assert "by design" in done.failed["reason"][0]
    assert done.best().method == "ecfp_forest"
    assert list(done.table["n"]) == [1, 0]


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"smiles": "smile"}, ArgumentError, "Did you mean 'smiles'"),
        ({"label": None}, ArgumentError, "Expected label=.* There are 'smiles', 'class'"),
        ({"methods": ["vanila"]}, UnknownNameError, "did you mean 'vanilla'"),
        ({"methods": []}, ArgumentError, "methods="),
        ({"seeds": 3}, ArgumentError, "seeds="),
        ({"splits": ["randm"]}, UnknownNameError, "random"),
        ({"epochs": 0}, UsageError, "training.epochs.*set by the call"),
        ({"traning__epochs": 1}, UsageError, "traning"),
        ({"preset": "quik"}, UnknownNameError, "quick"),
        ({"max_minutes": -1.0}, UsageError, "minutes"),
    ],
)
def test_what_is_asked_wrongly_is_refused(tmp_path, more, error, words):
    with pytest.raises(error, match=words):
        compare(out=tmp_path / "new", **more)
    assert not list((tmp_path / "new").rglob("record.json"))


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (frame([]), DataError, "header"),
        (frame([("C" * n + "O", "a") for n in range(1, 20)]), DataError, "two classes"),
        (frame([("?", "a"), ("!", "b")] * 10), DataError, "bad"),
        (3, ArgumentError, "data frame"),
        ("no_such.csv", DataError, "no_such.csv"),
    ],
)
def test_data_that_cannot_be_used_is_refused(tmp_path, data, error, words):
    with pytest.raises(error, match=words):
        compare(data, out=tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="empty"):
        compare(tmp_path / "empty.csv", out=tmp_path / "out")


def test_a_folder_without_a_benchmark_is_refused(tmp_path):
    with pytest.raises(bench.errors.StoreError):
        bench.load_results(tmp_path)


def test_the_package_imports_nothing_heavy_and_names_what_it_has():
    code = (
        "import sys, bench; assert not {'torch', 'pandas', 'sklearn', 'numpy'} & set(sys.modules);"
        "assert set(bench.__all__) <= set(dir(bench));"
        "import bench.commands.run; assert 'scipy.stats' not in sys.modules;"
        "assert all(callable(getattr(bench, name)) for name in bench.__all__)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="compar"):
        bench.compar  # noqa: B018


def test_a_script_needs_no_guard_though_runs_are_processes(tmp_path):
    frame().to_csv(tmp_path / "toy.csv", index=False)
    script = tmp_path / "script.py"
    script.write_text(
        "import bench\n"
        "done = bench.compare('toy.csv', smiles='smiles', label='class', seeds=[0, 1],\n"
        "    methods=['ecfp_forest'], out='out', progress=False, jobs=2, device='cpu')\n"
        "print('complete', list(done.runs['status']).count('complete'))\n"
    )
    ended = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**__import__("os").environ, "PYTHONPATH": str(bench.__path__[0]) + "/.."},
    )  # fmt: skip
    assert ended.stdout.split() == ["complete", "2"]


def test_a_file_below_the_home_folder_is_known_by_its_content(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folders = set()
    for rows in (30, 31):
        frame().head(rows).to_csv(tmp_path / "my.csv", index=False)
        nothing = dict.fromkeys(("protein", "label_cut", "name", "out"))
        asked = {**nothing, "smiles": "smiles", "label": "class", "standardise": False}
        folders.add(own_data("~/my.csv", **asked, options={}).folder)
    assert len(folders) == 2


NO_FILE = {
    **dict.fromkeys(("smiles", "label", "protein", "label_cut", "name", "out")),
    "standardise": False, "options": {},
}  # fmt: skip


@pytest.mark.parametrize(
    "asked",
    [
        {"protein": "seq"}, {"label_cut": 0}, {"standardise": True}, {"name": "foo"},
        {"options": {"max_bad": 0.5}},
    ],
)  # fmt: skip
def test_what_is_of_files_is_refused_beside_a_registered_data_set(asked):
    assert own_data("hiv", **NO_FILE).datasets == ["hiv"]
    [word] = asked.get("options", asked)
    with pytest.raises(ArgumentError, match=f"none of {word}= with the registered data set hiv"):
        own_data("hiv", **{**NO_FILE, **asked})


@pytest.mark.parametrize("cut", [np.array([1, 3]), pd.Series([1, 3]), (1, 3)])
def test_cuts_may_be_an_array(cut, tmp_path):
    asked = {**NO_FILE, "smiles": "smiles", "label": "class", "label_cut": cut, "out": tmp_path}
    [dataset] = own_data({"smiles": ["C"] * 6, "class": range(6)}, **asked).datasets
    assert '"1,3"' in dataset


def test_no_attempt_at_all_is_refused(tmp_path):
    with pytest.raises(UsageError, match="1 or more retries"):
        compare(out=tmp_path, seeds=[0], methods=["majority"], retries=0)
