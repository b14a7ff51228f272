"""A hash of code changes with what the code does, and imports are followed to where names are."""

import ast
import importlib
import sys
import textwrap

import pytest

from bench import sources
from bench.sources import sources_of

BASE = '''
"""A module."""

from math import log as ln


class Thing:
    """A thing."""

    power: float = 2.0

    def value(self, x):
        """Of x."""
        return -ln(x) ** self.power  # a comment
'''


def _hash(text):
    return sources._hash(ast.parse(textwrap.dedent(text)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Of x."""', '"""The value of x,\n        in other words."""'),
        ('        """Of x."""\n', ""),
        ('"""A module."""\n', ""),
        ("  # a comment", ""),
        ("-ln(x) ** self.power", "(-(ln(x) ** self.power))"),
        ("\n\n\nclass", "\nclass"),
        ("    power: float = 2.0\n", '    power: float = 2.0\n    "What x is raised to."\n'),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(old, new):
    assert old in BASE
    assert _hash(BASE.replace(old, new)) == _hash(BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-ln(x)", "ln(x)"),
        ("2.0", "2.5"),
        ("2.0", "2"),
        ("log as ln", "log2 as ln"),
        ("return -ln", "return 1 - ln"),
        ("self.power", "Thing.power"),
        ("def value", "def values"),
        ("(self, x)", "(self, x=None)"),
        ("class Thing", "class Thing(object)"),
        ('return -ln(x)', 'return f"{x}" or -ln(x)'),
    ],
)  # fmt: skip
def test_everything_else_counts(old, new):
    assert old in BASE
    assert _hash(BASE.replace(old, new)) != _hash(BASE)


def test_none_is_a_value_and_no_value_is_none():
    assert len({_hash(text) for text in ("x = None", "x: int", "f(None)", "f()", "x = 0")}) == 5
    assert _hash("def f(): return") != _hash("def f(): return None")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes files of a package `pack` and gives what is behind a module of it."""
    monkeypatch.syspath_prepend(tmp_path)

    def find(module, files, within=("pack",)):
        for name, text in files.items():
            path = tmp_path / "pack" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for folder in {path.parent for path in (tmp_path / "pack").rglob("*.py")}:
            (folder / "__init__.py").touch()
        importlib.invalidate_caches()
        sources._READ.clear()
        return [name.removeprefix("pack/") for name in sources_of([module], within=within)]

    yield find
    for name in [name for name in sys.modules if name.partition(".")[0] == "pack"]:
        del sys.modules[name]
    sources._READ.clear()


@pytest.mark.parametrize(
    "line",
    [
        "import pack.b",
        "import pack.b as other",
        "from pack import b",
        "from pack.b import f",
        "from pack.b import *",
        "from . import b",
        "from .b import f as g",
        "def late():\n    from pack.b import f",
        "if True:\n    import pack.b",
    ],
)
def test_every_way_to_import_is_followed(package, line):
    found = package("pack.a", {"a.py": line, "b.py": "from .c import f", "c.py": "f = 1"})
    assert found == ["a.py", "b.py", "c.py"]


def test_a_file_that_cannot_be_parsed_is_named_with_a_hash_of_its_own(package):
    """Somebody may be at it while a benchmark runs."""
    assert package("pack.a", {"a.py": "import pack.b", "b.py": "def f(:"}) == ["a.py", "b.py"]


def test_a_package_that_raises_when_it_is_looked_for_is_not_followed(package):
    """A broken DGL does; the run itself may catch it."""
    files = {"a.py": "try:\n    from pack.broken.sub import f\nexcept Exception:\n    f = None",
             "broken/__init__.py": "raise RuntimeError", "broken/sub.py": "f = 1"}  # fmt: skip
    assert package("pack.a", files) == ["a.py"]


def test_what_was_edited_since_it_was_read_is_named(package, tmp_path):
    package("pack.a", {"a.py": "f = 1", "b.py": "g = 1"})
    (tmp_path / "pack" / "a.py").write_text("f = 1  # with a remark\n")
    assert sources.edited(["pack/a.py"]) == []
    (tmp_path / "pack" / "a.py").write_text("f = 2\n")
    assert sources.edited(["pack/a.py"]) == ["pack/a.py"]


def test_a_script_has_one_name_in_all_processes(package, tmp_path, monkeypatch):
    package("pack.a", {"a.py": "f = 1"})
    monkeypatch.setitem(sys.modules, "__mp_main__", importlib.import_module("pack.a"))
    assert list(sources_of(["__mp_main__"], within=())) == ["__main__.py"]


def test_a_circle_ends(package):
    assert package("pack.a", {"a.py": "import pack.b", "b.py": "import pack.a"}) == ["a.py", "b.py"]


def test_a_name_that_a_package_hands_on_is_followed_to_where_it_stands(package):
    files = {
        "a.py": "from pack.rooms import used",
        "rooms/__init__.py": "from .one import used\nfrom .two import unused",
        "rooms/one.py": "used = 1",
        "rooms/two.py": "unused = 1",
    }
    assert package("pack.a", files) == ["a.py", "rooms/one.py"]
    files["rooms/__init__.py"] = "from . import used"  # a name of its own, from itself
    assert package("pack.a", files) == ["a.py", "rooms/__init__.py"]
    files["rooms/__init__.py"] = "used = 1"
    assert package("pack.a", files) == ["a.py", "rooms/__init__.py"]


def test_installed_packages_and_other_rooms_of_this_project_are_not_followed(package):
    files = {"a.py": "import sys, json, nowhere, numpy, bench.errors, bench.seeds\nimport pack.b"}
    found = package("pack.a", files | {"b.py": ""}, within=("bench.seeds",))
    assert found == ["bench/seeds.py", "a.py", "b.py"]


def test_a_helper_of_the_users_beside_the_package_is_followed(package, tmp_path):
    (tmp_path / "helper.py").write_text("x = 1")
    assert package("pack.a", {"a.py": "import helper"}) == ["helper.py", "a.py"]


def test_a_module_imported_by_its_name_as_text_is_followed(package):
    text = (
        "from importlib import import_module\nimport_module('pack.b'), import_module('.c', 'pack')"
    )
    assert package("pack.a", {"a.py": text, "b.py": "", "c.py": ""}) == ["a.py", "b.py", "c.py"]


def test_a_package_that_chooses_is_itself_behind_what_it_hands_on(package):
    """Which of two it takes is decided there, and it may wrap what it hands on."""
    files = {
        "a.py": "from pack.rooms import used",
        "rooms/__init__.py": "try:\n    from .fast import used\nexcept ImportError:\n"
        "    from .slow import used",
        "rooms/fast.py": "used = 1",
        "rooms/slow.py": "used = 2",
    }
    found = package("pack.a", files)
    assert found == ["a.py", "rooms/__init__.py", "rooms/fast.py", "rooms/slow.py"]


def test_what_code_asks_of_a_registry_is_followed(package):
    files = {"a.py": "METHODS.get('b').cls, other.get('c')", "b.py": "", "c.py": ""}
    package("pack.a", files)

    def registered(registry, name):
        return [f"pack.{name}"] if registry == "METHODS" else []

    found = sources_of(["pack.a"], within=("pack",), registered=registered)
    assert list(found) == ["pack/a.py", "pack/b.py"]
