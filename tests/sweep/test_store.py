import errno
import hashlib
import json
import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from bench.config import resolve
from bench.errors import StoreError
from bench.files import MOST_JSON
from bench.perf.synthetic_runs import write_runs
from bench.processes import Process
from bench.sweep import store as store_module
from bench.sweep.leases import Leases
from bench.sweep.plan import plan_document
from bench.sweep.store import Store, to_json
from tests.sweep.test_plan import _jobs

PREDICTIONS = {"test_logits": np.arange(6, dtype=np.float32).reshape(3, 2)}
WEIGHTS = {"w": np.ones(4, np.float32)}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results")
    store.require_writable()
    return store


def _write(store, job_id="a1", replaces=None, **record):
    store.write(job_id, {"value": 1.5, **record}, PREDICTIONS, WEIGHTS, replaces)


def _folder(store, job_id="a1"):
    return store.root / "runs" / job_id


def a_plan():
    resolved = resolve("quick", {"methods": ["vanilla"], "splits": ["random"]})
    return plan_document(resolved, _jobs(methods=["vanilla"], splits=["random"]))


def test_what_is_written_is_read_back(store):
    assert store.read("a1") is None
    _write(store)
    record = store.read("a1")
    assert record["value"] == 1.5
    assert (record["schema"], record["job_id"], record["status"]) == (1, "a1", "complete")
    assert np.array_equal(store.predictions("a1")["test_logits"], PREDICTIONS["test_logits"])
    assert [r["job_id"] for r in store.records()] == ["a1"]


def test_a_data_set_is_known_by_any_plan_that_is_kept(store):
    plan = a_plan()
    for preset, name in (("paper", "my.csv"), ("quick", "your.csv")):
        settings = {**plan["settings"], "preset": preset, "datasets": {name: f"csv[path={name}]"}}
        store.write_plan({**plan, "settings": settings})
    (store.root / "plan.json").write_text("{")
    assert store.datasets_of_plans() == {
        "my.csv": "csv[path=my.csv]", "your.csv": "csv[path=your.csv]",
    }  # fmt: skip


def test_arrays_in_any_memory_order_are_stored_as_they_are(store):
    store.write("t", {}, {"x": PREDICTIONS["test_logits"].T}, WEIGHTS)
    assert np.array_equal(store.predictions("t")["x"], PREDICTIONS["test_logits"].T)


@pytest.mark.parametrize("name", ["record.json", "predictions.safetensors", "model.safetensors"])
@pytest.mark.fault(4)
def test_any_cut_or_changed_file_makes_the_run_count_as_missing(store, name, caplog):
    """A file cut off or rotten is read as a result."""
    _write(store)
    path = _folder(store) / name
    whole = path.read_bytes()
    spoilt = [whole[: len(whole) * tenth // 10] for tenth in range(10)]
    for place in np.linspace(0, len(whole) - 1, 20).astype(int):
        changed = bytearray(whole)
        changed[place] ^= 1
        spoilt.append(bytes(changed))
    for content in spoilt:
        path.write_bytes(content)
        caplog.clear()
        assert store.read("a1") is None
        assert str(_folder(store)) in caplog.text
    path.write_bytes(whole)
    assert store.read("a1") is not None


def test_a_damaged_run_is_replaced_by_the_next_write(store):
    _write(store)
    (_folder(store) / "record.json").write_text("{")
    _write(store)
    assert store.read("a1")["value"] == 1.5
    assert sorted(os.listdir(store.root / "runs")) == ["a1"]


def test_a_finished_run_is_not_overwritten(store):
    _write(store)
    _write(store, value=2.0)
    assert store.read("a1")["value"] == 1.5


def test_failing_inside_the_write_leaves_nothing(store, monkeypatch):
    monkeypatch.setattr(os, "rename", lambda *_: (_ for _ in ()).throw(OSError("killed")))
    with pytest.raises(OSError, match="killed"):
        _write(store)
    assert os.listdir(store.root / "runs") == []


@pytest.mark.parametrize("files", range(3))
def test_failing_inside_a_write_that_replaces_leaves_what_is_there(store, monkeypatch, files):
    """A disk that is full, or a loss that is no number, takes the finished run along."""
    _write(store)
    first = store.read("a1")
    write_new = store_module.write_new

    def full(path, data):
        if len(list(path.parent.iterdir())) == files:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_new(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(store_module, "write_new", full)
        with pytest.raises(OSError, match="No space"):
            _write(store, value=2.0, replaces=first["checksum"])
    assert store.read("a1") == first
    with pytest.raises(ValueError, match="JSON"):
        _write(store, value=float("nan"), replaces=first["checksum"])
    assert store.read("a1") == first
    _write(store, value=2.0, replaces=first["checksum"])
    assert store.read("a1")["value"] == 2.0
    assert os.listdir(store.root / "runs") == ["a1"]


def test_nan_is_refused_rather_than_written(store):
    with pytest.raises(ValueError, match="JSON"):
        _write(store, value=float("nan"))
    assert store.read("a1") is None


def test_a_failure_is_kept_until_the_run_succeeds(store):
    store.write_failure("a1", {"reason": "out of memory"})
    assert store.read_failure("a1")["reason"] == "out of memory"
    assert store.read("a1") is None
    _write(store)
    assert store.read_failure("a1") is None


def test_record_of_another_job_or_schema_is_not_taken(store, caplog):
    _write(store)
    _folder(store).rename(_folder(store, "b2"))
    assert store.read("b2") is None
    assert "belongs to run 'a1'" in caplog.text
    path = _folder(store, "b2") / "record.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 2}))
    assert store.read("b2") is None
    assert "schema is 2" in caplog.text


def test_what_killed_processes_left_is_removed_and_named(store, caplog):
    _write(store)
    runs, checkpoints = store.root / "runs", store.root / "checkpoints"
    own = Process.current()
    ended = f"{own.place}-{2**22 + 1}-{own.started}-abcdef01"
    stray = [runs / f".tmp-{ended}", store.root / f".progress-{ended}"]
    stray += [store.root / name / f".tmp-{ended}" for name in ("plans", ".leases", "paper/figures")]
    living = [
        runs / f".tmp-{own.place}-{own.pid}-{own.started}-abcdef01",
        runs / ".tmp-0123456789abcdef-5-77-abcdef01",
    ]
    for folder in (*stray, *living):
        folder.mkdir(parents=True)
    for name in ("a1", "b2"):
        store.checkpoint(name).write_text("")
    os.utime(store.checkpoint("a1"), (0, 0))  # before the run was stored
    store.leases.joinpath("a1.json").write_text(json.dumps({**own._asdict(), "pid": 2**22 + 1}))
    store.tidy()
    assert list(store.leases.glob("*.json")) == []
    assert not any(folder.exists() for folder in stray)
    assert all(folder.exists() for folder in living)
    assert all(str(folder) in caplog.text for folder in stray)
    assert [path.stem for path in checkpoints.iterdir()] == ["b2"]  # a1 is stored


def test_what_a_living_sweep_is_at_stays(store):
    """A second command removes the checkpoint of a run that is done again, and its lease."""
    _write(store)
    os.utime(_folder(store) / "model.safetensors", (0, 0))
    store.checkpoint("a1").write_text("half an hour of training")
    first, second = Leases(store.leases), Leases(store.leases)
    assert first.claim("a1")
    Store(store.root).tidy()
    assert store.checkpoint("a1").exists()
    assert not second.claim("a1")
    first.close()
    second.close()


def test_a_finished_run_is_replaced_only_where_its_checksum_is_named(store):
    _write(store, value=1.0)
    first = store.read("a1")["checksum"]
    _write(store, value=2.0)
    assert store.read("a1")["value"] == 1.0
    assert store.is_done("a1")
    assert not store.is_done("a1", replaces=first)
    _write(store, value=3.0, replaces=first)
    assert store.read("a1")["value"] == 3.0
    # Another sweep that meant to replace the first finds it replaced.
    _write(store, value=4.0, replaces=first)
    assert store.read("a1")["value"] == 3.0


def test_a_renewed_record_is_whole_and_keeps_its_files(store):
    _write(store)
    store.renew({**store.read("a1"), "sources": {"methods/cb.py": "0" * 16}})
    record = store.read("a1")
    assert record["sources"] == {"methods/cb.py": "0" * 16}
    assert record["value"] == 1.5


def test_a_record_that_is_replaced_meanwhile_is_not_renewed(store):
    """A record of one run is written over that of another, whose files it does not know."""
    _write(store)
    first = store.read("a1")
    _write(store, value=2.0, replaces=first["checksum"])
    assert not store.renew({**first, "sources": {}})
    assert store.read("a1")["value"] == 2.0
    shutil.rmtree(_folder(store))
    assert not store.renew(first)
    assert not _folder(store).exists()


def test_forgetting_attempts_keeps_the_finished_run(store):
    _write(store)
    store.write_failure("a1", {"reason": "r"})
    store.checkpoint("a1").write_text("")
    store.forget_attempts("a1")
    assert store.read("a1") is not None
    assert store.read_failure("a1") is None
    assert not store.checkpoint("a1").exists()
    store.forget_attempts("a1")


def test_a_damaged_failure_is_none(store):
    store.write_failure("a1", {"reason": "r", "attempts": 1})
    path = store.root / "failures" / "a1.json"
    path.write_text(path.read_text().replace('"attempts": 1', '"attempts": 7'))
    assert store.read_failure("a1") is None


def test_plan_is_read_back_and_its_absence_explained(store):
    with pytest.raises(StoreError, match="Run the benchmark first"):
        store.read_plan()
    plan = a_plan()
    store.write_plan(plan)
    assert store.read_plan() == plan
    path = store.root / "plan.json"
    path.write_text(path.read_text().replace('"schema"', '"epochs": NaN, "schema"'))
    with pytest.raises(StoreError, match="damaged"):
        store.read_plan()


@pytest.mark.parametrize(
    "content",
    [{}, [], {"attempts": []}, {"attempts": -1}, {"reason": None}, {"reason": 7},
     {"job_id": "b2"}, {"schema": 2}],
)  # fmt: skip
def test_a_failure_of_the_wrong_shape_counts_as_none_and_is_named(store, content, caplog):
    """A failure that was edited ends the next start, or the report, with a traceback."""
    whole = {"schema": 1, "job_id": "a1", "reason": "r", "attempts": 1}
    path = store.root / "failures" / "a1.json"
    path.write_text(json.dumps(whole))  # as earlier versions wrote them, without a checksum
    assert store.read_failure("a1") == whole
    path.write_text(json.dumps(content and {**whole, **content}))
    assert store.read_failure("a1") is None
    [record] = caplog.records
    assert str(path) in record.message
    assert store.failure_ids() == ["a1"]


@pytest.mark.parametrize("files", [None, [], {}, {"model.safetensors": "0" * 64}])
def test_a_record_without_checksums_of_its_files_is_not_taken(store, files, caplog):
    _write(store)
    path = _folder(store) / "record.json"
    content = {**json.loads(path.read_text()), "files": files}
    del content["checksum"]
    path.write_bytes(to_json({**content, "checksum": hashlib.sha256(to_json(content)).hexdigest()}))
    assert store.read("a1") is None
    assert "files" in caplog.text


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, "[" * 900 + "]" * 900, "[]", "5", '{"schema": 1}',
     '{"schema": 1, "settings": {}, "jobs": 5}', '{"schema": 1, "settings": {}, "jobs": [{}]}',
     '{"schema": 2, "settings": {}, "jobs": []}'],
)  # fmt: skip
def test_a_damaged_plan_is_one_clear_error(store, text):
    (store.root / "plan.json").write_text(text)
    with pytest.raises(StoreError, match="Run the benchmark command again"):
        store.read_plan()


@pytest.mark.parametrize("name", ["record.json", "predictions.safetensors", "model.safetensors"])
def test_a_run_with_a_file_gone_counts_as_missing_and_is_named(store, name, caplog):
    _write(store)
    (_folder(store) / name).unlink()
    assert store.read("a1") is None
    assert name in caplog.text


def test_a_record_nested_beyond_reason_is_named(store, caplog):
    _write(store)
    (_folder(store) / "record.json").write_text("[" * 100_000)
    assert store.read("a1") is None
    assert "record.json" in caplog.text


@pytest.mark.fault(12)
def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(StoreError, match="--out"):
        Store(tmp_path / "results").require_writable()


@pytest.mark.fault(12)
def test_read_only_folder_is_named():
    """Training goes on for hours before the first result turns out not to be writable."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "results"
        folder.mkdir()
        Path(name).chmod(0o755)
        folder.chmod(0o555)
        receiver, sender = multiprocessing.Pipe(duplex=False)

        def require():
            if os.geteuid() == 0:  # whom nothing is read-only for
                os.seteuid(65534)
            with pytest.raises(StoreError) as caught:
                Store(folder).require_writable()
            sender.send(str(caught.value))

        process = multiprocessing.get_context("fork").Process(target=require)
        process.start()
        process.join()
        assert "Permission denied. Choose another one with --out" in receiver.recv()


@pytest.mark.fault(12)
@pytest.mark.parametrize("name", ["with space", "größe", "x" * 200])
def test_odd_folder_names_work(tmp_path, name):
    """A path with spaces or letters beyond ASCII breaks the store."""
    store = Store(tmp_path / name)
    store.require_writable()
    _write(store)
    assert store.read("a1") is not None


def test_a_part_of_a_preset_does_not_replace_the_plan_of_the_whole(store):
    def planned(*methods):
        resolved = resolve("quick", {"methods": list(methods), "splits": ["random"]})
        return plan_document(resolved, _jobs(methods=list(methods), splits=["random"]))

    whole, part, other = planned("vanilla", "cb"), planned("cb"), planned("cb", "ib")
    store.write_plan(whole)
    store.write_plan(part)
    assert store.read_plan("quick") == whole
    assert store.read_plan() == part
    store.write_plan(other)
    assert store.read_plan("quick") == other


FOLDERS = ("runs", "plans", "failures", "checkpoints", ".leases", "paper", "paper/figures")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_is_a_link_is_refused(tmp_path, name):
    """What is written to a results folder from elsewhere lands in a folder of the user's."""
    root, elsewhere = tmp_path / "results", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).symlink_to(elsewhere)
    with pytest.raises(StoreError, match=f"{name} is a link to {elsewhere}.*--out"):
        Store(root)
    (root / name).unlink()
    (root / name).symlink_to("nowhere")
    with pytest.raises(StoreError, match="is a link"):
        Store(root)


def test_the_results_folder_itself_may_be_a_link(store, tmp_path):
    _write(store)
    (tmp_path / "link").symlink_to(store.root)
    assert Store(tmp_path / "link").read("a1") is not None


@pytest.mark.parametrize("name", ["", "record.json", "model.safetensors"])
def test_a_run_that_is_a_link_counts_as_missing_and_is_replaced(store, tmp_path, name):
    """A link in a results folder is followed, and what it leads to is overwritten or removed."""
    _write(store)
    path, elsewhere = _folder(store) / name, tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert store.read("a1") is None
    _write(store, value=2)
    assert store.read("a1")["value"] == 2
    assert elsewhere.exists()


def _assert_is_named(store, path, problem):
    """Nothing is read of the document at `path`, and its `problem` is told."""
    if path == "plan.json":
        with pytest.raises(StoreError, match=problem):
            store.read_plan()
    else:
        examine = store.examine if "runs" in path else store.examine_failure
        assert examine("a1") == (None, problem)


@pytest.mark.parametrize("path", ["runs/a1/record.json", "failures/a1.json", "plan.json"])
def test_a_pipe_or_an_endless_file_is_named_and_never_read(store, path):
    """A report waits for ever, or fills the memory."""
    _write(store)
    store.write_failure("a1", {})
    store.write_plan(a_plan())
    for make in (os.mkfifo, lambda place: os.symlink("/dev/zero", place)):
        (store.root / path).unlink()
        make(store.root / path)
        _assert_is_named(store, path, f"{Path(path).name} is no regular file")


def _as_somebody_else(function):
    """What `function` gives or raises in a process of another user, as text."""
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def run():
        os.setgid(65534)
        os.setuid(65534)
        try:
            sender.send(str(function()))
        except BaseException as error:
            sender.send(f"{type(error).__name__}: {error}")

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    return receiver.recv()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_reads_what_is_shared_and_is_told_what_is_not():
    """Runs of another user count as missing: they are trained again, and tables are emptied."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        store = Store(Path(name) / "results")
        store.require_writable()
        before = os.umask(0o022)
        try:
            _write(store)
            store.write_failure("b2", {"reason": "r"})
            store.write_plan(a_plan())
        finally:
            os.umask(before)
        assert _as_somebody_else(lambda: store.read("a1")["value"]) == "1.5"
        assert _as_somebody_else(lambda: len(store.weights("a1"))) == "1"
        assert _as_somebody_else(lambda: store.read_failure("b2")["reason"]) == "r"
        hidden = ("runs/a1/record.json", "runs/a1/model.safetensors", "runs/a1", "runs",
                  "failures/b2.json", "plan.json")  # fmt: skip
        for path in hidden:
            mode = (store.root / path).stat().st_mode
            (store.root / path).chmod(0o700 if path.startswith("runs") else 0o600)
            told = _as_somebody_else(
                lambda: [*store.records(), store.read_failure("b2"), store.read_plan()]
            )
            (store.root / path).chmod(mode)
            assert told.startswith("StoreError: Expected to read "), told
            assert Path(path).name in told
            assert "root" in told
            assert "Permission denied" in told


@pytest.mark.parametrize("path", ["runs/a1/record.json", "failures/a1.json", "plan.json"])
def test_a_document_larger_than_any_that_is_written_is_named_and_never_parsed(store, path):
    """180 MB of nested empty lists take all memory before they are found to be no plan."""
    _write(store)
    store.write_failure("a1", {})
    store.write_plan(a_plan())
    os.truncate(store.root / path, MOST_JSON + 1)
    problem = f"{Path(path).name} has {MOST_JSON + 1} bytes, expected at most {MOST_JSON}"
    _assert_is_named(store, path, problem)


def test_what_no_command_would_read_is_not_written(store, monkeypatch):
    """A run is stored that counts as damaged from then on."""
    _write(store)
    record = store.read("a1")
    before = {path: path.read_bytes() for path in store.root.rglob("*.*") if path.is_file()}
    monkeypatch.setattr("bench.sweep.store.MOST_JSON", 500)
    long = "x" * 500
    for write in (
        lambda: _write(store, "b2", value=long),
        lambda: store.renew({**record, "value": long}),
        lambda: store.write_failure("b2", {"reason": long}),
        lambda: store.write_plan(a_plan()),
    ):
        with pytest.raises(StoreError, match=r"at most 500 bytes to write to .*, but got"):
            write()
    monkeypatch.setattr("bench.sweep.store.MOST_ARRAYS", 50)
    with pytest.raises(StoreError, match=r"at most 50 bytes to write to .*predictions"):
        _write(store, "b2")
    after = {path: path.read_bytes() for path in store.root.rglob("*.*") if path.is_file()}
    assert after == before


def test_the_largest_plans_and_records_fit_several_times(tmp_path):
    """20,000 runs of a plan and 5,000 classes of a record, measured on a part of them."""
    runs, classes = 40, 300
    write_runs(tmp_path, runs, classes, 5 * classes)
    plan = (tmp_path / "plan.json").stat().st_size
    largest = max(path.stat().st_size for path in tmp_path.glob("runs/*/record.json"))
    assert 4 * plan * 20_000 / runs < MOST_JSON
    assert 4 * largest * 5_000 / classes < MOST_JSON


def test_objects_are_kept_with_their_checksum(store):
    state = {"weights": np.array([0.25, 0.75]), "names": np.array(["a", "b"])}
    store.write("a1", {"value": 1.5}, PREDICTIONS, {}, objects=state)
    found = store.objects("a1")
    assert {name: array.tolist() for name, array in found.items()} == {
        "weights": [0.25, 0.75], "names": ["a", "b"],
    }  # fmt: skip
    assert set(store.read("a1")["files"]) == {
        "model.safetensors", "model.skops", "predictions.safetensors",
    }  # fmt: skip
    modes = {path.stat().st_mode for path in _folder(store).iterdir()}
    assert len(modes) == 1
    path = _folder(store) / "model.skops"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert "model.skops does not match its checksum" in store.examine("a1")[1]


def test_a_run_without_objects_has_none(store):
    _write(store)
    assert store.objects("a1") is None
    assert "model.skops" not in store.read("a1")["files"]


def test_objects_of_types_that_are_not_trusted_are_not_made(store):
    from skops.io import dumps

    store.write("a1", {"value": 1.5}, PREDICTIONS, {}, objects={"a": np.zeros(1)})
    (_folder(store) / "model.skops").write_bytes(dumps({"a": Store(store.root)}))
    with pytest.raises(StoreError, match="not trusted"):
        store.objects("a1")


def test_a_run_whose_model_is_removed_stays_finished(store):
    store.write("a1", {"value": 1.5}, PREDICTIONS, WEIGHTS, objects={"a": np.zeros(1)})
    size = sum((_folder(store) / name).stat().st_size for name in ("model.safetensors",
                                                                    "model.skops"))  # fmt: skip
    assert store.forget_model("a1") == size
    assert store.forget_model("a1") == 0
    assert store.read("a1")["value"] == 1.5
    assert store.examine("a1")[1] is None
    assert store.predictions("a1").keys() == PREDICTIONS.keys()
    assert store.has_predictions("a1")
    assert not store.has_weights("a1")
    with pytest.raises(StoreError, match="was not kept"):
        store.weights("a1")
    # Predictions are no model: without them it is damaged.
    (_folder(store) / "predictions.safetensors").unlink()
    assert store.read("a1") is None


def test_a_run_without_its_model_is_replaced_by_one_with_it(store):
    _write(store)
    store.forget_model("a1")
    assert store.is_done("a1")
    assert not store.is_done("a1", replaces=store.read("a1")["checksum"])
    _write(store)
    assert store.has_weights("a1")
