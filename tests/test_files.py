import os

import pytest

from bench.files import is_alive, new_folder, remove_strays, temporary_prefix, write_atomically


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


def test_files_can_be_read_by_others(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"x")
    plain = tmp_path / "plain"
    plain.write_bytes(b"x")
    assert path.stat().st_mode == plain.stat().st_mode


def test_what_another_host_left_stays_for_a_day(tmp_path):
    fresh, old = tmp_path / ".tmp-5-elsewhere-abcdefgh", tmp_path / ".tmp-of-long-ago"
    for path in (fresh, old):
        path.write_text("x")
    os.utime(old, (0, 0))
    assert remove_strays(tmp_path) == [old]
    assert list(tmp_path.iterdir()) == [fresh]
    assert remove_strays(tmp_path / "absent") == []


def test_what_this_process_is_writing_stays(tmp_path):
    with new_folder(tmp_path / "run") as folder:
        assert folder.name.startswith(temporary_prefix())
        assert remove_strays(tmp_path) == []


def test_a_process_that_ended_is_not_alive_even_before_anybody_asked_for_its_exit_code():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(pid)  # a zombie
    os.waitpid(pid, 0)
    assert not is_alive(pid)
    assert is_alive(os.getpid())
