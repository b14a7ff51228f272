import sys

import pytest

import bench.models
from bench.backbone import BACKBONES
from bench.conformance.encoder_checks import ENCODER_CHECKS
from bench.method import METHODS


@pytest.fixture(autouse=True)
def _own_registries(monkeypatch):
    for registry in (METHODS, BACKBONES):
        registry.discover()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    yield
    for module in ("bench.models.my_encoder", "own_encoder"):
        sys.modules.pop(module, None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder whose files are found as those of bench/models/ are."""
    path = tmp_path / "models"
    path.mkdir()
    monkeypatch.setattr(bench.models, "__path__", [str(path), *bench.models.__path__])
    return path


@pytest.fixture
def discover(monkeypatch):
    """Look for files again, as the next command would."""

    def again():
        monkeypatch.setattr(BACKBONES, "_discovered", False)

    return again


def test_the_file_is_short_and_passes_every_check_as_it_is(bench, folder, discover):
    code, out, _ = bench("new-backbone", "my_encoder", "--title", 'My "encoder" \\ $name')
    assert code == 0
    path = folder / "my_encoder.py"
    assert f"Written: {path}" in out
    assert "check my_encoder\n" in out
    assert "--methods vanilla --backbones gcn,my_encoder" in out
    lines = path.read_text().splitlines()
    assert len(lines) < 40
    assert max(map(len, lines)) <= 100
    assert "class MyEncoder(MoleculeBackbone):" in lines
    discover()
    code, out, _ = bench("check", "my_encoder")
    assert code == 0, out
    assert f"{len(ENCODER_CHECKS['molecule'])} ok, 0 failed, 0 skipped" in out
    assert "bond_features: read" in out
    _, out, _ = bench("--list", "backbones")
    assert '  my_encoder               My "encoder" \\ $name' in out


def test_a_benchmark_runs_with_it_from_another_folder(
    bench, folder, tmp_path, toy_arguments, monkeypatch
):
    monkeypatch.setenv("LTDD_PLUGINS", "")
    code, out, _ = bench("new-backbone", "own_encoder", "--dir", tmp_path)
    path = tmp_path / "own_encoder.py"
    assert code == 0
    assert f"check {path}\n" in out
    assert f"--plugin {path} --methods vanilla --backbones gcn,own_encoder" in out
    assert not list(folder.iterdir())
    code, out, _ = bench("check", path)
    assert code == 0, out
    more = ("--methods", "vanilla", "--set", "backbones.molecule=own_encoder[hidden=8]")
    code, out, err = bench("--plugin", path, *toy_arguments(*more))
    assert code == 0, out + err
    assert (tmp_path / "results" / "table2.csv").exists()


def test_the_title_comes_from_the_name(bench, folder):
    bench("new-backbone", "my_encoder")
    assert 'title="My encoder",' in (folder / "my_encoder.py").read_text()


def test_a_file_that_is_there_is_never_overwritten(bench, folder):
    (folder / "my_encoder.py").write_text("precious")
    code, _, err = bench("new-backbone", "my_encoder")
    assert code == 2
    assert "left as it is" in err
    assert (folder / "my_encoder.py").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("My-Encoder",), "lower-case"),
        (("../encoder",), "lower-case"),
        (("lambda",), "word of Python's"),
        (("gcn",), "taken by a backbone"),
        (("vanilla",), "taken by a method"),
        (("my_encoder", "--title", "t" * 41), "title"),
        (("my_encoder", "--dir", "no/such/folder"), "no/such/folder"),
        ((), "NAME"),
    ],
)
def test_what_will_not_do_is_refused(bench, folder, arguments, words):
    code, _, err = bench("new-backbone", *arguments)
    assert code == 2
    assert words in err
    assert not list(folder.iterdir())


def test_a_method_cannot_take_the_name_of_an_encoder(bench, tmp_path):
    code, _, err = bench("new-method", "gcn", "--dir", tmp_path)
    assert code == 2
    assert "taken by a backbone" in err
