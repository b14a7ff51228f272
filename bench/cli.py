"""The command line: arguments only.

What they do is in ``bench.commands``, imported when needed, so that ``--help`` answers at once.
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click
from click.core import ParameterSource

from bench import __version__
from bench.checkout import PROGRAM
from bench.commands.exit_code import exit_code_of
from bench.commands.streams import prepare_streams

_NOT_WINDOWS = "ltdd-bench runs on Linux and macOS; on Windows, run it in WSL (wsl --install)."
_FOLDER = click.Path(file_okay=False, path_type=Path)


_setting = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="any other setting, such as training.batch_size=256; may be repeated",
)

_metrics = click.option(
    "--metrics",
    metavar="LIST",
    help="columns of the table: balanced_accuracy,mcc,bedroc; --list metrics names all",
)

_sheet = click.option("--sheet", metavar="NAME", help="sheet of an Excel file; default the first")

_delimiter = click.option(
    "--delimiter", metavar="NAME", help="comma, semicolon, tab or pipe; found when not given"
)

_FILE_OPTIONS = (
    click.option(
        "--data",
        metavar="FILE",
        help="a file of yours as the data set: CSV, SDF, Parquet or Excel, packed or not",
    ),
    click.option("--smiles-col", metavar="LIST", help="SMILES column(s) of --data; not of SDF"),
    click.option(
        "--label-col", metavar="LIST", help="class column of --data; of several, one data set each"
    ),
    click.option(
        "--label-cut",
        metavar="CUT",
        help="classes of a column of measurements: '<=1000', or 100,1000 for three",
    ),
    click.option("--protein-col", metavar="NAME", help="amino-acid sequence column of --data"),
    click.option(
        "--split-col",
        metavar="NAME",
        help="column of --data that says train, valid or test; used unless --splits is given",
    ),
    click.option("--date-col", metavar="NAME", help="column of dates of --data, for --splits time"),
    click.option(
        "--standardise",
        is_flag=True,
        default=None,
        help="clean up the molecules of --data: the largest fragment, neutralised",
    ),
    _sheet,
    _delimiter,
    click.option(
        "--max-bad",
        type=click.FloatRange(0, 1),
        metavar="SHARE",
        help="bad rows that --data may have: 0.05 is 5 %, 0 none; default 0.01, or 5 rows if more",
    ),
)


def _options_of_file(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that describe a file of the user's."""
    for option in reversed(_FILE_OPTIONS):
        command = option(command)
    return command


def main() -> int:
    """Run the command line.

    Returns
    -------
    int
        0 all done, 1 some runs failed, 2 usage or data error, 130 interrupted.
    """
    if sys.platform == "win32":
        sys.stderr.write(f"{_NOT_WINDOWS}\n")
        return 2
    prepare_streams()
    # A command imports a million objects that all stay: looking through them for garbage after
    # every few hundred, as Python does, is a fifth of its start.
    often = gc.get_threshold()
    gc.set_threshold(10_000)
    # What ends a batch job must stop its runs as an interrupt from the keyboard does.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        forced = "--force" in sys.argv[1:]
        goes_on = "the same command goes on" if not forced else "with --force it starts over"
        return exit_code_of(cli, interrupted=f"Interrupted. Finished runs are kept; {goes_on}.")
    finally:
        signal.signal(signal.SIGTERM, before)
        gc.set_threshold(*often)


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--methods",
    metavar="LIST",
    help="all, paper, control, peer, extension, or names: cb,cb[beta=[0.99,0.999]]",
)
@click.option("--datasets", metavar="LIST", help="names: hiv,uspto_50k[inputs=product]")
@click.option("--splits", metavar="LIST", help="names: random,standard,scaffold; --list splits")
@click.option(
    "--backbones", metavar="LIST", help="encoders of molecules, each with every method: gcn,gin"
)
@click.option("--seeds", metavar="LIST", help="whole numbers: 0,1,2")
@click.option("--epochs", type=int, help="epochs of every run, all stages together")
@click.option(
    "--select-by",
    metavar="NAME",
    help="validation figure that chooses the epoch, and with --trials the options: mcc; default "
    "balanced_accuracy. What methods choose on validation themselves stays as it is",
)
@click.option(
    "--preset", default="quick", show_default=True, help="quick, paper, imdrug or FILE.yaml"
)
@click.option(
    "--trials",
    type=int,
    metavar="N",
    help="choose each method's options first: N trials of each, by validation alone",
)
@click.option("--sampler", metavar="NAME", help="with --trials: random, or tpe (needs Optuna)")
@_setting
@click.option(
    "--return-surplus/--discard-surplus",
    default=None,
    help="standard split: give surplus test samples back to training",
)
@click.option(
    "--group-duplicates/--no-group-duplicates",
    default=None,
    help="keep equal molecules or reactions in one set of the split",
)
@_options_of_file
@click.option("--jobs", "-j", type=int, help="runs side by side; 0: one for each core")
@click.option(
    "--executor",
    metavar="NAME",
    help="where runs are executed: local, ray, slurm, submitit-local, in-process",
)
@click.option(
    "--track",
    metavar="LIST",
    multiple=True,
    help="tell of every epoch: csv, tensorboard, mlflow; may be repeated",
)
@click.option("--address", metavar="HOST:PORT", help="with --executor ray: cluster to join")
@click.option(
    "--device", metavar="NAME", help="cpu, cuda, or auto: a GPU instead of fewer than 8 cores"
)
@_metrics
@click.option("--out", type=_FOLDER, default="results", show_default=True, help="results folder")
@click.option("--data-dir", type=_FOLDER, help="folder with data files, looked in first")
@click.option("--max-minutes", type=float, metavar="M", help="stop a run that takes longer")
@click.option(
    "--retries",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="attempts that a failing run gets, over all starts",
)
@click.option("--retry-failed", is_flag=True, help="try runs again that failed too often")
@click.option("--force", is_flag=True, help="run everything again, whatever is done")
@click.option(
    "--keep-changed", is_flag=True, help="reuse runs whose code has changed since; tables mark them"
)
@click.option(
    "--keep-models",
    metavar="NAME",
    help="models of runs to keep: all, none, or best (of the seeds)",
)
@click.option(
    "--plugin",
    "plugins",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Python file of yours with a method, data set, split or encoder; may be repeated, and "
    "stands before a command",
)
@click.option(
    "--baselines",
    metavar="FOLDER",
    help="set finished runs of a results folder beside the methods: reference (those shipped with "
    "the benchmark, of --preset paper) or a folder; they are never trained",
)
@click.option("--dry-run", is_flag=True, help="show the runs and what is done; write nothing")
@click.option("--print-config", is_flag=True, help="show each setting and where it came from")
@click.option(
    "--list",
    "listing",
    metavar="WHAT",
    is_flag=False,
    flag_value="all",
    help="show what is registered: methods, datasets, splits, backbones, metrics, presets, or the "
    "card of one, such as cb",
)
@click.option("--long", is_flag=True, help="with --list: every card")
@click.version_option(__version__, prog_name="ltdd-bench")
@click.pass_context
def cli(context: click.Context, **arguments: Any) -> int:
    """Benchmark long-tail methods on molecular graphs.

    Without a command, runs every method on every data set, split and seed asked for, reuses the
    runs that are done, and writes table2.md, table2.csv and runs.csv to the results folder.

    \b
    Examples:
    python run_bench.py                                        quick real benchmark
    python run_bench.py --methods all --splits random,standard
    python run_bench.py --preset paper --dry-run
    python run_bench.py --data my.csv --smiles-col smiles --label-col class
    """  # noqa: D301 (\b keeps the lines of the examples apart)
    if arguments["plugins"]:
        from bench.plugin_files import add_plugin_files

        add_plugin_files(arguments["plugins"])
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return 0
    if arguments["listing"]:
        from bench.commands.listing import show_registered

        return show_registered(arguments["listing"], long=arguments["long"])
    if arguments["long"]:
        raise click.UsageError("--long goes with --list.")
    from bench.commands.arguments import policy_of, resolve_arguments

    resolved = resolve_arguments(arguments, program=sys.argv[0])
    if arguments["print_config"]:
        from bench.commands.listing import show_settings

        return show_settings(resolved)
    policy = policy_of(arguments)
    shown = _measures(arguments["metrics"])
    from bench.commands.run import run_benchmark

    return run_benchmark(
        resolved,
        policy,
        out=arguments["out"],
        data_dir=arguments["data_dir"],
        dry_run=arguments["dry_run"],
        shown=shown,
        baselines=arguments["baselines"],
    )


def _refuse_options_before(context: click.Context) -> None:
    """Options before a command are those of a benchmark, and the command does not see them."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is ParameterSource.COMMANDLINE and parameter.name != "plugins":
            command, option = str(context.invoked_subcommand), parameter.opts[0]
            own = cli.commands[command].params
            mend = (
                f"Put it behind: {PROGRAM} {command} {option} ..."
                if any(option in other.opts for other in own)
                else f"{command} has no {option}: {PROGRAM} {command} --help lists what it has."
            )
            raise click.UsageError(
                f"Expected only --plugin before a command, but got {option} before {command}, "
                f"which does not see it there. {mend}"
            )


def _measures(names: str | None) -> Any:
    """The columns that ``--metrics`` asks for."""
    from bench.report.model.measures import MAIN, measures_named
    from bench.spec import split_list

    if names is None:
        return MAIN
    if not (listed := split_list(names)):
        raise click.UsageError("Expected at least one item in --metrics, but got none.")
    return measures_named(listed)


cli.help = (cli.help or "").replace("python run_bench.py", PROGRAM)


def _one_folder(
    context: click.Context, parameter: click.Parameter, folders: tuple[Path, ...]
) -> Path:
    """The folder of an option that must not be given twice: the last would hide the others."""
    if len(folders) > 1:
        named = " and ".join(map(str, folders))
        raise click.UsageError(
            f"Expected one results folder with --out, but got {named}. To compare them: "
            f"{PROGRAM} compare {' '.join(map(str, folders))} --baseline NAME"
        )
    return folders[0]


@cli.command()
@click.option(
    "--out",
    type=_FOLDER,
    multiple=True,
    default=("results",),
    show_default="results",
    callback=_one_folder,
    help="results folder",
)
@click.option(
    "--bold",
    type=click.Choice(["group", "best"]),
    default="group",
    show_default=True,
    help="what is not significantly different from the best of a column, or the highest mean",
)
@click.option("--preset", metavar="NAME", help="of the last benchmark with this preset")
@click.option("--to", type=_FOLDER, help="folder to write to; the results folder when not given")
@click.option("--html", is_flag=True, help="also write report.html, a page that opens offline")
@_metrics
def report(
    out: Path,
    bold: Literal["group", "best"],
    preset: str | None,
    to: Path | None,
    html: bool,
    metrics: str | None,
) -> int:
    """Rebuild the tables of the last benchmark from its run records.

    Figures of --metrics that are younger than a run are computed from what is stored of it.
    """
    shown = _measures(metrics)
    from bench.commands.report import rebuild_report

    return rebuild_report(out, bold, preset, to, shown, html=html)


@cli.command()
@click.argument("names", nargs=-1, required=True, metavar="A [B ...]")
@click.option("--baseline", metavar="NAME", help="method that the others are compared with")
@click.option("--out", type=_FOLDER, show_default="results", help="folder of the methods")
@click.option(
    "--metric",
    default="balanced_accuracy",
    show_default=True,
    metavar="NAME",
    help="balanced_accuracy, balanced_f1, or the mean recall of some classes, such as recall_tail",
)
@click.option("--csv", "to", metavar="FILE", help="also write the comparison as CSV")
def compare(
    names: tuple[str, ...], baseline: str | None, out: Path | None, metric: str, to: str | None
) -> int:
    """Compare methods, or results folders, with a baseline: differences with 95 % intervals.

    A and B are methods of the results folder --out, or results folders. Runs are paired by seed,
    where both have the same split of the same data. A method that is in two folders is compared
    with itself, a method of one folder with --baseline.

    \b
    Examples:
    compare my_method cb --baseline balanced_softmax
    compare results/before results/after --baseline vanilla
    """  # noqa: D301 (\b keeps the lines of the examples apart)
    from bench.commands.compare import compare_results

    return compare_results(
        names, baseline, out=out, metric=metric, to=None if to is None else Path(to)
    )


@cli.command()
@click.option("--out", type=_FOLDER, default="results", show_default=True, help="results folder")
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    metavar="N",
    help="also train N stored runs of each method again, of those whose code has changed where "
    "there are any, and compare them bit for bit",
)
@click.option("--draw", type=int, metavar="SEED", help="which runs --repeat draws; default 0")
@click.option(
    "--jobs", "-j", type=click.IntRange(min=0), help="of --repeat, side by side; default 0"
)
@click.option(
    "--data-dir", type=_FOLDER, help="of --repeat: folder with data files, looked in first"
)
def verify(
    out: Path, repeat: int | None, draw: int | None, jobs: int | None, data_dir: Path | None
) -> int:
    """Check every stored run: shape, arithmetic, predictions, seeds, data and splits.

    With --repeat, runs whose code has changed since count as made by the present code where all
    runs of their method that were drawn come out equal.

    Rules prove that the runs are consistent, not where they came from: anybody can make a folder
    whose checksums fit.
    """
    if repeat is None and (draw, jobs, data_dir) != (None, None, None):
        raise click.UsageError("--draw, --jobs and --data-dir go with --repeat N.")
    from bench.commands.verify import verify_results

    code = verify_results(out)
    if repeat is None or code:
        return code
    from bench.commands.repeat import repeat_runs

    return repeat_runs(out, repeat, draw or 0, jobs or 0, data_dir)


@cli.command()
@click.argument("job_id")
@click.option("--out", type=_FOLDER, default="results", show_default=True, help="results folder")
@click.option(
    "--csv",
    "to",
    metavar="[FILE]",
    is_flag=False,
    flag_value="-",
    help="write truth, prediction and probabilities of each sample, and its row in the file, from "
    "0 below the header; - for standard output",
)
@click.option(
    "--classes",
    "classes_to",
    metavar="FILE",
    help="write samples and figures of every class as CSV; - for standard output",
)
@click.option("--set", "part", type=click.Choice(["test", "valid"]), help="of --csv; default test")
@click.option("--missed", is_flag=True, help="of --csv: only samples that were predicted wrongly")
@click.option("--data-dir", type=_FOLDER, help="of --csv: folder with data files, looked in first")
def show(
    job_id: str,
    out: Path,
    to: str | None,
    classes_to: str | None,
    part: Literal["test", "valid"] | None,
    missed: bool,
    data_dir: Path | None,
) -> int:
    """Show one stored run, by its id or how that begins, or what it predicted of each sample."""
    from bench.commands.show import show_run

    return show_run(out, job_id, part, to, data_dir, classes_to, missed=missed)


@cli.command()
@click.option("--out", type=_FOLDER, default="results", show_default=True, help="results folder")
def archive(out: Path) -> int:
    """Write all run records and predicted classes to records.tar.xz, small enough for git.

    Commands that read a results folder unpack what its archive has and it lacks.
    """
    from bench.commands.archive import archive_results

    return archive_results(out)


@cli.command()
@click.option("--out", type=_FOLDER, default="results", show_default=True, help="results folder")
@click.option("--figures/--no-figures", default=True, help="draw pictures and write report.html")
@click.option("--embeddings", is_flag=True, help="draw embeddings too, from weights and data")
@click.option("--data-dir", type=_FOLDER, help="folder with data files, looked in first")
@click.option("--to", type=_FOLDER, help="folder to write to; the results folder when not given")
@_metrics
def paper(
    out: Path,
    figures: bool,
    embeddings: bool,
    data_dir: Path | None,
    to: Path | None,
    metrics: str | None,
) -> int:
    """Write the paper's tables, ours and published, pictures and a page, from run records."""
    shown = _measures(metrics)
    from bench.commands.paper import write_paper

    return write_paper(
        out, figures=figures, embeddings=embeddings, data_dir=data_dir, shown=shown, to=to
    )


@cli.command()
@click.option("--out", type=_FOLDER, default="results", show_default=True, help="results folder")
def settings(out: Path) -> int:
    """Write which settings a search chose on validation, with the evidence and the curves."""
    from bench.commands.settings import write_settings

    return write_settings(out)


@cli.command()
@click.argument("names", nargs=-1)
@_options_of_file
@click.option("--splits", metavar="LIST", help="splits whose test sets are described")
@click.option("--data-dir", type=_FOLDER, help="folder with data files, looked in first")
@click.option(
    "--markdown",
    is_flag=True,
    help="also write table1.md and similarity_NAME.png and .svg to the results folder",
)
@click.option("--out", type=_FOLDER, default="results", show_default=True, help="results folder")
def data(
    names: tuple[str, ...],
    splits: str | None,
    data_dir: Path | None,
    markdown: bool,
    out: Path,
    **file_options: Any,
) -> int:
    """Report on data sets: rows, classes, rows left out, duplicates, conflicts, graphs, salts.

    NAMES are data sets or files: data my.csv --smiles-col smiles --label-col class
    """
    from bench.commands.data import report_data
    from bench.commands.own_file import datasets_of
    from bench.spec import split_list

    datasets = datasets_of(names, file_options)
    asked = split_list(splits or "")
    return report_data(datasets, data_dir=data_dir, markdown=markdown, out=out, splits=asked)


@cli.command()
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    metavar="NAME",
    default="cpu",
    show_default=True,
    help="auto, cpu or cuda",
)
def check(names: tuple[str, ...], device: str) -> int:
    """Check methods or encoders, by name or by the path of a file, against what all must do."""
    from bench.commands.check import check_named

    return check_named(names, device)


@cli.command("new-method")
@click.argument("name")
@click.option("--title", metavar="TEXT", help="row heading; made from NAME when not given")
@click.option("--dir", "folder", type=_FOLDER, help="folder to write to; methods when not given")
def new_method(name: str, title: str | None, folder: Path | None) -> int:
    """Write NAME.py, a short method that trains and passes `check`, to start from."""
    from bench.commands.new_method import write_method

    return write_method(name, title=title, folder=folder)


@cli.command("new-backbone")
@click.argument("name")
@click.option("--title", metavar="TEXT", help="name in tables; made from NAME when not given")
@click.option(
    "--dir", "folder", type=_FOLDER, help="folder to write to; bench/models when not given"
)
def new_backbone(name: str, title: str | None, folder: Path | None) -> int:
    """Write NAME.py, a short encoder of molecules that passes `check`, to start from."""
    from bench.commands.new_backbone import write_backbone

    return write_backbone(name, title=title, folder=folder)


@cli.command()
@click.option("--method", metavar="NAME", help="such as ecfp_forest or cb[beta=0.99]")
@_options_of_file
@click.option("--datasets", metavar="NAME", help="a data set of the benchmark, instead of --data")
@click.option("--to", type=_FOLDER, required=True, help="folder of the model, new or empty")
@click.option("--force", is_flag=True, help="replace the model that is in the folder --to already")
@click.option("--epochs", type=int, help="most epochs; the best on validation is kept")
@click.option(
    "--select-by",
    metavar="NAME",
    help="validation figure that chooses the epoch; default balanced_accuracy",
)
@click.option("--seed", type=click.IntRange(min=0), help="whole number; default 0")
@click.option("--backbone", metavar="NAME", help="encoder of molecules, such as gcn")
@click.option(
    "--valid-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="of each class, held back to choose the epoch and what the method tunes",
)
@click.option(
    "--like",
    metavar="JOB_ID",
    help="method, encoders, budget and seed of a run in the results folder --out",
)
@click.option("--out", type=_FOLDER, default="results", show_default=True, help="of --like")
@click.option("--preset", default="quick", show_default=True, help="quick, paper or FILE.yaml")
@_setting
@click.option("--jobs", "-j", type=click.IntRange(min=0), help="processes that read molecules")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), help="that trains; default cpu"
)
@click.option("--data-dir", type=_FOLDER, help="folder with data files, looked in first")
def fit(
    to: Path,
    force: bool,
    valid_share: float,
    like: str | None,
    out: Path,
    data_dir: Path | None,
    **arguments: Any,
) -> int:
    """Train one final model on all of your data and keep it in a folder, to predict with.

    All rows train but a share that chooses the epoch, and --label-col is one column. With --like,
    the number of epochs is that of the run, and the best of them is chosen on this share, as in the
    benchmark.

    \b
    Example:
    fit --data my.csv --smiles-col smiles --label-col class --method ecfp_forest --to model
    """  # noqa: D301 (\b keeps the lines of the example apart)
    from bench.commands.fit import fit_and_keep

    return fit_and_keep(
        arguments,
        to,
        like=like,
        out=out,
        valid_share=valid_share,
        force=force,
        data_dir=data_dir,
    )


for _option in fit.params:
    # Refused with the reason, as all rows train.
    if isinstance(_option, click.Option) and _option.name in ("split_col", "date_col"):
        _option.hidden = True


@cli.command()
@click.argument("model", type=_FOLDER)
@click.argument("source", metavar="TABLE")
@click.option(
    "--to",
    "target",
    required=True,
    metavar="FILE",
    help="file to write; packed where it ends in .gz; - for the standard output",
)
@click.option(
    "--smiles-col", metavar="LIST", help="SMILES column(s) of TABLE; found when not given"
)
@click.option("--protein-col", metavar="NAME", help="amino-acid sequence column of TABLE")
@_sheet
@_delimiter
@click.option(
    "--prior",
    default="as-is",
    show_default=True,
    metavar="PRIOR",
    help="class frequencies that probabilities hold for: train, equal, as-is (the method's own), "
    "or a CSV file of the columns class and share",
)
@click.option("--jobs", "-j", type=click.IntRange(min=0), default=0, help="processes; 0: all cores")
@click.option("--data-dir", type=_FOLDER, help="of a run's folder: where its data is looked for")
def predict(
    model: Path,
    source: str,
    target: str,
    smiles_col: str | None,
    protein_col: str | None,
    sheet: str | None,
    delimiter: str | None,
    prior: str,
    jobs: int,
    data_dir: Path | None,
) -> int:
    """Predict the classes of the molecules in TABLE, a CSV file, with a model made by fit.

    MODEL is its folder, or that of a run, such as results/runs/ID. TABLE may be packed with gzip,
    or a file of another kind that --data of a benchmark takes; - is the standard input. Rows and
    columns stay as they are. Behind them come predicted, p_CLASS for each class,
    nearest_training_similarity (Tanimoto, Morgan fingerprints of radius 2) and problem: why a row
    cannot be read. Where TABLE has a column of that name, the new one is called NAME_2.

    Exit code 0 also where some rows cannot be read; 2 where none can.

    \b
    Example:
    predict model new.csv --to predictions.csv
    """  # noqa: D301 (\b keeps the lines of the example apart)
    from bench.commands.predict import predict_table

    return predict_table(
        model,
        source,
        target,
        smiles_col=smiles_col,
        protein_col=protein_col,
        sheet=sheet,
        delimiter=delimiter,
        prior=prior,
        jobs=jobs,
        data_dir=data_dir,
    )


@cli.command("update-methods", hidden=True)
def update_methods() -> int:
    """Bring METHODS.md up to date."""
    from bench.commands.methods_page import write_methods_page

    return write_methods_page()


if __name__ == "__main__":
    sys.exit(main())
