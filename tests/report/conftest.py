from __future__ import annotations

import shutil
import subprocess

import pytest


@pytest.fixture
def compiled(tmp_path):
    """Compile files, of which ``paper.tex`` is the document; gives the log."""
    pdflatex = shutil.which("pdflatex")
    if pdflatex is None:
        pytest.skip("pdflatex is not installed")

    def compile_(texts):
        for name, text in texts.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        done = subprocess.run(
            [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
            cwd=tmp_path, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        log = done.stdout.decode(errors="replace")
        assert done.returncode == 0, log[-2000:]
        return log

    return compile_
