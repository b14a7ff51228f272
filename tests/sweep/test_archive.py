import hashlib
import io
import lzma
import multiprocessing
import os
import shutil
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from bench.errors import StoreError
from bench.files import MOST_JSON
from bench.sweep import archive
from bench.sweep.archive import archived_records, runs_to_join, unpack_archive, write_archive
from bench.sweep.decisions import pack_decisions, unpack_decisions
from bench.sweep.store import Store
from tests.sweep.test_store import a_plan

IDS = [f"{number:020x}" for number in (11, 5, 7)]
ARCHIVE = "records.tar.xz"


def _arrays(seed, classes=3):
    rng = np.random.default_rng(seed)
    return {
        f"{part}_{what}": values
        for part, size in (("valid", 10), ("test", 20))
        for what, values in (
            ("labels", rng.integers(classes, size=size)),
            ("logits", rng.standard_normal((size, classes)).astype(np.float32)),
        )
    }


def _fill(root, job_ids=IDS):
    store = Store(root)
    for job_id in job_ids:
        arrays = _arrays(int(job_id, 16))
        store.write(job_id, {"value": job_id}, arrays, {"w": np.ones(4, np.float32)})
    store.write_plan(a_plan())
    return store


def _write(store):
    return write_archive(store, lambda *_: None)


@pytest.fixture
def full(tmp_path):
    store = _fill(tmp_path / "full")
    _write(store)
    return store


@pytest.fixture
def empty(full, tmp_path):
    """A results folder with the archive of `full` and nothing else."""
    return _with_archive(tmp_path / "empty", (full.root / ARCHIVE).read_bytes())


def _with_archive(root, content):
    """A results folder with an archive and the checksum that fits."""
    root.mkdir(exist_ok=True)
    (root / ARCHIVE).write_bytes(content)
    checksum = hashlib.sha256(content).hexdigest()
    (root / f"{ARCHIVE}.sha256").write_text(f"{checksum}  {ARCHIVE}\n")
    return Store(root)


def _members(store):
    with tarfile.open(store.root / ARCHIVE) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def _assert_refused(store, words="Restore it"):
    before = sorted(store.root.rglob("*"))
    with pytest.raises(StoreError, match=words) as caught:
        unpack_archive(store)
    assert str(store.root / ARCHIVE) in str(caught.value)
    with pytest.raises(StoreError):
        list(archived_records(store))
    assert sorted(store.root.rglob("*")) == before


def test_equal_runs_give_equal_bytes_whatever_was_written_when(full, tmp_path):
    other = _fill(tmp_path / "other", IDS[::-1])
    os.utime(other.root / "plan.json", (0, 0))
    other.write_failure("f" * 20, {"reason": "r"})
    archived = _write(other)
    content = archived.path.read_bytes()
    assert content == (full.root / ARCHIVE).read_bytes()
    assert (archived.runs, archived.size, archived.left_out) == (3, len(content), ())
    line = (other.root / f"{ARCHIVE}.sha256").read_text()
    assert line == f"{hashlib.sha256(content).hexdigest()}  {ARCHIVE}\n"


def test_records_and_plans_are_archived_as_they_are_and_nothing_else(full):
    members = _members(full)
    files = [f"runs/{job_id}/{name}" for job_id in sorted(IDS)
             for name in ("decisions.safetensors", "record.json")]  # fmt: skip
    assert list(members) == sorted(["plan.json", "plans/quick.json", *files])
    for name in members:
        if name.endswith(".json"):
            assert members[name] == (full.root / name).read_bytes()


@pytest.mark.parametrize(("classes", "dtype"), [(256, np.uint8), (257, np.uint16)])
def test_decisions_are_stored_in_the_smallest_type_and_read_back(classes, dtype):
    from safetensors.numpy import load

    names = [f"{part}_{what}" for part in ("valid", "test") for what in ("labels", "predictions")]
    decisions = {name: np.arange(classes) for name in names}
    content = pack_decisions(IDS[0], decisions)
    assert {array.dtype for array in load(content).values()} == {np.dtype(dtype)}
    found = unpack_decisions(IDS[0], content)
    assert sorted(found) == sorted(names)
    assert all(np.array_equal(found[name], decisions[name]) for name in names)
    assert {pack_decisions(IDS[0], decisions) for _ in range(20)} == {content}


def test_an_unpacked_run_is_finished_and_decides_the_same_without_logits(full, empty):
    assert unpack_archive(empty).runs == 3
    assert empty.read_plan() == empty.read_plan("quick") == full.read_plan()
    for job_id in IDS:
        assert empty.read(job_id) == full.read(job_id)
        assert not empty.has_weights(job_id)
        arrays, own, theirs = full.predictions(job_id), *(
            store.decisions(job_id) for store in (full, empty)
        )  # fmt: skip
        assert np.array_equal(own["test_predictions"], arrays["test_logits"].argmax(axis=1))
        assert own.keys() == theirs.keys()
        for name, array in own.items():
            assert array.dtype == theirs[name].dtype == np.int64
            assert np.array_equal(array, theirs[name])
        for read in (empty.weights, empty.predictions):
            with pytest.raises(StoreError, match=r"came from an archive.*run the benchmark"):
                read(job_id)


def test_what_was_unpacked_is_archived_again_byte_for_byte(full, empty):
    unpack_archive(empty)
    (empty.root / ARCHIVE).unlink()
    assert _write(empty).path.read_bytes() == (full.root / ARCHIVE).read_bytes()


def test_only_what_the_folder_lacks_is_put_in_place(empty, full):
    _fill(empty.root, IDS[:1])
    plan = a_plan()
    plan["settings"]["epochs"] = 99
    empty.write_plan(plan)
    assert sorted(record["job_id"] for record in archived_records(empty)) == sorted(IDS[1:])
    assert unpack_archive(empty).runs == 2
    assert empty.has_weights(IDS[0])
    assert empty.read_plan()["settings"]["epochs"] == 99


EARLIER, LATER = ("2026-11-01T12:00:00+01:00", "2026-11-01T11:30:00+00:00")


def _finish(store, finished):
    """Write the first run as one that was finished then."""
    store.remove_run(IDS[0])
    record = {"value": finished, "time": {"finished": finished}}
    store.write(IDS[0], record, _arrays(int(IDS[0], 16)), {"w": np.ones(4, np.float32)})


def test_a_run_that_is_older_than_in_a_new_archive_is_named_and_not_archived_over_it(tmp_path):
    """After a pull, tables have the older run, and the next archive has it, too, without a word."""
    theirs, mine = (_fill(tmp_path / name, IDS[:2]) for name in ("theirs", "mine"))
    _finish(theirs, LATER)
    _finish(mine, EARLIER)
    _write(theirs)
    mine = _with_archive(mine.root, (theirs.root / ARCHIVE).read_bytes())
    assert unpack_archive(mine) == (0, (IDS[0],), ())
    assert mine.read(IDS[0])["value"] == EARLIER
    assert runs_to_join(mine)[0].keys() == {*IDS[:2]}
    assert b"11:30" in runs_to_join(mine)[0][IDS[0]]["record.json"]
    assert _write(mine).kept == (f"run {IDS[0]}: older here",)
    assert _members(mine) == _members(theirs)
    # As the command says.
    mine.remove_run(IDS[0])
    (mine.root / archive.UNPACKED).unlink()
    assert unpack_archive(mine) == (1, (), ())
    assert mine.read(IDS[0]) == theirs.read(IDS[0])


@pytest.mark.parametrize("finished", [LATER, EARLIER, "2026-11-01T11:00:00+00:00", "yesterday"])
def test_a_run_that_is_as_new_as_in_the_archive_replaces_it(tmp_path, finished):
    theirs, mine = (_fill(tmp_path / name, IDS[:1]) for name in ("theirs", "mine"))
    _finish(theirs, EARLIER)
    _finish(mine, finished)
    _write(theirs)
    mine = _with_archive(mine.root, (theirs.root / ARCHIVE).read_bytes())
    assert unpack_archive(mine) == (0, (), ())
    assert _write(mine).kept == ()
    assert f'"{finished}"'.encode() in _members(mine)[f"runs/{IDS[0]}/record.json"]


def test_plans_that_the_archive_has_otherwise_are_named(empty):
    plan = a_plan()
    plan["settings"]["epochs"] = 99
    empty.write_plan(plan)
    assert unpack_archive(empty) == (3, (), ("plan.json", "plans/quick.json"))


def test_an_archive_is_unpacked_once_and_then_not_even_read(empty):
    unpack_archive(empty)
    shutil.rmtree(empty.root / "runs" / IDS[0])
    (empty.root / ARCHIVE).write_bytes(b"")
    assert unpack_archive(empty).runs == 0
    assert list(archived_records(empty)) == []
    assert empty.read(IDS[0]) is None
    shutil.rmtree(empty.root / "runs")  # and with it what was remembered
    with pytest.raises(StoreError, match="does not match"):
        unpack_archive(empty)


def test_damaged_runs_and_plans_are_named_and_left_out(full):
    (full.root / ARCHIVE).unlink()
    (full.root / "runs" / IDS[0] / "predictions.safetensors").write_bytes(b"")
    (full.root / "runs" / "copy").mkdir()
    full.write("a1", {}, {"x": np.zeros(1)}, {})
    full.write("e" * 20, {}, {"test_labels": np.zeros(1)}, {})
    (full.root / "plan.json").write_text("{}")
    archived = _write(full)
    assert archived.runs == 2
    assert "plan.json" not in _members(full)
    text = "\n".join(archived.left_out)
    for words in (f"run {IDS[0]}: predictions.safetensors does not match", "run copy: ",
                  "run a1: expected a job id", f"run {'e' * 20}: ", "plan.json"):  # fmt: skip
        assert words in text
    assert len(archived.left_out) == 5


@pytest.mark.parametrize("after", [shutil.rmtree, None])
def test_a_run_that_a_sweep_replaces_meanwhile_is_named_and_never_mixed(full, monkeypatch, after):
    """The record of one run is archived with the labels of another, or there is a traceback."""
    decisions = Store.decisions

    def replaced(store, job_id):
        if job_id == IDS[0] and after is not None:
            after(store.root / "runs" / job_id)
        elif job_id == IDS[0]:
            store.renew({**store.read(job_id), "value": "another"})
        return decisions(store, job_id)

    before = _members(full)
    monkeypatch.setattr(Store, "decisions", replaced)
    archived = _write(full)
    assert (archived.runs, archived.kept) == (3, (f"run {IDS[0]}: damaged here",))
    assert _members(full) == before


def test_a_folder_without_runs_cannot_be_archived(tmp_path):
    with pytest.raises(StoreError, match="Run the benchmark first"):
        _write(Store(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_changed_byte_anywhere_is_refused(empty):
    """A rotten archive is unpacked, and its numbers stand in a table."""
    for name in (ARCHIVE, f"{ARCHIVE}.sha256"):
        path = empty.root / name
        whole = path.read_bytes()
        for place in np.linspace(0, len(whole) - 1, 40).astype(int):
            changed = bytearray(whole)
            changed[place] ^= 1
            path.write_bytes(changed)
            _assert_refused(empty)
        path.write_bytes(whole)
    assert unpack_archive(empty).runs == 3


def test_a_cut_archive_is_refused_even_with_a_checksum_that_fits(empty, tmp_path):
    whole = (empty.root / ARCHIVE).read_bytes()
    for tenth in range(10):
        part = whole[: len(whole) * tenth // 10]
        _assert_refused(_with_archive(tmp_path / "cut", part))
        (empty.root / ARCHIVE).write_bytes(part)
        _assert_refused(empty)


@pytest.mark.parametrize("name", [ARCHIVE, f"{ARCHIVE}.sha256"])
def test_half_of_the_pair_is_refused(empty, name):
    (empty.root / name).unlink()
    _assert_refused(empty)


def _packed(members):
    """An archive of (name, content, changes of the member)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content, changes in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for key, value in changes.items():
                setattr(member, key, value)
            tar.addfile(member, io.BytesIO(content))
    return lzma.compress(buffer.getvalue())


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("../evil", {}),
        (f"runs/{IDS[0]}/../../../evil", {}),
        ("/tmp/evil", {}),
        (f"runs/{IDS[0]}/model.safetensors", {}),
        (f"runs/{IDS[0]}", {"type": tarfile.DIRTYPE}),
        ("plans/quick.json\n", {}),
        ("failures/x.json", {}),
        ("plan.json", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("plan.json", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}),
        ("plan.json", {"type": tarfile.FIFOTYPE}),
        ("plan.json", {"type": tarfile.CHRTYPE}),
    ],
)
def test_a_member_that_is_no_file_of_a_run_is_refused(full, tmp_path, name, changes):
    """A file outside the results folder is written, or read through a link."""
    whole = [(one, content, {}) for one, content in _members(full).items()]
    content = b"" if "type" in changes else b"{}"
    store = _with_archive(tmp_path / "hostile", _packed([*whole, (name, content, changes)]))
    _assert_refused(store, "no file of a run and no plan")


@pytest.mark.fault(19)
def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_MOST_BYTES", 10_000)
    content = _packed([("plan.json", bytes(20_000), {})])
    _assert_refused(_with_archive(tmp_path / "bomb", content), "more than 10000 bytes")


@pytest.mark.parametrize("name", ["plan.json", f"runs/{IDS[0]}/record.json"])
def test_a_document_larger_than_a_results_folder_may_hold_is_refused(tmp_path, name):
    """Parsed, it takes all memory; unpacked, it could not be read."""
    content = _packed([(name, bytes(MOST_JSON + 1), {})])
    _assert_refused(
        _with_archive(tmp_path / "large", content),
        f"{name} has {MOST_JSON + 1} bytes, expected at most {MOST_JSON}",
    )


def test_files_of_another_run_are_refused(full, tmp_path):
    members = _members(full)
    one, other = IDS[:2]
    for name in ("record.json", "decisions.safetensors"):
        foreign = members | {f"runs/{one}/{name}": members[f"runs/{other}/{name}"]}
        content = _packed([(key, value, {}) for key, value in foreign.items()])
        _assert_refused(_with_archive(tmp_path / "foreign", content), f"of run {one}")
        foreign.pop(f"runs/{one}/{name}")
        content = _packed([(key, value, {}) for key, value in foreign.items()])
        _assert_refused(_with_archive(tmp_path / "foreign", content), "alone")


@pytest.mark.parametrize("name", ["record.json", "decisions.safetensors"])
def test_a_damaged_file_of_an_unpacked_run_makes_it_count_as_missing(empty, name, caplog):
    unpack_archive(empty)
    path = empty.root / "runs" / IDS[0] / name
    whole = path.read_bytes()
    for place in np.linspace(8, len(whole) - 1, 20).astype(int):
        changed = bytearray(whole)
        changed[place] ^= 1
        # A blank that pads the header of a safetensors file says nothing.
        if name.endswith(".json") or whole[place : place + 1] != b" ":
            path.write_bytes(changed)
            assert empty.read(IDS[0]) is None
            assert str(path.parent) in caplog.text
    path.write_bytes(whole[: len(whole) // 2])
    assert empty.read(IDS[0]) is None
    path.write_bytes(whole)
    assert empty.read(IDS[0]) is not None


@pytest.mark.fault(17)
def test_processes_that_unpack_at_once_leave_every_run_whole(empty):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)

    def unpack():
        barrier.wait()
        unpack_archive(empty)

    processes = [context.Process(target=unpack) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert sorted(record["job_id"] for record in empty.records()) == sorted(IDS)
    assert not list(empty.root.rglob(".tmp-*"))


def test_unpacking_that_was_stopped_goes_on(empty, monkeypatch):
    rename, done = os.rename, []

    def full_disk(*arguments):
        if done:
            raise OSError(28, "No space left on device")
        done.append(rename(*arguments))

    monkeypatch.setattr(os, "rename", full_disk)
    with pytest.raises(StoreError, match=r"No space left.*--out"):
        unpack_archive(empty)
    monkeypatch.setattr(os, "rename", rename)
    assert unpack_archive(empty).runs == 2
    assert len(list(empty.records())) == 3


def test_a_run_written_again_replaces_the_one_without_weights(empty):
    unpack_archive(empty)
    empty.checkpoint(IDS[0]).parent.mkdir()
    empty.checkpoint(IDS[0]).write_text("")
    empty.tidy()
    assert empty.checkpoint(IDS[0]).exists()
    assert _write(empty).runs == 3  # nothing is lost meanwhile
    _fill(empty.root, IDS[:1])
    assert empty.has_weights(IDS[0])
    assert empty.read(IDS[0]) is not None


def test_a_run_that_is_damaged_here_stays_in_the_archive(full):
    first = _write(full)
    (full.root / "runs" / IDS[0] / "record.json").write_text("{")
    again = _write(full)
    assert (again.runs, again.left_out, again.kept) == (
        first.runs,
        (),
        (f"run {IDS[0]}: damaged here",),
    )
    assert (full.root / "records.tar.xz").stat().st_size == first.size


def test_a_plan_that_is_gone_or_damaged_here_stays_in_the_archive(full):
    first = (full.root / ARCHIVE).read_bytes()
    (full.root / "plan.json").unlink()
    (full.root / "plans" / "quick.json").write_text("{")
    assert _write(full).kept == ("plans/quick.json: damaged here",)
    assert (full.root / ARCHIVE).read_bytes() == first


def test_an_archive_is_unpacked_again_where_no_run_is_left(full):
    _write(full)
    for job_id in IDS:
        shutil.rmtree(full.root / "runs" / job_id)
    assert unpack_archive(full).runs == 3


class _Killed(BaseException):
    pass


def _write_again_and_again(store):
    for _ in range(9):
        _write(store)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("steps", range(8))
def test_killed_anywhere_between_its_writes_an_archive_blocks_nothing(
    tmp_path, monkeypatch, steps, first
):
    """Killed between archive and checksum, every command refuses until files are deleted."""
    store = _fill(tmp_path / "full", IDS[:1] if not first else IDS)
    if not first:
        _write(store)
        _fill(store.root, IDS[1:])
    left = steps

    def killing(function):
        def step(*arguments):
            nonlocal left
            if not left:
                raise _Killed
            left -= 1
            return function(*arguments)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(archive, "write_atomically", killing(archive.write_atomically))
        patch.setattr(archive.os, "replace", killing(os.replace))
        with pytest.raises(_Killed):
            _write_again_and_again(store)
    # Whoever gets the folder without its runs has those of one archive or the other.
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in store.root.glob("records.tar.xz*"):
        shutil.copy(path, bare)
    [archived] = {len(list(archived_records(Store(bare))))}
    assert unpack_archive(Store(bare)).runs == archived
    assert archived in ((0, 3) if first else (1, 3))
    assert unpack_archive(store).runs == 0
    assert _write(store).runs == 3
    whole = (store.root / ARCHIVE).read_bytes()
    line = f"{hashlib.sha256(whole).hexdigest()}  {ARCHIVE}\n"
    assert (store.root / f"{ARCHIVE}.sha256").read_text() == line
    assert not (store.root / f"{ARCHIVE}.new").exists()


@pytest.mark.parametrize("limit", ["_MOST_BYTES", "_MOST_MEMBERS"])
def test_what_no_command_could_read_is_refused_before_anything_is_replaced(
    tmp_path, monkeypatch, limit
):
    """An archive is written that ends every later command in its folder."""
    store = _fill(tmp_path / "full", IDS[:1])
    _write(store)
    before = {path: path.read_bytes() for path in store.root.glob("records.tar.xz*")}
    size = len(lzma.decompress(before[store.root / ARCHIVE]))
    monkeypatch.setattr(archive, limit, {"_MOST_BYTES": size + 1, "_MOST_MEMBERS": 4}[limit])
    _fill(store.root)
    with pytest.raises(StoreError, match=r"at most \d+ .*Archive fewer runs"):
        _write(store)
    assert {path: path.read_bytes() for path in store.root.glob("records.tar.xz*")} == before
    bare = _with_archive(tmp_path / "bare", before[store.root / ARCHIVE])
    assert unpack_archive(bare).runs == 1


@pytest.mark.fault(19)
def test_an_archive_of_endless_members_is_refused(tmp_path, monkeypatch):
    """A small file with a million empty members takes the memory."""
    monkeypatch.setattr(archive, "_MOST_MEMBERS", 50)
    content = _packed([("plan.json", b"", {})] * 51)
    _assert_refused(_with_archive(tmp_path / "many", content), "more than 50 files")


@pytest.mark.fault(19)
def test_an_archive_that_asks_for_too_much_memory_is_refused(full, tmp_path):
    """The header of an archive decides how much memory is taken to unpack it."""
    content = bytearray((full.root / ARCHIVE).read_bytes())
    start, size = 12, 4 * (content[12] + 1)  # the header of the first block
    assert content[start + 2] == 0x21  # LZMA2, whose one property is its dictionary
    content[start + 4] = 38  # 2 GiB
    checksum = zlib.crc32(content[start : start + size - 4])
    content[start + size - 4 : start + size] = checksum.to_bytes(4, "little")
    assert lzma.decompress(content)  # which is sound otherwise
    _assert_refused(_with_archive(tmp_path / "greedy", bytes(content)), "[Mm]emory")


@pytest.mark.fault(19)
@pytest.mark.parametrize("name", ["plan.json", "plans/tasks.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b'{"version": "2.0.0", "tasks": []}', b"\xff"])
def test_a_plan_that_is_none_is_refused_before_it_is_put_in_place(tmp_path, name, content):
    """A stranger's archive writes a file of any content."""
    store = _with_archive(tmp_path / "garbage", _packed([(name, content, {})]))
    _assert_refused(store, f"of {name}, ")


@pytest.mark.parametrize("name", ["records.tar.xz", "records.tar.xz.sha256"])
def test_an_archive_that_is_a_link_is_refused(empty, name):
    path = empty.root / name
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))
    _assert_refused(empty, "no regular file")


SHIPPED = sorted((Path(__file__).parents[2] / "results").rglob(ARCHIVE))
SMALLEST = min(SHIPPED, key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_an_archive_of_this_repository_is_read_and_is_what_would_be_written(
    tmp_path, monkeypatch, path
):
    """The slow compression, the same for all, is that of the smallest alone."""
    for name in (ARCHIVE, f"{ARCHIVE}.sha256"):
        shutil.copy(path.with_name(name), tmp_path)
    assert unpack_archive(Store(tmp_path)).runs > 0
    if path != SMALLEST:
        monkeypatch.setattr(archive, "_FILTERS", ({"id": lzma.FILTER_LZMA2, "preset": 0},))
    written = _write(Store(tmp_path)).path.read_bytes()
    assert lzma.decompress(written) == lzma.decompress(path.read_bytes())
    assert path != SMALLEST or written == path.read_bytes()
