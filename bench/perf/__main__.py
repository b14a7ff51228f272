"""``python -m bench.perf``: arguments only."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from bench.commands.exit_code import exit_code_of
from bench.commands.streams import prepare_streams


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--datasets", metavar="LIST", help="names; hiv,uspto_50k, with --quick hiv")
@click.option(
    "--batch-sizes",
    metavar="LIST",
    help="samples a step; 128,512, with --gpu 128,512,2048, with --quick 128",
)
@click.option("--threads", metavar="LIST", help="threads of a process; 1,2, with --quick 1")
@click.option("--quick", is_flag=True, help="a minute's worth: fewer rounds, smaller samples")
@click.option(
    "--whole-jobs/--no-whole-jobs",
    default=None,
    help="run the quick benchmark from its command to its table, which takes minutes, and "
    "estimate the paper's; default: yes, with --quick no",
)
@click.option(
    "--gpu",
    is_flag=True,
    help="instead of all this: training on a GPU beside one thread of the processor",
)
@click.option(
    "--encoders",
    is_flag=True,
    help="instead of all this: every encoder beside PyTorch Geometric's or chemprop's",
)
@click.option("--markdown", is_flag=True, help="print the tables as Markdown")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="folder with data files, looked in first",
)
def perf(
    datasets: str | None,
    batch_sizes: str | None,
    threads: str | None,
    quick: bool,
    whole_jobs: bool | None,
    gpu: bool,
    encoders: bool,
    markdown: bool,
    data_dir: Path | None,
) -> int:
    """Time featurising, loading, training and evaluation beside dgllife + DGL and PyG.

    Then two jobs at once, the parts of a step, encoders beside other packages', contrastive methods
    beside plain training, and whole jobs. Progress goes to standard error, the tables to standard
    output. The other packages are installed by ``pip install -r requirements-perf.txt``; without
    them, ours is timed alone.
    """
    from bench.perf.benchmark import DevicePlan, Plan, measure, measure_device, measure_encoders
    from bench.perf.effort import FULL, QUICK
    from bench.perf.table import render

    effort = QUICK if quick else FULL
    names = _names(_given(datasets, "hiv" if quick else "hiv,uspto_50k"))
    if encoders:
        given = {"--threads": threads, "--whole-jobs": whole_jobs, "--gpu": gpu}
        _require_without("--encoders", given, "encoders")
    if gpu:
        _require_gpu(threads, whole_jobs)
        sizes = _numbers("--batch-sizes", _given(batch_sizes, "128" if quick else "128,512,2048"))
        results = measure_device(DevicePlan(names, sizes, effort, data_dir))
    else:
        plan = Plan(
            datasets=names,
            batch_sizes=_numbers(
                "--batch-sizes", _given(batch_sizes, "128" if quick else "128,512")
            ),
            threads=_numbers("--threads", _given(threads, "1" if quick else "1,2")),
            effort=effort,
            data_dir=data_dir,
            whole_jobs=not quick if whole_jobs is None else whole_jobs,
        )
        results = measure_encoders(plan) if encoders else measure(plan)
    click.echo(render(results, markdown=markdown))
    return 0


def _require_gpu(threads: str | None, whole_jobs: bool | None) -> None:
    import torch

    given = {"--threads": threads, "--whole-jobs": whole_jobs}
    _require_without("--gpu", given, "a GPU")
    if not torch.cuda.is_available():
        raise click.UsageError(
            "Expected a CUDA device for --gpu, but torch finds none. Leave --gpu out, or run it "
            "where there is one, with a torch build for CUDA."
        )


def _require_without(option: str, given: Mapping[str, object], what: str) -> None:
    for other, value in given.items():
        if value:
            raise click.UsageError(
                f"Expected {option} without {other}, which says nothing about {what}. Leave one "
                "out."
            )


def _given(text: str | None, default: str) -> str:
    return default if text is None else text


def _names(text: str) -> list[str]:
    from bench.spec import split_list

    names = split_list(text)
    if not names:
        raise click.UsageError("Expected at least one item in --datasets, but got none.")
    return names


def _numbers(option: str, text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise click.UsageError(
            f"Expected whole numbers from 1 in {option}, but got {text!r}. Write {option} 1,2."
        )
    return numbers


def main() -> int:
    """Run the command; 0 done, 1 backends differ, 2 usage or data error, 130 interrupted."""
    prepare_streams()
    return exit_code_of(perf, interrupted="Interrupted.", prog_name="python -m bench.perf")


if __name__ == "__main__":
    sys.exit(main())
