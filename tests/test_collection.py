"""What pytest must not leave out unseen."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(("text", "code"), [("import no_such_package\n", 2), ("", 5)])
def test_a_module_that_cannot_be_imported_is_an_error(tmp_path, text, code):
    """Its doctests would be gone without a word."""
    (tmp_path / "module.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "--rootdir", tmp_path]
    # By its folder: a file that is named is imported as one of tests too.
    done = subprocess.run([*command, "."], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code, done.stdout
