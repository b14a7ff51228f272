from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Stacks that are timed beside ours read their own files in their own way.
OURS = [
    path
    for room in ("bench", "methods", "datasets")
    for path in (ROOT / room).rglob("*.py")
    if "backends" not in path.parts
]

FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "pickle.load", "pickle.loads", "pickle.Unpickler",
    "dill.load", "dill.loads", "cloudpickle.load", "cloudpickle.loads", "joblib.load",
    "shelve.open", "marshal.load", "marshal.loads", "pd.read_pickle", "pandas.read_pickle",
    "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "shutil.unpack_archive",
}  # fmt: skip


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def switched(node: ast.Call, keyword: str, value: bool) -> bool:
    return any(
        word.arg == keyword and getattr(word.value, "value", None) is value
        for word in node.keywords
    )


@pytest.mark.fault(20)
def test_no_file_that_is_read_can_hold_code():
    """A checkpoint, cache or result from elsewhere runs code when it is opened."""
    found = []
    for path in OURS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = called(node)
            if (
                name in FORBIDDEN
                or name.endswith((".extract", ".extractall"))
                or (name == "torch.load" and not switched(node, "weights_only", True))
                or switched(node, "allow_pickle", True)
                or switched(node, "shell", True)
            ):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}")
    assert OURS
    assert found == []
