import shlex
import sys

import pytest
import torch

from bench.backbone import BACKBONES
from bench.checkout import CHECKOUT
from bench.conformance.checks import CHECKS
from bench.conformance.encoder_checks import ENCODER_CHECKS
from bench.dataset import DATASETS
from bench.method import METHODS

BROKEN = """
from bench.method import Method, register_method


@register_method("broken", title="Broken", group="extension", reference="none")
class Broken(Method):
    '''Divides by zero.'''

    def loss(self, logits, labels):
        return super().loss(logits, labels) * (1 / 0)
"""

SOUND = """
from bench.method import Method, register_method


@register_method("sound", title="Sound", group="extension", reference="none")
class Sound(Method):
    '''Cross-entropy.'''
"""


ENCODER = """
from torch import nn

from bench.backbone import CategoryBackbone, register_backbone


@register_backbone("table", title="Table", reference="none")
class Table(CategoryBackbone):
    '''A table.'''

    def __init__(self, num_categories, options):
        super().__init__(num_categories, options)
        self.table = nn.Embedding(num_categories, 4)
        self.out_features = 4

    def forward(self, rows):
        return self.table(rows)
"""


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setenv("LTDD_PLUGINS", "")
    for registry in (METHODS, BACKBONES, DATASETS):
        registry.discover()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
        monkeypatch.setattr(registry, "_unavailable", dict(registry._unavailable))


@pytest.fixture
def file(tmp_path):
    def write(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    yield write
    sys.modules.pop("mine", None)
    if str(tmp_path) in sys.path:
        sys.path.remove(str(tmp_path))


@pytest.fixture
def few_checks(monkeypatch):
    names = ("description", "trains", "frozen_parts")
    monkeypatch.setattr("bench.conformance.run.CHECKS", {name: CHECKS[name] for name in names})


def test_each_check_is_a_line_and_all_is_well(bench):
    code, out, _ = bench("check", "cb")
    assert code == 0
    head, *lines, summary = out.splitlines()
    assert head == "cb"
    assert [line[10:].split(":")[0] for line in lines] == list(CHECKS)
    assert "  skipped frozen_parts: no stage freezes anything" in lines
    assert f"{len(CHECKS) - 1} ok, 0 failed, 1 skipped in" in summary


NEEDS = '''
import torch

from bench.backbone import MoleculeBackbone, register_backbone
from bench.method import Method, register_method
from bench.options import Options


class Shape(Options):
    hidden: int = 4


@register_backbone("sums", title="Sums", reference="This test, 2026.")
class Sums(MoleculeBackbone):
    """Atom features, added up: ``out`` is no option of it."""

    options_type = Shape

    def __init__(self, num_features, options):
        super().__init__(num_features, options)
        self.out_features = num_features
        self.scale = torch.nn.Parameter(torch.ones(num_features))

    def forward(self, graphs):
        zeros = graphs.features.new_zeros(graphs.num_graphs, self.out_features)
        return self.scale * zeros.index_add(0, graphs.graph_index, graphs.features)


@register_method("taught", title="T", group="extension", reference="This test, 2026.")
class Taught(Method):
    """Of a run with another encoder."""

    @classmethod
    def requires(cls, options):
        return {"teacher": "vanilla[backbone=sums]"}


@register_method("paired", title="P", group="extension", reference="This test, 2026.")
class Paired(Method):
    """For pairs of a molecule and a protein."""

    @classmethod
    def refusal(cls, options, kinds):
        return None if "protein" in kinds else "it takes pairs of a molecule and a protein"
'''


@pytest.mark.usefixtures("few_checks")
def test_a_method_is_checked_on_data_and_encoders_that_it_can_use(bench, file):
    code, out, _ = bench("--plugin", file(NEEDS), "check", "taught", "paired")
    assert code == 0
    assert out.count("2 ok, 0 failed, 1 skipped") == 2


@pytest.mark.usefixtures("few_checks")
def test_a_failure_says_what_was_expected_and_where_and_ends_with_1(bench, file):
    code, out, _ = bench("check", "vanilla", file(BROKEN))
    assert code == 1
    [line] = [line for line in out.splitlines() if "failed  " in line]
    assert line.startswith("  failed  trains: expected no error, but got ZeroDivisionError")
    assert "mine.py:10" in line
    assert "2 ok, 0 failed, 1 skipped" in out
    assert "1 ok, 1 failed, 1 skipped" in out


@pytest.mark.usefixtures("few_checks")
def test_options_in_brackets_are_taken(bench):
    code, out, _ = bench("check", "cb[base=focal,gamma=2.0]")
    assert code == 0
    assert out.startswith("cb[base=focal,gamma=2.0]\n")


@pytest.mark.usefixtures("few_checks")
def test_a_file_outside_methods_is_checked_under_its_own_name(bench, file):
    code, out, _ = bench("check", file(SOUND))
    assert code == 0
    assert out.startswith("sound\n")


@pytest.mark.usefixtures("few_checks")
def test_a_file_in_methods_is_known_already(bench):
    code, out, _ = bench("check", METHODS.get("vanilla").origin)
    assert code == 0
    assert out.startswith("vanilla\n")


@pytest.mark.parametrize("text", ["gcn[hidden=8]", "category", "conjoint_triad"])
def test_an_encoder_is_checked_as_a_method_is(bench, text):
    code, out, _ = bench("check", text)
    assert code == 0
    head, *lines, summary = out.splitlines()
    assert head == text
    checks = ENCODER_CHECKS[BACKBONES.get(text.partition("[")[0]).cls.entity]
    assert [line[10:].split(":")[0] for line in lines] == list(checks)
    assert f"{len(checks)} ok, 0 failed, 0 skipped in" in summary


@pytest.mark.usefixtures("few_checks")
def test_methods_and_encoders_of_one_file_are_checked(bench, file):
    code, out, _ = bench("check", file(SOUND + ENCODER))
    assert code == 0
    assert [line for line in out.splitlines() if not line.startswith(" ")] == ["sound", "table"]


def test_an_encoder_of_a_plugin_is_found_by_its_name(bench, file):
    code, out, err = bench("--plugin", file(ENCODER), "check", "table")
    assert code == 0, err
    assert out.startswith("table\n")


def test_a_name_that_a_broken_plugin_would_have_registered_ends_with_its_reason(bench, file):
    path = file("import no_such_package\n" + ENCODER)
    code, out, err = bench("--plugin", path, "check", "table")
    assert code == 2
    words = " ".join(err.split())
    assert "mine.py to be importable, but got ModuleNotFoundError" in words
    assert out == ""


def test_a_broken_encoder_says_what_was_expected_and_where(bench, file):
    code, out, _ = bench("check", file(ENCODER.replace("self.table(rows)", "self.tabel(rows)")))
    assert code == 1
    [line] = [line for line in out.splitlines() if line.startswith("  failed")]
    assert "trains: expected no error, but got AttributeError" in line
    assert "mine.py:17" in line


def test_a_name_of_both_is_refused_and_can_be_checked_by_its_file(bench, file):
    path = file(ENCODER.replace('"table"', '"vanilla"'))
    code, out, _ = bench("check", path)
    assert code == 0
    assert out.startswith("vanilla\n")
    assert "rows_in_training" in out
    code, out, err = bench("check", "vanilla")
    assert code == 2
    words = " ".join(err.split())
    assert "'vanilla' names both: " in words
    assert "mine.py" in words
    assert out == ""


def test_what_cannot_be_imported_ends_with_2_and_the_reason(bench, monkeypatch):
    monkeypatch.setitem(BACKBONES._unavailable, "gnn", "ModuleNotFoundError: No module named 'x'")
    code, out, err = bench("check", "gnn")
    assert code == 2
    assert "The backbone 'gnn' cannot be used here: ModuleNotFoundError" in " ".join(err.split())
    assert out == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vanila", "did you mean 'vanilla'"),
        ("protein_cn", "name of a method or encoder, but got 'protein_cn': did you mean"),
        ("gcn[width=3]", "width"),
        ("cb[beta=2]", "less than 1"),
        ("cb[", "name[key=value,...]"),
        ("nowhere/mine.py", "is not there"),
    ],
)
def test_a_name_that_is_not_known_ends_with_2_before_any_check(bench, name, words):
    code, out, err = bench("check", "vanilla", name)
    assert code == 2
    assert words in err
    assert out == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_package\n", "ModuleNotFoundError"),
        ("def (\n", "SyntaxError"),
        ("x = 1\n", "@register_method"),
        ("x = 1\n", "@register_backbone"),
        (ENCODER.replace('"table"', '"gcn"'), "Two backbones are called 'gcn'"),
        (SOUND.replace('"sound"', '"vanilla"'), "Two methods are called 'vanilla'"),
        (SOUND.replace('"sound"', '"Not a name"'), "lower-case"),
    ],
)
def test_a_file_that_cannot_be_used_ends_with_2(bench, file, text, words):
    code, out, err = bench("check", file(text))
    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert out == ""


DATASET = """
import numpy as np

from bench.dataset import Dataset, Entity, RawSamples, Source, register_dataset


@register_dataset("chains", title="Chains", reference="none")
class Chains(Dataset):
    sources = (Source("chains.txt"),)

    def read(self, path):
        smiles = path.read_text().split()
        labels = np.array([text.endswith("O") for text in smiles], np.int64)
        return RawSamples((Entity("molecule", "molecule", smiles),), labels, ("amine", "alcohol"))
"""


def test_a_file_of_data_sets_alone_is_sent_to_the_command_that_checks_them(bench, file, tmp_path):
    code, _, err = bench("check", file(DATASET))
    assert code == 2
    assert "registers data sets alone" in " ".join(err.split())
    words = shlex.split(err.partition("with: python run_bench.py ")[2])
    assert words == ["--plugin", str(tmp_path / "mine.py"), "data", "chains"]
    smiles = [f"{'C' * n}{end}" for n in range(1, 9) for end in "NO"]
    (tmp_path / "chains.txt").write_text("\n".join(smiles))
    code, out, err = bench(*words, "--data-dir", tmp_path)
    assert (code, "alcohol" in out) == (0, True), err
    code, _, err = bench("check", CHECKOUT / "datasets" / "hiv.py")
    assert code == 2
    assert err.endswith("with: python run_bench.py data hiv\n")


def test_no_name_ends_with_2(bench):
    assert bench("check")[0] == 2


@pytest.mark.usefixtures("few_checks")
@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_the_device_may_be_named(bench, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, out, _ = bench("check", "vanilla", "--device", device)
    assert code == 0
    assert "2 ok, 0 failed, 1 skipped" in out


def test_a_device_that_is_not_there_ends_with_2_before_any_check(bench, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, out, err = bench("check", "vanilla", "--device", "cuda")
    assert code == 2
    assert "Expected a CUDA device, but torch finds none. Use --device cpu" in " ".join(err.split())
    assert "Traceback" not in err
    assert out == ""


def test_a_device_that_nobody_knows_ends_with_2_and_the_names_of_those_there_are(bench):
    code, out, err = bench("check", "vanilla", "--device", "cuda:1")
    assert code == 2
    assert "'cuda:1' is not one of 'auto', 'cpu', 'cuda'" in err
    assert "Traceback" not in err
    assert out == ""
