"""Encoders as an axis of the grid."""

import shlex
from pathlib import Path

import pytest

from bench.config import resolve
from bench.errors import UsageError
from bench.method import METHODS, Method
from bench.options import Options
from bench.report.model.command import command
from bench.report.model.registered import encoder_of
from bench.spec import parse_spec
from bench.strict_yaml import parse_value
from bench.sweep.plan import Grid, Job, expand, make_jobs, plan_document

TOY = "gcn[hidden=8,layers=1]"


def grid(methods: list[str], **settings: object) -> Grid:
    return expand(resolve("quick", {"methods": methods, "seeds": [0], **settings}).settings)


def labels(methods: list[str], **settings: object) -> list[str]:
    return [part.label for part in grid(methods, **settings).methods]


def jobs(methods: list[str], **settings: object) -> list[Job]:
    asked = grid(methods, splits=["random"], **settings)
    name = asked.datasets[0].label
    return make_jobs(asked, {name: "0" * 64}, {name: ["molecule"]})


def test_every_method_with_every_encoder_and_those_without_a_network_once() -> None:
    assert labels(["vanilla", "vanilla_tuned", "ecfp_forest"], encoders=["gcn", TOY]) == [
        "vanilla",
        f"vanilla[backbone={TOY}]",
        "vanilla_tuned",
        f"vanilla_tuned[backbone={TOY}]",
        "ecfp_forest",
    ]


def test_a_list_in_brackets_is_a_row_each() -> None:
    assert labels([f"vanilla[backbone=[gcn,{TOY}]]"]) == ["vanilla", f"vanilla[backbone={TOY}]"]


def test_rows_of_the_usual_encoder_keep_their_ids() -> None:
    plain = [job.job_id for job in jobs(["vanilla", "ecfp_forest"])]
    both = [job.job_id for job in jobs(["vanilla", "ecfp_forest"], encoders=["gcn", TOY])]
    assert plain == [both[0], both[2]]


def test_a_forest_is_one_run_whatever_the_encoder() -> None:
    plain, other = jobs(["ecfp_forest"]), jobs(["ecfp_forest"], **{"backbones.molecule": TOY})
    assert plain[0].job_id == other[0].job_id


def test_what_a_method_requires_has_its_encoder() -> None:
    tuned = jobs([f"vanilla_tuned[backbone={TOY}]"])[0]
    (needed,) = tuned.requires.values()
    assert needed.job_id == jobs([f"vanilla[backbone={TOY}]"])[0].job_id


def test_a_label_is_read_again() -> None:
    label = f"cb[backbone={TOY},beta=0.9]"
    assert parse_spec(label).label == label


def test_no_encoder_for_a_method_without_a_network() -> None:
    with pytest.raises(UsageError, match="no network"):
        labels(["ecfp_forest[backbone=gcn]"])


def test_an_encoder_of_something_else_is_refused() -> None:
    with pytest.raises(UsageError, match="encodes a protein"):
        labels(["vanilla[backbone=conjoint_triad]"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"encoders": ["gcm"]}, "[Dd]id you mean.*gcn"),
        ({"encoders": ["gcn", "gcn"]}, "'gcn' is asked for twice"),
        ({"encoders": ["gcn", "gcn[layers=3]"]}, "'gcn.layers=3.' is asked for twice"),
        ({"encoders": ["gcn[layers=0]"]}, "greater than or equal to 1, but got 0"),
        ({"encoders": ["gcn[layer=2]"]}, "did you mean layers"),
        ({"encoders": ["protein_cnn"]}, "encodes a protein"),
    ],
)
def test_wrong_encoders_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        labels(["vanilla"], **wrong)


def test_a_printed_command_repeats_one_row_of_a_preset_with_encoders(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text(f"encoders: [gcn, '{TOY}']\nseeds: [0]\nsplits: [random]\n")
    resolved = resolve(str(preset), {"methods": ["vanilla"], "datasets": ["hiv"]})
    asked = expand(resolved.settings)
    plan = plan_document(resolved, make_jobs(asked, {"hiv": "0" * 64}, {"hiv": ["molecule"]}))
    for entry in plan["jobs"]:
        words = shlex.split(command(plan["settings"], "hiv", "random", entry["method_label"], [0]))
        given = dict(zip(words[2::2], words[3::2], strict=True))
        key, _, value = given["--set"].partition("=")
        again = resolve(
            given["--preset"],
            {"methods": [given["--methods"]], "datasets": ["hiv"], key: parse_value(value)},
        )
        (job,) = make_jobs(expand(again.settings), {"hiv": "0" * 64}, {"hiv": ["molecule"]})
        assert job.job_id == entry["job_id"]


def test_options_of_a_method_that_no_label_names_are_said_whatever_its_encoder() -> None:
    options = {"cb": {"beta": 0.9}}
    resolved = resolve("quick", {"methods": [f"cb[backbone={TOY}]"], "method_options": options})
    asked = expand(resolved.settings)
    name = asked.datasets[0].label
    plan = plan_document(resolved, make_jobs(asked, {name: "0" * 64}, {name: ["molecule"]}))
    assert plan["settings"]["method_options"] == options


def test_an_option_called_backbone_is_refused() -> None:
    class Wrong(Options):
        backbone: str = "gcn"

    class Taken(Method):
        options_type = Wrong

    with pytest.raises(UsageError, match="no option 'backbone'"):
        METHODS.add("taken", Taken, title="T", group="control", reference="none", version=1)


def test_the_encoder_of_a_planned_run() -> None:
    plan = {"settings": {"backbones": {"molecule": "gcn"}}}
    found = [
        encoder_of({"method": label.partition("[")[0], "method_label": label}, plan)
        for label in ("vanilla", "vanilla[backbone=gin]", "ecfp_forest", "calibrated_stack")
    ]
    assert found == ["gcn", "gin", "", "gcn"]
