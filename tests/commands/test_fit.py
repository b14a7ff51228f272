"""fit on the command line: what it trains, what it says, what it refuses."""

import shutil

import pytest

from bench.commands.fit import validation_in_words
from bench.inference.model import load_model
from bench.sweep.store import Store
from tests.commands.conftest import ROWS
from tests.commands.test_predict import card

COLUMNS = ("--smiles-col", "smiles", "--label-col", "class")
FOREST = ("--method", "ecfp_forest[trees=5]")
NETWORK = ("--method", "vanilla", "--epochs", 2, "--set", "training.batch_size=16")


@pytest.fixture
def fit(bench, csv, tmp_path):
    """Runs fit on the toy file: exit code, output, errors."""

    def run(*more, path=None, to="model", columns=COLUMNS):
        return bench("fit", "--data", path or csv(), *columns, "--to", tmp_path / to, *more)

    return run


def test_model_is_kept_and_described(fit, tmp_path, bench, csv):
    code, out, err = fit(*NETWORK, "--seed", 3)
    assert code == 0, err
    assert "changes nothing" not in err
    made = load_model(tmp_path / "model").card
    # A tenth of each class is held back; every other row trains.
    assert (made.train_counts, made.valid_counts) == ((27, 18, 10), (3, 2, 1))
    assert (made.seed, made.training["epochs"], made.training["batch_size"]) == (3, 2, 16)
    assert made.inputs[0].name == "smiles"
    assert "Validation balanced accuracy" in out
    assert "The smallest class has only 1 sample there" in out
    command = next(line for line in out.splitlines() if line.startswith("Predict: "))
    words = command.removeprefix("Predict: python run_bench.py ").split()
    assert words == ["predict", str(tmp_path / "model"), "new.csv", "--to", "predictions.csv"]
    assert bench(*words[:2], csv(name="new.csv"), "--to", tmp_path / "p.csv")[0] == 0


def test_share_for_validation_and_options_are_taken(fit, tmp_path):
    code, _, err = fit(*FOREST, "--valid-share", 0.5, "--epochs", 3)
    assert code == 0
    assert "ecfp_forest does not train by epochs: --epochs changes nothing." in err
    made = load_model(tmp_path / "model").card
    assert (made.train_counts, made.valid_counts) == ((15, 10, 5), (15, 10, 6))
    assert made.method.options["trees"] == 5


def test_rows_left_out_are_counted(fit, csv, tmp_path):
    path = csv([*ROWS, ("C1(", "ring"), ("CCO", "")])
    code, _, err = fit(*FOREST, path=path)
    assert code == 0
    assert "2 of 63 rows are left out: 1 without a label, 1 bad" in err


def test_encoder_of_molecules_is_chosen(fit, tmp_path):
    assert fit(*NETWORK, "--backbone", "gcn[hidden=8]")[0] == 0
    assert load_model(tmp_path / "model").card.backbones["molecule"].options["hidden"] == 8
    of_row = ("--method", "vanilla_tuned[backbone=gcn[hidden=8]]", *NETWORK[2:])
    assert fit(*of_row, to="row")[0] == 0
    assert load_model(tmp_path / "row").card.backbones["molecule"].options["hidden"] == 8
    code, _, err = fit(*NETWORK, "--backbone", "conjoint_triad", to="other")
    assert code == 2
    assert "Expected a backbone for a molecule" in err
    of_both = ("--method", "vanilla[backbone=gin]", "--backbone", "gcn")
    code, _, err = fit(*of_both, to="both")
    assert code == 2
    assert "Expected one encoder, but got 'vanilla[backbone=gin]' and --backbone gcn" in err


def test_folder_with_other_files_is_never_replaced(fit, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    for more in ((), ("--force",)):
        code, _, err = fit(*FOREST, *more)
        assert code == 2
        assert "thesis.txt" in err
    assert (folder / "thesis.txt").read_text() == "years of work"
    # Beside a card, too.
    (folder / "card.json").write_text("{}")
    assert fit(*FOREST, "--force")[0] == 2
    assert (folder / "thesis.txt").exists()


def test_model_is_replaced_when_forced(fit, tmp_path):
    (tmp_path / "model").mkdir()  # an empty folder is as good as none
    assert fit(*FOREST)[0] == 0
    before = (tmp_path / "model" / "card.json").read_bytes()
    code, _, err = fit(*FOREST, "--seed", 1)
    assert code == 2
    assert "--force replaces it" in err
    assert (tmp_path / "model" / "card.json").read_bytes() == before
    assert fit(*FOREST, "--seed", 1, "--force")[0] == 0
    assert load_model(tmp_path / "model").card.seed == 1
    assert {path.name for path in tmp_path.iterdir()} == {"model", "toy.csv"}


def test_model_comes_back_where_its_successor_cannot_be_written(fit, tmp_path, monkeypatch):
    from bench.errors import ModelError
    from bench.inference.trained import TrainedModel

    assert fit(*FOREST)[0] == 0
    before = (tmp_path / "model" / "card.json").read_bytes()

    def refuse(self, folder):
        raise ModelError("the disk is full")

    monkeypatch.setattr(TrainedModel, "save", refuse)
    code, _, err = fit(*FOREST, "--force")
    assert code == 2
    assert "the disk is full" in err
    assert (tmp_path / "model" / "card.json").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"model", "toy.csv"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((), "--method NAME or --like JOB_ID"),
        (("--method", "ecfp_forst"), "did you mean 'ecfp_forest'"),
        (("--method", "paper"), "Expected one name in --method"),
        (("--method", "cb[bta=1]"), "did you mean beta"),
        ((*FOREST, "--datasets", "hiv"), "exclude each other"),
        ((*FOREST, "--set", "training.epoch=3"), "did you mean epochs"),
        ((*FOREST, "--valid-share", "1"), "valid-share"),
        ((*FOREST, "--like", "abc"), "cannot go with --like"),
        ((*FOREST, "--split-col", "class"), "Expected no --split-col, as a model is fitted to all"),
        (("--like", "abc", "--date-col", "day"), "Expected no --date-col, as a model is fitted"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(fit, tmp_path, more, words):
    code, _, err = fit(*more)
    assert code == 2
    assert words in err
    assert not (tmp_path / "model").exists()


def test_help_names_no_column_of_a_split(bench):
    _, out, _ = bench("fit", "--help")
    assert "--label-col" in out
    assert "--split-col" not in out
    assert "--date-col" not in out


def test_data_is_needed_and_read_as_in_a_benchmark(bench, fit, csv, tmp_path):
    to = ("--to", tmp_path / "model")
    code, _, err = bench("fit", *FOREST, *to)
    assert (code, "Expected data to train on" in err) == (2, True)
    code, _, err = bench("fit", *FOREST, *to, "--data", csv())
    assert code == 2
    assert "Perhaps: --smiles-col smiles --label-col class" in err
    code, _, err = fit(*FOREST, columns=("--smiles-col", "smile", "--label-col", "class"))
    assert code == 2
    assert "Did you mean 'smiles'?" in err
    for text, words in (("", "an empty file"), ("smiles,class\n", "only a header")):
        path = tmp_path / "bad.csv"
        path.write_text(text)
        code, _, err = fit(*FOREST, path=path)
        assert code == 2
        assert words in err
    path = csv([(f"C{'(' * n}", c) for n, (_, c) in enumerate(ROWS, start=1)], name="bad.csv")
    code, _, err = fit(*FOREST, path=path)
    assert code == 2
    assert "to be bad" in err
    assert not (tmp_path / "model").exists()


def test_like_a_run_of_a_benchmark(bench, toy_arguments, csv, tmp_path):
    assert bench(*toy_arguments("--methods", "cb[beta=0.9]", "--seeds", 4))[0] == 0
    record = next(Store(tmp_path / "results").records())
    like = ("--like", record["job_id"][:8], "--out", tmp_path / "results")
    to = ("--to", tmp_path / "model")
    # The plan says where the file is, not the run; its columns are in both.
    code, out, err = bench("fit", *like, *to)
    assert code == 0, err
    for plan in (tmp_path / "results").glob("**/plan*.json"):
        plan.unlink()
    shutil.rmtree(tmp_path / "results" / "plans")
    code, _, err = bench("fit", *like, *to, "--force")
    assert (code, "Expected --data FILE" in err) == (2, True)
    code, again, err = bench("fit", *like, *to, "--force", "--data", csv())
    assert code == 0, err
    assert "2 epochs at most. The epoch is chosen again" in again
    assert "2 epochs at most. The epoch is chosen again" in out
    assert "other samples" not in err
    made = load_model(tmp_path / "model").card
    assert made.method.options["beta"] == 0.9
    assert (made.seed, made.training) == (4, record["job"]["training"])
    code, _, err = bench("fit", *like, *to, "--force", "--data", csv(), "--datasets", "hiv")
    assert (code, "exclude each other" in err) == (2, True)
    code, _, err = bench(
        "fit", *like, *to, "--force", "--datasets", "uspto_50k[inputs=[product,joined]]"
    )
    assert (code, "inputs" in err) == (2, True)
    other = csv(ROWS[:-1], name="other.csv")
    code, _, err = bench("fit", *like, *to, "--data", other, "--epochs", 1, "--seed", 0, "--force")
    assert code == 0
    assert "other samples than those of the run" in err
    made = load_model(tmp_path / "model").card
    assert (made.seed, made.training["epochs"]) == (0, 1)
    code, _, err = bench("fit", "--like", "zzz", "--out", tmp_path / "results", *to, "--force")
    assert (code, "Expected the name of a run" in err) == (2, True)
    shutil.rmtree(tmp_path / "results")
    code, _, err = bench("fit", *like, *to, "--force", "--data", other)
    assert (code, "Run the benchmark first" in err) == (2, True)


def test_interrupt_leaves_nothing(fit, tmp_path, monkeypatch):
    from bench.commands import fit as command

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "fit_model", interrupt)
    code, _, err = fit(*FOREST)
    assert code == 130
    assert "No model was written" in err
    assert not (tmp_path / "model").exists()


def test_uncertainty_of_validation_grows_as_its_classes_shrink():
    def reach(counts, score):
        made = card().model_copy(
            update={
                "class_names": ("a", "b"),
                "valid_counts": counts,
                "valid": {"balanced_accuracy": score},
            }
        )
        text = validation_in_words(made)
        return float(text.partition("within about ")[2].partition(" ")[0])

    # Two classes of a thousand: 1.96 sqrt(0.8 0.2 / 1000 / 2) = 1.75 points.
    assert reach((1000, 1000), 0.8) == 2
    assert reach((1000, 10), 0.8) > reach((1000, 100), 0.8) > 2
    # A perfect score on few samples is not certain.
    assert reach((1000, 4), 1.0) > 10


def test_the_figure_of_validation_says_over_which_classes_it_is():
    def words(counts):
        names = ("common", "rare", "rarest")
        update = {"class_names": names, "valid_counts": counts, "valid": {"balanced_accuracy": 1.0}}
        return validation_in_words(card().model_copy(update=update))

    assert "accuracy: 100.0 %, within" in words((99, 40, 30))
    assert "no sample" not in words((99, 40, 30))
    assert "accuracy: 100.0 % over 2 of 3 classes, within" in words((99, 4, 0))
    assert "Of 'rarest' there is no sample in validation" in words((99, 4, 0))
    assert "The smallest of the others has only 4 samples there." in words((99, 4, 0))


def test_a_place_that_cannot_be_written_is_refused_before_anything_trains(
    fit, tmp_path, monkeypatch
):
    from bench.commands import fit as command

    monkeypatch.setattr(command, "fit_model", None)
    (tmp_path / "file").touch()
    code, _, err = fit(*FOREST, "--to", tmp_path / "file" / "model")
    assert (code, f"{tmp_path / 'file'} cannot be" in err) == (2, True)
    monkeypatch.setattr(command.os, "access", lambda path, mode: path != tmp_path)
    code, _, err = fit(*FOREST)
    assert code == 2
    assert f"{tmp_path} cannot be" in err


def test_a_class_whose_rows_cannot_be_read_is_left_out_and_named(fit, csv, tmp_path):
    code, _, err = fit(*FOREST, path=csv([*ROWS, ("C1CC", "ring of three")]))
    assert code == 0
    assert "are left out: ring of three." in err
    assert load_model(tmp_path / "model").card.class_names == ("alcohol", "amine", "ring")


def test_options_that_change_nothing_are_named(fit, tmp_path):
    code, out, err = fit(*FOREST, "--backbone", "gin", "--select-by", "mcc")
    assert code == 0
    assert "ecfp_forest has no network: --backbone changes nothing." in err
    assert "ecfp_forest does not train by epochs: --select-by changes nothing." in err
    assert "Epoch chosen" not in out
    assert load_model(tmp_path / "model").card.backbones == {}


def test_the_folder_of_the_program_is_no_place_for_a_model(fit, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, _, err = fit(*FOREST, to="here")
    assert (code, "Name a folder below it in --to" in err) == (2, True)
    assert fit(*FOREST, to="here/model")[0] == 0


@pytest.mark.parametrize("named", ["SMILES, canonical", '"SMILES, canonical"'])
def test_a_column_of_molecules_may_have_a_comma_in_its_name(bench, fit, tmp_path, named):
    path = tmp_path / "comma.csv"
    path.write_text("\n".join(['"SMILES, canonical",class', *(f"{s},{c}" for s, c in ROWS)]))
    code, _, err = fit(*FOREST, path=path, columns=("--smiles-col", named, "--label-col", "class"))
    assert code == 0, err
    asked = ("--smiles-col", named, "--to", tmp_path / "p.csv")
    assert bench("predict", tmp_path / "model", path, *asked)[0] == 0


def test_like_a_run_whose_split_was_a_column(bench, toy_arguments, fit, csv, tmp_path):
    path = tmp_path / "own.csv"
    parts = ("train", "train", "train", "valid", "test")
    rows = [f"{s},{c},{parts[n % 5]}" for n, (s, c) in enumerate(ROWS)]
    path.write_text("\n".join(["smiles,class,set", *rows]) + "\n")
    more = ("--methods", "ecfp_forest[trees=5]", "--split-col", "set", "--splits", "column")
    code, _, err = bench(*toy_arguments(*more, path=path))
    assert code == 0, err
    [job_id] = Store(tmp_path / "results").job_ids()
    like = ("--like", job_id, "--out", tmp_path / "results")
    code, out, err = fit(*like, path=csv(), columns=())
    assert code == 0, err
    assert "other samples" not in err
    assert f"As run {job_id}: ecfp_forest[trees=5]." in out


def test_spellings_of_one_class_are_warned_of(fit, csv):
    rows = [(smiles, kind.upper() if len(smiles) % 2 else kind) for smiles, kind in ROWS]
    code, _, err = fit(*FOREST, path=csv(rows))
    assert code == 0
    assert err.count("kept as classes of their own") == 1
    assert "'ALCOHOL' (15 samples), 'alcohol' (15 samples)" in " ".join(err.split())
