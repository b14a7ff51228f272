import pytest

from bench.commands import methods_page as module
from bench.commands.methods_page import FAMILIES, PAGE, methods_page
from bench.errors import UsageError
from bench.method import METHODS, Method, register_method


@pytest.fixture
def bars(monkeypatch):
    METHODS.discover()
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))

    @register_method("bars", title="A | B", group="control", reference="a\nb")
    class Bars(Method):
        """First
        sentence | of the card.

        More.
        """


def test_the_page_is_fresh():
    assert PAGE.read_text(encoding="utf-8") == methods_page(), (
        "run: python run_bench.py update-methods"
    )


def test_every_method_stands_once_below_its_family():
    found, family = {}, ""
    for line in methods_page().splitlines():
        if line.startswith("## "):
            family = line.removeprefix("## ")
        elif line.startswith("| `"):
            assert found.setdefault(line.split("`")[1], family) == family
            assert line.split("`")[1] in FAMILIES[family]
    assert sorted(found) == METHODS.names()


def test_a_method_without_a_family_and_one_in_two_are_named(bars, monkeypatch):
    with pytest.raises(UsageError, match="but bars is in none or in two"):
        methods_page()
    monkeypatch.setattr(module, "FAMILIES", {**FAMILIES, "A": ("bars",), "B": ("bars",)})
    with pytest.raises(UsageError, match="but bars is in none or in two"):
        methods_page()


def test_text_cannot_break_the_table(bars, monkeypatch):
    monkeypatch.setattr(module, "FAMILIES", {**FAMILIES, "New": ("bars",)})
    [row] = [line for line in methods_page().splitlines() if "`bars`" in line]
    assert row == "| `bars` | A \\| B | First sentence \\| of the card. | a b |"


def test_the_command_writes_once(bench, tmp_path, monkeypatch):
    path = tmp_path / "METHODS.md"
    monkeypatch.setattr(module, "PAGE", path)
    code, out, _ = bench("update-methods")
    assert code == 0
    assert "Written" in out
    assert path.read_text() == methods_page()
    assert "up to date" in bench("update-methods")[1]


def test_a_page_that_cannot_be_read_is_named(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PAGE", tmp_path)
    code, _, err = bench("update-methods")
    assert code == 2
    assert str(tmp_path) in err.replace("\n", "")


def test_the_readme_leads_to_the_page():
    assert "(METHODS.md)" in (PAGE.parent / "README.md").read_text(encoding="utf-8")
