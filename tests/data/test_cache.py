from __future__ import annotations

import json
import logging
import multiprocessing
import os
import pickle
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from bench.data import cache
from bench.data.cache import default_folder, fingerprint, open_or_build
from bench.errors import DataError

KEY = {"data sha256": "ab", "options": {"radius": 2}, "rdkit": "2026.9.1"}
ARRAYS = {
    "types": np.arange(12, dtype=np.int32).reshape(4, 3),
    "none": np.empty((0, 2), np.int32),
    "text": np.frombuffer("é".encode(), np.uint8),
}


class Builder:
    """Counts how often it is asked to build."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict[str, np.ndarray]:
        self.calls += 1
        return dict(ARRAYS)


def assert_right(arrays: dict[str, np.ndarray]) -> None:
    assert arrays.keys() == ARRAYS.keys()
    for name, array in arrays.items():
        assert array.dtype == ARRAYS[name].dtype
        np.testing.assert_array_equal(array, ARRAYS[name])


def entry_of(folder: Path, key: dict = KEY) -> Path:
    return folder / f"graphs-{fingerprint(key)[:16]}"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    open_or_build(tmp_path, "graphs", KEY, Builder())
    return tmp_path


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def test_an_entry_is_built_once_and_then_opened_read_only(tmp_path, caplog):
    builder = Builder()
    for _ in range(3):
        arrays = open_or_build(tmp_path / "new" / "folder", "graphs", KEY, builder)
        assert_right(arrays)
        assert all(isinstance(array.base, np.memmap) for array in arrays.values())
        with pytest.raises(ValueError, match="read-only"):
            arrays["types"][0, 0] = 1
    assert builder.calls == 1
    assert not warnings_in(caplog)


def test_an_entry_holds_arrays_and_a_readable_meta_file_only(built):
    names = sorted(path.name for path in entry_of(built).iterdir())
    assert names == ["meta.json", "none.npy", "text.npy", "types.npy"]
    meta = json.loads((entry_of(built) / "meta.json").read_text())
    assert meta["key"] == KEY
    assert meta["files"]["types"]["shape"] == [4, 3]


def test_the_order_of_the_key_does_not_matter(built):
    builder = Builder()
    open_or_build(built, "graphs", dict(reversed(KEY.items())), builder)
    assert builder.calls == 0


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("part", "value"),
    [("data sha256", "ac"), ("options", {"radius": 3}), ("rdkit", "2026.9.2")],
)
def test_a_changed_part_builds_anew_and_is_named(built, caplog, part, value):
    """A cache that ignores part of its key shows one data set as another."""
    builder = Builder()
    with caplog.at_level(logging.INFO):
        assert_right(open_or_build(built, "graphs", KEY | {part: value}, builder))
    assert builder.calls == 1
    (message,) = caplog.messages
    assert f"{part} changed" in message
    assert not warnings_in(caplog)


def test_only_the_parts_that_differ_from_the_nearest_entry_are_named(built, caplog):
    far = KEY | {"rdkit": "2", "data sha256": "x", "options": {"radius": 3}}
    open_or_build(built, "graphs", far, Builder())
    caplog.clear()
    with caplog.at_level(logging.INFO):
        open_or_build(built, "graphs", KEY | {"rdkit": "1"}, Builder())
    (message,) = caplog.messages
    assert message == "graphs is built: rdkit changed since it was cached."


def test_another_kind_is_not_called_a_change(built, caplog):
    with caplog.at_level(logging.INFO):
        open_or_build(built, "graphs-2", KEY, Builder())
    assert caplog.messages == ["graphs-2 is built: it was not cached yet."]


@pytest.mark.fault(15)
def test_touched_files_are_not_built_again(built):
    """A cache that goes by times is built again after every copy or checkout."""
    for path in entry_of(built).iterdir():
        os.utime(path, (0, 0))
    builder = Builder()
    assert_right(open_or_build(built, "graphs", KEY, builder))
    assert builder.calls == 0


def zero_bytes(entry: Path) -> None:
    (entry / "types.npy").write_bytes(b"")


def truncated(entry: Path) -> None:
    path = entry / "types.npy"
    path.write_bytes(path.read_bytes()[:-1])


def one_byte_flipped(entry: Path) -> None:
    data = bytearray((entry / "types.npy").read_bytes())
    data[-3] ^= 1
    (entry / "types.npy").write_bytes(data)


def array_gone(entry: Path) -> None:
    (entry / "text.npy").unlink()


def meta_gone(entry: Path) -> None:
    (entry / "meta.json").unlink()


def meta_empty(entry: Path) -> None:
    (entry / "meta.json").write_bytes(b"")


def meta_not_text(entry: Path) -> None:
    (entry / "meta.json").write_bytes(b"\xff\x00{")


def meta_is_a_list(entry: Path) -> None:
    (entry / "meta.json").write_text("[1, 2]")


def change_meta(entry: Path, **changes: object) -> None:
    meta = json.loads((entry / "meta.json").read_text())
    (entry / "meta.json").write_text(json.dumps(meta | changes))


def other_schema(entry: Path) -> None:
    change_meta(entry, schema_version=0)


def foreign(entry: Path) -> None:
    change_meta(entry, key=KEY | {"rdkit": "other"})


def is_a_file(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_text("not a folder")


DAMAGES = (
    zero_bytes, truncated, one_byte_flipped, array_gone, meta_gone, meta_empty, meta_not_text,
    meta_is_a_list, other_schema, foreign, is_a_file,
)  # fmt: skip


@pytest.mark.fault(16)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_built_again_with_one_warning(built, caplog, damage):
    """A damaged or foreign cache file is trained on as if it were data."""
    damage(entry_of(built))
    builder = Builder()
    assert_right(open_or_build(built, "graphs", KEY, builder))
    (warning,) = warnings_in(caplog)
    assert str(entry_of(built)) in warning
    assert_right(open_or_build(built, "graphs", KEY, builder))
    assert builder.calls == 1


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.mark.fault(20)
@pytest.mark.parametrize("form", ["pickle", "object array", "npz"])
def test_a_pickle_in_disguise_is_never_loaded(built, caplog, form):
    """A cache file from elsewhere runs code when it is opened."""
    canary = built / "canary"
    path = entry_of(built) / "types.npy"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Canary(canary)))
    elif form == "object array":
        np.save(path, np.array([Canary(canary)], object), allow_pickle=True)
    else:
        with path.open("wb") as stream:
            np.savez(stream, x=np.array([Canary(canary)], object), allow_pickle=True)
    # The attacker also mends the checksum.
    meta = json.loads((entry_of(built) / "meta.json").read_text())
    meta["files"]["types"] |= {"bytes": path.stat().st_size, "sha256": cache._sha256(path)}
    change_meta(entry_of(built), files=meta["files"])
    builder = Builder()
    assert_right(open_or_build(built, "graphs", KEY, builder))
    assert builder.calls == 1
    assert len(warnings_in(caplog)) == 1
    assert not canary.exists()


@pytest.mark.fault(16)
def test_a_header_that_does_not_fit_the_meta_file_is_noticed(built):
    """A cache file with another array in it is trained on as if it were data."""
    path = entry_of(built) / "types.npy"
    np.save(path, ARRAYS["types"].T)
    meta = json.loads((entry_of(built) / "meta.json").read_text())
    meta["files"]["types"] |= {"bytes": path.stat().st_size, "sha256": cache._sha256(path)}
    change_meta(entry_of(built), files=meta["files"])
    builder = Builder()
    assert_right(open_or_build(built, "graphs", KEY, builder))
    assert builder.calls == 1


def test_a_folder_that_cannot_be_written_keeps_the_arrays_in_memory(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    builder = Builder()
    assert_right(open_or_build(tmp_path / "file" / "cache", "graphs", KEY, builder))
    assert builder.calls == 1
    (warning,) = warnings_in(caplog)
    assert "LTDD_CACHE_DIR" in warning


def test_a_full_disk_keeps_the_arrays_in_memory_and_leaves_nothing(tmp_path, caplog, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.np, "save", full)
    assert_right(open_or_build(tmp_path, "graphs", KEY, Builder()))
    (warning,) = warnings_in(caplog)
    assert "No space left" in warning
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_readable_entry_in_a_folder_that_cannot_be_written_is_opened(built, caplog, monkeypatch):
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cache, "FileLock", refused)
    builder = Builder()
    assert_right(open_or_build(built, "graphs", KEY, builder))
    assert builder.calls == 0
    assert not warnings_in(caplog)


def test_what_a_build_raises_is_passed_on_and_nothing_is_kept(tmp_path):
    def failing() -> dict[str, np.ndarray]:
        raise OSError("the data file is gone")

    with pytest.raises(OSError, match="the data file is gone"):
        open_or_build(tmp_path, "graphs", KEY, failing)
    builder = Builder()
    assert_right(open_or_build(tmp_path, "graphs", KEY, builder))
    assert builder.calls == 1


def test_a_write_cut_short_leaves_no_entry_and_is_cleared_away(tmp_path, monkeypatch):
    def killed(self: Path, _: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            open_or_build(tmp_path, "graphs", KEY, Builder())
    assert not entry_of(tmp_path).exists()
    assert_right(open_or_build(tmp_path, "graphs", KEY, Builder()))
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [entry_of(tmp_path).name]


def build_slowly(folder: Path, log: Path, start: multiprocessing.synchronize.Barrier) -> None:
    def build() -> dict[str, np.ndarray]:
        with log.open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        time.sleep(0.3)
        return dict(ARRAYS)

    start.wait()
    assert_right(open_or_build(folder, "graphs", KEY, build))


@pytest.mark.fault(17)
def test_two_processes_make_one_build(tmp_path):
    """Two processes that build one cache at once leave a mix of both."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    log = tmp_path / "log"
    processes = [
        context.Process(target=build_slowly, args=(tmp_path / "cache", log, start))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(log.read_text().splitlines()) == 1


def build_for_ever(folder: Path, building: multiprocessing.synchronize.Event) -> None:
    def build() -> dict[str, np.ndarray]:
        building.set()
        time.sleep(600)
        return {}

    open_or_build(folder, "graphs", KEY, build)


@pytest.mark.fault(17)
def test_a_killed_builder_is_taken_over(tmp_path):
    """Who waits for a process that was killed waits for ever, or opens half an entry."""
    context = multiprocessing.get_context("spawn")
    building = context.Event()
    process = context.Process(target=build_for_ever, args=(tmp_path, building))
    process.start()
    assert building.wait(60)
    process.kill()
    process.join(60)
    builder = Builder()
    assert_right(open_or_build(tmp_path, "graphs", KEY, builder))
    assert builder.calls == 1


@pytest.mark.fault(16)
def test_no_byte_of_an_entry_can_change_unnoticed(built, caplog):
    """One flipped bit in a cached feature changes every result from then on."""
    generator = np.random.default_rng(0)
    whole = {path: path.read_bytes() for path in entry_of(built).glob("*.npy")}
    builder = Builder()
    for path, data in whole.items():
        for place in generator.integers(0, len(data), 20):
            changed = bytearray(data)
            changed[place] ^= 1 << generator.integers(8)
            path.write_bytes(changed)
            assert_right(open_or_build(built, "graphs", KEY, builder))
            assert path.read_bytes() == data
    assert builder.calls == len(warnings_in(caplog)) == 60


def test_the_folder_comes_from_the_environment_or_is_in_the_checkout(monkeypatch, tmp_path):
    monkeypatch.setenv("LTDD_CACHE_DIR", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("LTDD_CACHE_DIR")
    assert default_folder() == Path(__file__).resolve().parents[2] / ".cache"


@pytest.fixture
def _group_writes():
    """As on systems where each user has a group of their own."""
    before = os.umask(0o002)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_group_writes")
def test_nobody_else_may_write_to_an_entry(tmp_path, caplog):
    builder = Builder()
    for _ in range(2):
        assert_right(open_or_build(tmp_path, "graphs", KEY, builder))
    assert builder.calls == 1
    assert not warnings_in(caplog)
    for path in (entry_of(tmp_path), *entry_of(tmp_path).iterdir()):
        assert not path.stat().st_mode & 0o022


@pytest.mark.parametrize("name", ["", "meta.json", "types.npy"])
def test_an_entry_that_others_may_write_to_is_built_again_with_a_warning(built, caplog, name):
    (entry_of(built) / name).chmod(0o777)
    builder = Builder()
    assert_right(open_or_build(built, "graphs", KEY, builder))
    assert builder.calls == 1
    [warning] = warnings_in(caplog)
    assert "others may write to" in warning


@pytest.fixture
def foreign(built, monkeypatch):
    """An entry of another user: files do not change hands here, the user does."""
    owner = built.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    changed = {0, owner}
    monkeypatch.setattr(cache, "_trusted_owners", lambda: {os.geteuid()} - changed)
    return built


def test_an_entry_of_another_user_is_refused_with_the_way_on(foreign):
    """Arrays and checksums changed together by a user of the same folder are trained on."""
    with pytest.raises(DataError, match=r"belongs to the user .* LTDD_CACHE_DIR .* LTDD_TRUST"):
        open_or_build(foreign, "graphs", KEY, Builder())


def test_an_entry_of_another_user_is_opened_where_the_user_says_so(foreign, monkeypatch):
    monkeypatch.setenv("LTDD_TRUST_CACHE", "1")
    builder = Builder()
    assert_right(open_or_build(foreign, "graphs", KEY, builder))
    assert builder.calls == 0


def test_entries_of_root_and_of_the_owner_of_the_code_are_opened():
    assert {os.geteuid(), 0, Path(cache.__file__).stat().st_uid} == cache._trusted_owners()
