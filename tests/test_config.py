import pytest

from bench.config import describe, preset_names, resolve
from bench.errors import UsageError
from bench.strict_yaml import load_yaml
from bench.sweep.plan import expand


def test_presets_that_come_with_the_benchmark_are_valid():
    assert preset_names() == [
        "ablation", "encoders", "imdrug", "longer", "many_classes", "paper", "peers", "quick",
        "related", "search", "splits", "table3", "table4",
    ]  # fmt: skip
    for name in preset_names():
        expand(resolve(name, {}).settings)


def test_command_line_is_stronger_than_preset_and_preset_than_default():
    resolved = resolve("quick", {"training.epochs": 3})
    assert resolved.settings.training.epochs == 3
    origins = {key: origin for key, _, origin in describe(resolved)}
    assert origins["training.epochs"] == "command line"
    assert origins["datasets"] == "preset quick"
    assert origins["training.batch_size"] == "default"


def test_every_setting_is_described_once():
    keys = [key for key, _, _ in describe(resolve("imdrug", {}))]
    assert len(keys) == len(set(keys))
    assert {"methods", "training.epochs", "method_options", "backbones.molecule"} <= set(keys)


def test_imdrug_preset_has_its_schedule_and_method_settings():
    settings = resolve("imdrug", {}).settings
    assert (settings.training.epochs, settings.training.schedule) == (200, "imdrug")
    assert settings.method_options["cb"] == {"base": "focal", "beta": 0.999, "gamma": 0.5}


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        resolve("quick", {}).settings.jobs = 3


@pytest.mark.fault(56)
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"training.wieght_decay": 0.1}, "did you mean weight_decay"),
        ({"trainig.epochs": 1}, "did you mean training"),
        ({"training.learning_rate": -1}, r"learning_rate: .*greater than 0.*command line"),
        ({"training.learning_rate": float("nan")}, "learning_rate"),
        ({"training.epochs": "ten"}, "epochs.*integer"),
        ({"training.epochs": 1.5}, "epochs.*integer"),
        ({"methods": []}, "methods"),
        ({"methods.x": 1}, "methods"),
        ({"seeds": [0, 0]}, "once"),
        ({"device": "tpu"}, "cpu"),
    ],
)
def test_wrong_settings_are_refused_in_a_line_that_names_them(overrides, words):
    """A mistyped setting is ignored, and the default runs under its name."""
    with pytest.raises(UsageError, match=words):
        resolve("quick", overrides)


def test_unknown_preset_offers_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'paper'"):
        resolve("papr", {})


@pytest.mark.fault(56)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"seeds: [0]\nseeds: [1]\n", "line 2: key 'seeds' stands twice"),
        (b"a: &x [1]\nb: *x\n", "line 2: YAML aliases"),
        (b"training:\n\tepochs: 3\n", "not valid YAML"),
        (b"\xff\xfe", "UTF-8"),
        (b"- 1\n- 2\n", "settings by name"),
        (b"1: 2\n", "expected a name"),
        (b"a: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        (b"x" * 1_000_001, "under 1 MB"),
        (b"[" * 5000, "nested too deeply|not valid YAML"),
    ],
)
def test_bad_yaml_gives_one_line(tmp_path, content, words):
    """A settings file that is not what it seems is half read, or runs code."""
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words) as caught:
        load_yaml(path)
    assert "\n" not in str(caught.value)


def test_settings_file_by_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("seeds: [7]\ntraining: {epochs: 2}\n")
    assert resolve(str(path), {}).settings.seeds == (7,)
    with pytest.raises(UsageError, match="No such file"):
        resolve(str(tmp_path / "absent.yaml"), {})


def test_empty_settings_file_means_defaults(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("")
    assert resolve(str(path), {}).settings.seeds == (0,)


def test_a_group_given_at_once_changes_only_what_it_names():
    resolved = resolve("imdrug", {"training": {"epochs": 3}})
    origins = {key: origin for key, _, origin in describe(resolved)}
    assert (resolved.settings.training.epochs, origins["training.epochs"]) == (3, "command line")
    assert resolved.settings.training.schedule == "imdrug"
    assert origins["training.schedule"] == "preset imdrug"


@pytest.mark.fault(56)
def test_one_setting_written_in_two_ways_is_refused(tmp_path):
    """Of two values of one setting, one wins unseen."""
    path = tmp_path / "twice.yaml"
    path.write_text("training: {epochs: 3}\ntraining.epochs: 5\n")
    with pytest.raises(UsageError, match=r"'training.epochs' stands twice"):
        resolve(str(path), {})


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", ".001", "0.001"])
def test_numbers_may_be_written_with_an_exponent(text, tmp_path):
    path = tmp_path / "rate.yaml"
    path.write_text(f"training: {{learning_rate: {text}}}\n")
    assert resolve(str(path), {}).settings.training.learning_rate == 1e-3


@pytest.mark.parametrize("text", ["2024-13-45", "2024-01-01", "0x_"])
def test_values_that_only_look_like_dates_or_numbers_are_refused_as_text(text, tmp_path):
    path = tmp_path / "odd.yaml"
    path.write_text(f"jobs: {text}\n")
    with pytest.raises(UsageError, match=r"jobs|not valid YAML"):
        resolve(str(path), {})


def test_a_single_name_where_a_list_belongs_is_shown_as_a_list(tmp_path):
    path = tmp_path / "single.yaml"
    path.write_text("datasets: hiv\n")
    with pytest.raises(UsageError, match=r"\[hiv\]"):
        resolve(str(path), {})


def test_a_negative_seed_is_refused_before_anything_starts():
    with pytest.raises(UsageError, match="seeds"):
        resolve("quick", {"seeds": [0, -1]})
