import os
import stat
import threading
from pathlib import Path

import pytest

from bench.errors import StoreError
from bench.files import (
    entries,
    new_folder,
    open_regular,
    read_regular,
    remove_strays,
    replacing,
    temporary_folder,
    write_atomically,
    write_new,
)
from bench.processes import Process

FOREIGN = ".tmp-0123456789abcdef-5-77-abcdef01"


def test_file_is_written_or_left_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_written_piece_by_piece_takes_the_place_of_the_old_one_at_the_end(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"n")
        assert path.read_bytes() == b"old"
        file.write(b"ew")
    assert path.read_bytes() == b"new"
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write(b"half" * (1 // 0))
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "run"
    with pytest.raises(IsADirectoryError), new_folder(target) as folder:
        folder.write_text("fails")
    assert list(tmp_path.iterdir()) == []
    with new_folder(target) as folder:
        (folder / "a").write_text("x")
        assert not target.exists()
    assert (target / "a").read_text() == "x"


def test_folder_that_another_process_finished_first_is_kept(tmp_path):
    target = tmp_path / "run"
    with new_folder(target) as folder:
        (folder / "a").write_text("mine")
        target.mkdir()
        (target / "a").write_text("first")
    assert (target / "a").read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_files_and_folders_are_for_whom_the_umask_lets_read_them(tmp_path, mask):
    """Results of one user cannot be read by another one, as temporary files are private."""
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "file", b"x")
        with new_folder(tmp_path / "run") as folder:
            write_new(folder / "model", b"x")
    finally:
        os.umask(before)
    for path in (tmp_path / "file", tmp_path / "run" / "model"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o777 & ~mask


def test_nothing_changes_the_umask_even_for_a_moment(tmp_path, monkeypatch):
    """A file that another thread makes meanwhile can be written by everybody."""
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("the umask is every thread's"))
    write_atomically(tmp_path / "file", b"x")
    with new_folder(tmp_path / "run") as folder:
        write_new(folder / "model", b"x")


def test_a_written_file_replaces_a_link(tmp_path):
    """A link in the place of a report overwrites any file of the user's."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "table2.md").symlink_to(victim)
    write_atomically(tmp_path / "table2.md", b"x")
    assert victim.read_text() == "mine"
    assert not (tmp_path / "table2.md").is_symlink()


def _pipe(path):
    os.mkfifo(path)


def _link(path):
    path.with_name("other").write_bytes(b"x")
    path.symlink_to(path.with_name("other"))


def _endless(path):
    path.symlink_to("/dev/zero")


def _huge(path):
    with path.open("wb") as file:
        file.truncate(2**32)


@pytest.mark.parametrize("make", [_pipe, _link, _endless, _huge, Path.mkdir])
def test_nothing_but_a_regular_file_of_sane_size_is_read(tmp_path, make):
    """A pipe is waited for without end, a device fills the memory."""
    path = tmp_path / "record.json"
    make(path)
    found = []

    def read():
        with pytest.raises(ValueError, match=r"record\.json"):
            read_regular(path)
        found.append(True)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert found


def test_what_is_absent_is_told_from_what_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    with pytest.raises(FileNotFoundError):
        read_regular(path)
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(ValueError, match="expected at most 4"), open_regular(path, 4):
        pass

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "iterdir", refuse)
    for read in (read_regular, entries):
        with pytest.raises(StoreError, match=r"record\.json, which belongs to .*Permission denied"):
            read(path)


def _age(path):
    os.utime(path, (0, 0), follow_symlinks=False)


def test_what_another_machine_or_container_left_stays_for_a_day(tmp_path):
    fresh, old = tmp_path / FOREIGN, tmp_path / FOREIGN.replace("-5-", "-6-")
    for path in (fresh, old):
        path.mkdir()
    _age(old)
    assert remove_strays(tmp_path) == [old]
    assert list(tmp_path.iterdir()) == [fresh]
    assert remove_strays(tmp_path / "absent") == []


def test_only_names_that_are_ours_in_full_are_removed(tmp_path):
    """A folder of the user's own is deleted as its name begins like ours."""
    names = [".tmp-mine", ".progress-notes.md", f"{FOREIGN}.bak", f"x{FOREIGN}", FOREIGN[:-1],
             ".tmp-5-host-abcdefgh", FOREIGN.replace("tmp", "mine")]  # fmt: skip
    for name in names:
        (tmp_path / name).write_text("mine")
        _age(tmp_path / name)
    assert remove_strays(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_link_with_such_a_name_is_removed_and_what_it_leads_to_is_not(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / FOREIGN).symlink_to(tmp_path / "mine")
    _age(tmp_path / FOREIGN)
    assert remove_strays(tmp_path) == [tmp_path / FOREIGN]
    assert (tmp_path / "mine").is_dir()


def test_what_this_process_is_writing_stays_and_what_an_ended_one_wrote_goes(tmp_path):
    pid = os.fork()
    if pid == 0:
        temporary_folder(tmp_path, "progress")
        os._exit(0)
    os.waitpid(pid, 0)
    [left] = tmp_path.iterdir()
    with new_folder(tmp_path / "run") as folder:
        _age(folder)
        assert remove_strays(tmp_path) == [left]
        assert folder.is_dir()


def test_a_folder_that_an_equal_number_of_another_namespace_writes_stays(tmp_path):
    """Two containers with one host name delete each other's half-written runs."""
    own = Process.current()
    for process in (own._replace(place="f" * 16), own._replace(place="f" * 16, pid=4194000)):
        name = f".tmp-{process.place}-{process.pid}-{process.started}-abcdef01"
        (tmp_path / name).mkdir()
    assert remove_strays(tmp_path) == []
