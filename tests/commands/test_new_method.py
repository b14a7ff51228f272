import csv as csv_module
import sys

import pytest

import bench.methods
from bench.conformance.checks import CHECKS
from bench.method import METHODS

PLACEHOLDERS = {
    "authors, venue, year, arXiv number or DOI": "this test",
    "The idea in a sentence.": "Smooths labels.",
}
NAMED = dict(zip(PLACEHOLDERS, ("reference", "docstring of the class"), strict=True))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder whose files are found as those of methods/ are, with a registry of its own."""
    METHODS.discover()
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))
    path = tmp_path / "methods"
    path.mkdir()
    monkeypatch.setattr(bench.methods, "__path__", [str(path), *bench.methods.__path__])
    return path


@pytest.fixture
def discover(monkeypatch):
    """Look for files again, as the next command would."""

    def again():
        monkeypatch.setattr(METHODS, "_discovered", False)

    yield again
    sys.modules.pop("bench.methods.my_idea", None)


def test_the_file_is_short_and_named_as_asked(bench, folder):
    code, out, _ = bench("new-method", "my_idea", "--title", 'My "idea" \\ $name')
    assert code == 0
    path = folder / "my_idea.py"
    assert f"Written: {path}" in out
    assert "check my_idea\n" in out
    assert "it passes all checks but description." in out
    lines = path.read_text().splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert "class MyIdea(Method):" in lines


def fill_in(path):
    """Replace what the template holds in the place of texts."""
    text = path.read_text()
    for there, own in PLACEHOLDERS.items():
        assert text.count(there) == 1
        text = text.replace(there, own)
    path.write_text(text)


def test_it_passes_all_checks_but_the_one_of_its_texts(bench, folder, tmp_path):
    bench("new-method", "elsewhere", "--dir", tmp_path)
    code, out, _ = bench("check", tmp_path / "elsewhere.py")
    assert code == 1
    (failed,) = [line for line in out.splitlines() if line.startswith("  failed")]
    assert "expected the method's own reference and docstring of the class, but got" in failed
    assert all(placeholder in failed for placeholder in NAMED)


def test_each_text_that_is_left_as_it_was_is_named(bench, folder, tmp_path, monkeypatch):
    only = {"description": CHECKS["description"]}
    monkeypatch.setattr("bench.conformance.run.CHECKS", only)
    for number, (text, what) in enumerate(NAMED.items()):
        name = f"elsewhere_{number}"
        bench("new-method", name, "--dir", tmp_path)
        path = tmp_path / f"{name}.py"
        fill_in(path)
        assert bench("check", path)[0] == 0
        path = path.rename(tmp_path / f"again_{number}.py")
        source = path.read_text().replace(name, path.stem)
        path.write_text(source.replace(PLACEHOLDERS[text], text))
        code, out, _ = bench("check", path)
        assert code == 1
        assert f"the method's own {what}, but got" in out


def test_it_is_listed_passes_the_checks_and_becomes_a_row(
    bench, folder, discover, toy_arguments, tmp_path
):
    bench("new-method", "my_idea", "--title", 'My "idea" \\ $name')
    fill_in(folder / "my_idea.py")
    discover()
    code, out, _ = bench("check", "my_idea")
    assert code == 0, out
    _, out, _ = bench("--list", "methods")
    assert '  my_idea                  My "idea" \\ $name' in out
    code, _, _ = bench(*toy_arguments("--methods", "vanilla,my_idea"))
    assert code == 0
    with (tmp_path / "results" / "table2.csv").open() as file:
        rows = [row for row in csv_module.DictReader(file) if row["method"] == "my_idea"]
    assert {row["n"] for row in rows} == {"1"}


def test_a_file_in_another_folder_is_checked_by_its_path(bench, folder, tmp_path):
    code, out, _ = bench("new-method", "elsewhere", "--dir", tmp_path)
    assert code == 0
    assert f"check {tmp_path / 'elsewhere.py'}" in out
    assert f"--plugin {tmp_path / 'elsewhere.py'} --methods vanilla,elsewhere" in out
    assert not list(folder.iterdir())


def test_the_title_comes_from_the_name(bench, folder):
    bench("new-method", "my_idea")
    assert '    title="My idea",\n' in (folder / "my_idea.py").read_text()


def test_a_file_that_is_there_is_never_overwritten(bench, folder):
    (folder / "my_idea.py").write_text("precious")
    code, _, err = bench("new-method", "my_idea")
    assert code == 2
    assert "left as it is" in err
    assert (folder / "my_idea.py").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("My-Idea",), "lower-case"),
        (("../idea",), "lower-case"),
        (("_idea",), "lower-case"),
        (("i" * 65,), "lower-case"),
        (("lambda",), "word of Python's"),
        (("paper",), "group"),
        (("all",), "group"),
        (("cb",), "taken"),
        (("my_idea", "--title", " "), "title"),
        (("my_idea", "--title", "two\nlines"), "title"),
        (("my_idea", "--title", "t" * 41), "title"),
        ((), "NAME"),
    ],
)
def test_what_will_not_do_is_refused(bench, folder, arguments, words):
    code, _, err = bench("new-method", *arguments)
    assert code == 2
    assert words in err
    assert not list(folder.iterdir())


def test_the_name_of_a_folder_beside_the_methods_is_taken(bench, folder):
    (folder / "losses").mkdir()
    code, _, err = bench("new-method", "losses")
    assert code == 2
    assert "taken" in err


def test_a_folder_that_is_not_there_is_named(bench, tmp_path):
    code, _, err = bench("new-method", "my_idea", "--dir", tmp_path / "nowhere")
    assert code == 2
    assert "nowhere" in err
