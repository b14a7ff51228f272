"""predict on the command line: what is read, what is written, what is refused."""

import csv as csv_module
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from scipy.special import softmax

from bench import cli
from bench.commands import predict as command
from bench.commands import progress
from bench.data.molecules import parse
from bench.inference.card import Card, Input, Part
from bench.inference.folder import _sealed
from bench.inference.model import Prediction, load_model
from bench.sweep.store import Store
from tests.commands.conftest import ROWS

COLUMNS = ("--smiles-col", "smiles", "--label-col", "class")
ROOT = Path(__file__).parents[2]


def card(inputs=(("smiles", "molecule"),), classes=("long", "short"), **more):
    return Card(
        bench="0.1.0",
        made="2026-01-01T00:00:00+00:00",
        data="toy",
        inputs=tuple(Input(name=name, kind=kind) for name, kind in inputs),
        class_names=classes,
        train_counts=(30, 10, 5)[: len(classes)],
        valid_counts=(3, 1, 1)[: len(classes)],
        method=Part(name="vanilla", label="vanilla"),
        backbones={},
        training={},
        seed=0,
        epoch=1,
        valid={"balanced_accuracy": 0.5},
        implied_log_prior=(0.0,) * len(classes),
        versions={},
        **more,
    )


@dataclass
class Fake:
    """A model whose first logit is the length of the text."""

    card: Card
    asked: list = field(default_factory=list)

    def predict(self, entities, *, jobs=1, nearest=False):
        self.asked.append([(entity.name, entity.kind, list(entity.values)) for entity in entities])
        texts = ["".join(values) for values in zip(*(e.values for e in entities), strict=True)]
        bad = [parse(text).mol is None for text in entities[0].values]
        logits = np.zeros((len(texts), len(self.card.class_names)))
        logits[:, 0] = [len(text) - 4.5 for text in texts]
        logits[bad] = np.nan
        near = np.array([0.5 if parse(text).mol else np.nan for text in entities[-1].values])
        problems = tuple("bad\nmolecule" if b else None for b in bad)
        return Prediction(logits, problems, near if nearest else None)

    def probabilities(self, logits, prior="as-is"):
        shares = np.ones(logits.shape[1]) if isinstance(prior, str) else prior
        with np.errstate(divide="ignore"):
            return softmax(logits + np.log(shares), axis=1)


@pytest.fixture
def fake(monkeypatch):
    """Puts a model in the place of the one that is loaded."""

    def make(**of_card):
        model = Fake(card(**of_card))
        monkeypatch.setattr(command, "load_model", lambda folder, data_dir=None: model)
        return model

    return make


@pytest.fixture
def table(tmp_path):
    """Writes text to a file and gives its path."""

    def write(text, name="new.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def predicted(bench, tmp_path):
    """Runs predict: exit code, rows of the file written, standard error."""

    def run(path, *more, to="predictions.csv", delimiter=","):
        target = tmp_path / to
        code, _, err = bench("predict", "model", path, "--to", target, *more)
        rows = None
        if target.exists():
            data = target.read_bytes()
            text = (gzip.decompress(data) if to.endswith(".gz") else data).decode("utf-8-sig")
            rows = list(csv_module.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        return code, rows, err

    return run


NEW = ["predicted", "p_long", "p_short", "nearest_training_similarity", "problem"]


def test_rows_and_columns_stay_and_new_ones_come_behind(fake, table, predicted):
    fake()
    text = 'n,smiles,note\n007,CCO,"a\nb"\n 1.0 ,C1(,Ä\n,CCCCCC,"""q"""\n'
    code, rows, err = predicted(table(text))
    assert code == 0
    assert rows[0] == ["n", "smiles", "note", *NEW]
    assert [row[:3] for row in rows[1:]] == [
        ["007", "CCO", "a\nb"],
        [" 1.0 ", "C1(", "Ä"],
        ["", "CCCCCC", '"q"'],
    ]
    assert rows[1][3:] == ["short", "0.182426", "0.817574", "0.5000", ""]
    assert rows[2][3:] == ["", "", "", "", "bad molecule"]
    assert rows[3][3] == "long"
    assert "1 of 3 rows cannot be read" in err
    assert "bad molecule (1 row, the first is 1)" in err
    assert "2 of 3 rows predicted" in err
    assert "equally frequent" in err


@pytest.mark.parametrize("to", ["-", "p.csv", "p.csv.gz"])
@pytest.mark.parametrize("source", ["-", "file", "gz"])
def test_standard_streams_and_packed_files(fake, table, bench, monkeypatch, tmp_path, to, source):
    fake()
    data = "\ufeffsmiles;x\r\nCCO;1\r\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    path = {"-": "-", "file": table(data), "gz": table(gzip.compress(data), "new.csv.gz")}[source]
    target = to if to == "-" else tmp_path / to
    code, out, _ = bench("predict", "model", path, "--to", target)
    assert code == 0
    if to != "-":
        assert out == ""
        found = target.read_bytes()
        out = (gzip.decompress(found) if to.endswith(".gz") else found).decode()
    assert out == (
        "\ufeffsmiles;x;predicted;p_long;p_short;nearest_training_similarity;problem\r\n"
        "CCO;1;short;0.182426;0.817574;0.5000;\r\n"
    )


def test_table_longer_than_a_block_is_whole(fake, table, predicted, monkeypatch):
    model = fake()
    monkeypatch.setattr(command, "_BLOCK", 4)
    texts = ["C" * n for n in range(1, 11)]
    texts[6] = "C("
    code, rows, err = predicted(table("smiles\n" + "\n".join(texts)))
    assert code == 0
    assert [row[0] for row in rows[1:]] == texts
    assert [len(asked[0][2]) for asked in model.asked] == [4, 4, 2]
    assert [row[-1] for row in rows[1:]] == [""] * 6 + ["bad molecule"] + [""] * 3
    # Counted over all blocks.
    assert "the first is 6" in err


def test_progress_goes_to_standard_error(fake, table, bench, monkeypatch):
    fake()
    monkeypatch.setattr(command, "_BLOCK", 1)
    monkeypatch.setattr(progress, "_PLAIN_LINE_SECONDS", 0)
    code, out, err = bench("predict", "model", table("smiles\nC\nCC\n"), "--to", "-")
    assert code == 0
    assert [line.split(",")[0] for line in out.splitlines()] == ["smiles", "C", "CC"]
    assert "Predicting: 2 of 2" in err


def test_new_column_whose_name_is_taken_gets_a_number(fake, table, predicted):
    fake()
    path = table("smiles,predicted,predicted_2,problem\nC,a,b,c\n")
    code, rows, err = predicted(path)
    assert code == 0
    assert rows[0][4:] == ["predicted_3", *NEW[1:4], "problem_2"]
    assert rows[1][:4] == ["C", "a", "b", "c"]
    assert "'predicted' already: the new one is called 'predicted_3'" in err


@pytest.mark.parametrize(
    ("header", "options", "column"),
    [
        ("id,smiles", (), "smiles"),
        ("id,Canonical_SMILES", (), "Canonical_SMILES"),
        ("id,Struktur", (), "Struktur"),
        ("smiles,other", ("--smiles-col", "other"), "other"),
    ],
)
def test_column_of_molecules_is_found_or_named(fake, table, predicted, header, options, column):
    model = fake()
    code, _, err = predicted(table(f"{header}\nA1,CCO\nA2,CCN\n"), *options)
    assert code == 0
    assert model.asked[0][0][0] == column
    assert (f"read from the column '{column}'" in err) == (column not in ("smiles", "other"))


def test_single_column_is_that_of_molecules(fake, table, predicted):
    model = fake()
    assert predicted(table("x\nCCO\n"))[0] == 0
    assert model.asked[0][0][0] == "x"


def test_a_record_of_sdf_that_cannot_be_read_says_why(fake, table, predicted):
    whole = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")) + "$$$$\n"
    damaged = whole.replace("  3  2  0", "  x  y  0", 1)
    assert damaged != whole
    fake()
    code, rows, err = predicted(table(whole + damaged + whole, "new.sdf"))
    assert code == 0, err
    assert [row[-1] for row in rows[1::2]] == ["", ""]
    assert "RDKit cannot read the record" in rows[2][-1]


def test_inputs_are_asked_for_in_the_order_of_the_card(fake, table, predicted):
    model = fake(inputs=[("drug", "molecule"), ("target", "protein"), ("partner", "molecule")])
    code, _, _ = predicted(table("partner,target,drug\nC,MK,CC\n"))
    assert code == 0
    assert [name for name, _, _ in model.asked[0]] == ["drug", "target", "partner"]
    path = table("a,b,seq\nC,CC,MK\n", "other.csv")
    code, _, _ = predicted(path, "--smiles-col", "b,a", "--protein-col", "seq")
    assert code == 0
    assert model.asked[1] == [
        ("b", "molecule", ["CC"]),
        ("seq", "protein", ["MK"]),
        ("a", "molecule", ["C"]),
    ]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", (), ["an empty file"]),
        ("smiles,x\n", (), ["only a header"]),
        ("a,b\n1,2\n", (), ["'smiles'", "columns 'a', 'b'", "--smiles-col"]),
        ("smile,b\nC,2\n", ("--smiles-col", "smiles"), ["'smile', 'b'", "Did you mean 'smile'?"]),
        ("smiles,smiles\nC,C\n", (), ["got 2"]),
        ("smiles,x\nC,1\n", ("--smiles-col", "smiles,x"), ["1 column", "'smiles', 'x'"]),
        ("smiles,x\nC,1\n", ("--protein-col", "x"), ["no protein among its inputs"]),
        ("CCO,1\nCCN,2\nCCC,3\n", (), ["Expected a header", "'CCO'"]),
        ("smiles,x\nC\n", (), ["line 2 has 1"]),
        ("smiles\nC\n", ("--delimiter", "x"), ["comma, semicolon"]),
        ("smiles\nC\n", ("--sheet", "new"), ["an Excel file", "'new'", "Leave out --sheet"]),
        ("smiles\nC\n", ("--prior", "none.csv"), ["train, equal, as-is", "none.csv"]),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(fake, table, predicted, text, options, words):
    fake()
    code, rows, err = predicted(table(text), *options)
    assert code == 2
    assert rows is None
    assert err.startswith("Error: ")
    for word in words:
        assert word in err


def test_all_rows_bad_is_an_error_that_leaves_the_reasons(fake, table, predicted):
    fake()
    code, rows, err = predicted(table("smiles\nC(\nx\n"))
    assert code == 2
    assert [row[-1] for row in rows[1:]] == ["bad molecule"] * 2
    assert "none of 2" in err


def test_input_is_never_written_over(fake, table, bench, tmp_path):
    fake()
    path = table("smiles\nC\n")
    code, _, err = bench("predict", "model", path, "--to", tmp_path / "." / path.name)
    assert code == 2
    assert "another file" in err
    assert path.read_text() == "smiles\nC\n"


def test_file_stays_as_it_was_where_a_later_row_is_broken(
    fake, table, bench, tmp_path, monkeypatch
):
    fake()
    monkeypatch.setattr(command, "_BLOCK", 1)
    target = tmp_path / "predictions.csv"
    target.write_text("old")
    # Without a first reading, as of the standard input.
    monkeypatch.setattr(command, "count_rows", lambda *_, **__: None)
    code, _, err = bench("predict", "model", table("smiles,x\nC,1\nC,1,2\n"), "--to", target)
    assert code == 2
    assert "line 3 has 3" in err
    assert target.read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"predictions.csv", "new.csv"}


def test_a_damaged_standard_input_is_not_called_a_target_that_cannot_be_written(
    fake, bench, tmp_path, monkeypatch
):
    fake()
    packed = bytearray(gzip.compress(b"smiles\n" + b"CCO\n" * 5000))
    packed[-6] ^= 1  # of the checksum
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))
    code, _, err = bench("predict", "model", "-", "--to", tmp_path / "out.csv")
    assert code == 2
    assert "CRC" in err
    assert "--to" not in err
    assert not (tmp_path / "out.csv").exists()


def test_interrupt_leaves_no_file(fake, table, bench, tmp_path, monkeypatch):
    model = fake()

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "predict", interrupt)
    path = table("smiles\nC\n")
    code, _, err = bench("predict", "model", path, "--to", tmp_path / "p.csv")
    assert code == 130
    assert "No file was written" in err
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ("class,share\nlong,1\nshort,3\n", None),
        ("class,share\nlong,1\n", "lacks 'short'"),
        ("class,share\nlong,1\nshort,1\nshort,1\n", "twice"),
        ("class,share\nlong,1\nshrt,1\n", "Did you mean 'short'?"),
        ("class,share\nlong,1\nshort,x\n", "'x'"),
        ("class\nlong\nshort\n", "'share'"),
        ("", "an empty file"),
    ],
)
def test_prior_comes_from_a_file(fake, table, predicted, shares, words):
    fake()
    code, rows, err = predicted(table("smiles\nCCCC\n"), "--prior", table(shares, "prior.csv"))
    if words is not None:
        assert code == 2
        assert words in err
        return
    assert code == 0
    # softmax((-0.5, 0) + log((1, 3)))
    assert float(rows[1][2]) == pytest.approx(1 / (1 + 3 * np.exp(0.5)), rel=1e-5)
    assert "as frequent as in" in err


# With real models from here on.


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of a forest and of a network fitted to the same molecules."""
    folder = tmp_path_factory.mktemp("models")
    path = folder / "toy.csv"
    path.write_text("smiles,class\n" + "".join(f"{s},{c}\n" for s, c in ROWS))
    for name, options in (
        ("forest", ["ecfp_forest[trees=10]"]),
        ("network", ["balanced_softmax", "--epochs", "2"]),
    ):
        words = ("fit", "--data", path, *COLUMNS, "--to", folder / name, "--method", *options)
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("LTDD_CACHE_DIR", str(folder / "cache"))
            patched.setattr(sys, "argv", ["run_bench.py", *map(str, words)])
            assert cli.main() == 0
    return folder


@pytest.mark.parametrize("name", ["forest", "network"])
def test_models_that_were_fitted_predict(bench, table, tmp_path, models, name):
    path = table("id,smiles\n1,CCO\n2,CCCc1ccccc1\n3,C1(\n4,\n")
    code, _, err = bench("predict", models / name, path, "--to", tmp_path / "p.csv")
    assert code == 0, err
    rows = list(csv_module.DictReader((tmp_path / "p.csv").open(newline="")))
    assert [row["id"] for row in rows] == ["1", "2", "3", "4"]
    for row in rows[:2]:
        shares = [float(row[f"p_{c}"]) for c in ("alcohol", "amine", "ring")]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        best = ("alcohol", "amine", "ring")[int(np.argmax(shares))]
        assert (row["predicted"], row["problem"]) == (best, "")
        assert 0 < float(row["nearest_training_similarity"]) <= 1
    for row in rows[2:]:
        assert row["problem"]
        assert {row["predicted"], row["p_ring"], row["nearest_training_similarity"]} == {""}


def test_broken_pipe_is_quiet(table, models, tmp_path):
    path = table("smiles\n" + "CCO\n" * 20_000)
    command_line = (
        f"'{sys.executable}' run_bench.py predict '{models / 'forest'}' '{path}' --to - | head -1"
    )
    done = subprocess.run(
        command_line, shell=True, cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "LTDD_CACHE_DIR": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.stdout.startswith("smiles,predicted")
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def _damage(folder):
    (folder / "model.skops").write_bytes(b"no model")


def _of_another_version(folder):
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(_sealed({**card, "bench": "99.0.0"})))


def _of_somebody_else(folder):
    (folder / "card.json").write_text('{"license": "mit"}')


def _without_card(folder):
    (folder / "card.json").unlink()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_damage, "model.skops does not match its checksum"),
        (_of_another_version, "one of version 99.0.0"),
        (_of_somebody_else, "no model of this benchmark"),
        (_without_card, "there is no card.json"),
        (shutil.rmtree, "there is no card.json"),
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(bench, table, models, tmp_path, harm, words):
    folder = tmp_path / "model"
    shutil.copytree(models / "forest", folder)
    harm(folder)
    code, _, err = bench("predict", folder, table("smiles\nC\n"), "--to", tmp_path / "p.csv")
    assert code == 2
    assert err.startswith("Error: Expected")
    assert words in err
    assert not (tmp_path / "p.csv").exists()


def test_other_number_of_molecules_is_refused(bench, table, models, tmp_path):
    path = table("a,b\nC,CC\n")
    code, _, err = bench(
        "predict", models / "forest", path, "--smiles-col", "a,b", "--to", tmp_path / "p.csv"
    )
    assert code == 2
    assert "1 column" in err


def test_folder_of_a_run_is_a_model(bench, toy_arguments, table, tmp_path):
    assert bench(*toy_arguments("--methods", "vanilla"))[0] == 0
    store = Store(tmp_path / "results")
    job_id = next(r["job_id"] for r in store.records() if r["job"]["method"]["name"] == "vanilla")
    code, _, err = bench(
        "predict", tmp_path / "results" / "runs" / job_id, table("smiles\nCCO\n"),
        "--to", tmp_path / "p.csv",
    )  # fmt: skip
    assert code == 0, err
    assert load_model(tmp_path / "results" / "runs" / job_id).card.job_id == job_id
