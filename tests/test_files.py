import os

import pytest

from bench.files import new_folder, write_atomically


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
