"""``python -m bench.perf``: arguments only."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench.commands.exit_code import exit_code_of
from bench.commands.streams import prepare_streams


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--datasets", metavar="LIST", help="names; hiv,uspto_50k, with --quick hiv")
@click.option("--batch-sizes", metavar="LIST", help="samples a step; 128,512, with --quick 128")
@click.option("--threads", metavar="LIST", help="threads of a process; 1,2, with --quick 1")
@click.option("--quick", is_flag=True, help="a minute's worth: fewer rounds, smaller samples")
@click.option("--markdown", is_flag=True, help="print the tables as the README shows them")
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
    markdown: bool,
    data_dir: Path | None,
) -> int:
    """Time featurising, loading, training and evaluation beside dgllife + DGL and PyG.

    Progress goes to standard error, the tables to standard output. The other stacks are
    installed by ``pip install -r requirements-perf.txt``; without them, ours is timed alone.
    """
    from bench.perf.benchmark import Plan, measure
    from bench.perf.effort import FULL, QUICK
    from bench.perf.table import render

    plan = Plan(
        datasets=_names(_given(datasets, "hiv" if quick else "hiv,uspto_50k")),
        batch_sizes=_numbers("--batch-sizes", _given(batch_sizes, "128" if quick else "128,512")),
        threads=_numbers("--threads", _given(threads, "1" if quick else "1,2")),
        effort=QUICK if quick else FULL,
        data_dir=data_dir,
    )
    click.echo(render(measure(plan), markdown=markdown))
    return 0


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
    """Run the command; 0 done, 1 contestants differ, 2 usage or data error, 130 interrupted."""
    prepare_streams()
    return exit_code_of(perf, interrupted="Interrupted.", prog_name="python -m bench.perf")


if __name__ == "__main__":
    sys.exit(main())
