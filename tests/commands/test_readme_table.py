import pytest

from bench.commands import readme_table
from bench.commands.readme_table import BEGIN, END, README, methods_table, with_methods_table
from bench.errors import UsageError
from bench.method import METHODS, Method, register_method


def test_the_readme_is_fresh():
    text = README.read_text(encoding="utf-8")
    assert with_methods_table(text) == text, "run: python run_bench.py update-readme"


def test_every_method_is_a_row_and_the_papers_come_first():
    _, _, *rows = methods_table().splitlines()
    names = [row.split("`")[1] for row in rows]
    assert sorted(names) == METHODS.names()
    groups = [row.split(" | ")[2].strip() for row in rows]
    assert groups == sorted(groups, key=["paper", "control", "peer", "extension"].index)


def test_text_cannot_break_the_table(monkeypatch):
    METHODS.discover()
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))

    @register_method("bars", title="A | B", group="control", reference="a\nb")
    class Bars(Method):
        """First
        sentence | of the card.

        More.
        """

    [row] = [line for line in methods_table().splitlines() if "`bars`" in line]
    assert row.count(" | ") == 4
    assert "First sentence \\| of the card." in row
    assert "More" not in row


def test_only_what_stands_between_the_markers_changes():
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_methods_table(text) == f"before\n{BEGIN}\n{methods_table()}\n{END}\nafter\n"
    assert with_methods_table(with_methods_table(text)) == with_methods_table(text)


@pytest.mark.parametrize(
    "text", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"]
)
def test_without_its_markers_a_readme_is_left_alone(text):
    with pytest.raises(UsageError, match="once each"):
        with_methods_table(text)


def test_the_command_writes_once(bench, tmp_path, monkeypatch):
    path = tmp_path / "README.md"
    path.write_text(f"{BEGIN}\n{END}\n")
    monkeypatch.setattr(readme_table, "README", path)
    code, out, _ = bench("update-readme")
    assert code == 0
    assert "Written" in out
    assert methods_table() in path.read_text()
    assert "up to date" in bench("update-readme")[1]
