import os
import shutil
import subprocess

import pytest

from bench.sweep import provenance


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_asking_for_the_state_of_the_code_writes_nothing_to_the_checkout(tmp_path, monkeypatch):
    def git(*arguments):
        names = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *names, *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "file").write_text("text")
    git("init")
    git("add", "file")
    git("commit", "-m", "first")
    os.utime(tmp_path / "file", (1, 1))  # git would write down that the content is still the same
    before = (tmp_path / ".git" / "index").read_bytes()
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
    assert provenance._code_state()["dirty"] is False
    assert (tmp_path / ".git" / "index").read_bytes() == before
    (tmp_path / "file").write_text("other")
    assert provenance._code_state()["dirty"] is True


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_plug_in_that_git_does_not_know_makes_the_state_dirty(tmp_path, monkeypatch):
    def git(*arguments):
        names = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *names, *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "methods" / "losses").mkdir(parents=True)
    (tmp_path / "methods" / "cb.py").write_text("")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "scratch.py").write_text("")
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
    assert provenance._code_state()["dirty"] is False
    for name in ("methods/mine.py", "methods/losses/mine.py"):
        (tmp_path / name).write_text("")
        assert provenance._code_state()["dirty"] is True
        (tmp_path / name).unlink()
