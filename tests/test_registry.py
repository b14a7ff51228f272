import importlib
import sys
from importlib import metadata

import pytest

from bench.errors import UnavailableError, UnknownNameError, UsageError
from bench.registry import Registry


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An importable package `plugs` whose modules register in ``plugs.HERE``."""
    folder = tmp_path / "plugs"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from bench.registry import Registry\nHERE = Registry('plug', 'plugs', 'plugs.group')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, text):
        (folder / f"{name}.py").write_text(text)

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == "plugs"]:
        del sys.modules[name]


def _plug(name):
    return f"from plugs import HERE\nclass C: pass\nHERE.add({name!r}, C, title='T')\n"


def _registry():
    import plugs

    return plugs.HERE


def test_files_are_found_by_themselves(package):
    package("one", _plug("one"))
    package("two", _plug("two"))
    package("_private", _plug("private"))
    registry = _registry()
    assert registry.names() == ["one", "two"]
    assert registry.get("one").facts == {"title": "T"}
    assert registry.get("one").origin.endswith("one.py")
    assert "one" in registry
    assert "three" not in registry


def test_a_name_that_is_registered_already_is_found_without_the_other_files(package):
    """A run imports every plug-in to train one, which takes longer than it trains."""
    package("one", "from plugs import HERE\nHERE.get('two')\n" + _plug("one"))
    package("two", _plug("two"))
    package("unused", _plug("unused"))
    registry = _registry()
    importlib.import_module("plugs.two")
    assert "two" in registry
    assert registry.get("two").name == "two"
    assert "plugs.one" not in sys.modules
    importlib.import_module("plugs.one")
    assert registry.get("one").module == "plugs.one"
    assert "plugs.unused" not in sys.modules
    assert registry.names() == ["one", "two", "unused"]


@pytest.mark.fault(57)
def test_unknown_name_offers_the_nearest(package):
    """A mistyped name ends in a traceback, or in another method."""
    package("balanced_softmax", _plug("balanced_softmax"))
    package("vanilla", _plug("vanilla"))
    with pytest.raises(UnknownNameError, match="did you mean 'balanced_softmax'") as caught:
        _registry().get("balanced_sofmax")
    assert "vanilla" in str(caught.value)


@pytest.mark.fault(57)
def test_broken_file_is_listed_with_its_reason_and_stops_nothing(package):
    """One broken plug-in stops all, or is gone without trace."""
    package("good", _plug("good"))
    package("bad", "import no_such_package_at_all")
    registry = _registry()
    assert registry.names() == ["good"]
    assert "no_such_package_at_all" in registry.unavailable()["bad"]
    with pytest.raises(UnavailableError, match="no_such_package_at_all"):
        registry.get("bad")


def test_an_optional_package_that_is_absent_is_named_as_pip_knows_it(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_geometric", None)
    package("graphs", "import torch_geometric.nn")
    package("typing_error", "import torch_geometry")
    reasons = _registry().unavailable()
    assert reasons["graphs"].endswith(". Run: pip install torch_geometric")
    assert reasons["typing_error"].endswith("No module named 'torch_geometry'")


@pytest.mark.fault(57)
def test_two_files_with_one_name_are_both_named(package):
    """Of two plug-ins of one name, one replaces the other unseen."""
    package("one", _plug("same"))
    package("two", _plug("same"))
    registry = _registry()
    assert registry.names() == ["same"]
    reason = registry.unavailable()["two"]
    assert "one.py" in reason
    assert "two.py" in reason


@pytest.mark.fault(21)
@pytest.mark.parametrize("name", ["", "a/b", "../x", "CON", "Upper", "a" * 65, "a\nb", "1a", "a-b"])
def test_names_that_are_no_plain_words_are_refused(name):
    """The name of a plug-in leads out of the results folder, or is that of another in a folder."""
    with pytest.raises(UsageError, match="lower-case"):
        Registry("plug", "methods", "none").add(name, type("C", (), {}))


def test_a_class_of_a_notebook_is_refused(package):
    place = {"__name__": "a_cell"}
    exec("class Cell: pass", place)
    with pytest.raises(UsageError, match=r"Write it to a \.py file"):
        Registry("plug", "plugs", "plugs.group").add("cell", place["Cell"])


def test_entry_points_of_installed_packages_are_imported(package, monkeypatch, tmp_path):
    (tmp_path / "outside_plug.py").write_text(_plug("outside"))
    point = metadata.EntryPoint("outside", "outside_plug", "plugs.group")
    monkeypatch.setattr(
        "bench.registry.metadata.entry_points",
        lambda group: [point] if group == "plugs.group" else [],
    )
    assert _registry().names() == ["outside"]
    del sys.modules["outside_plug"]
