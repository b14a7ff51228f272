"""What a reader must know to read a table rightly, as (subject, sentence) pairs of plain text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from bench.metrics import rarest_class
from bench.options import FOLD
from bench.plain_text import some_of
from bench.report.document.numbers import FAILED, HOLE, STAND_IN, counted
from bench.report.model.cells import EARLIER_CODE, Result, Table, first_results
from bench.report.model.costs import methods_built_on
from bench.report.model.measures import KNOWN, Measure, unit
from bench.report.model.published import PAPER, STAND_INS, of_paper, published
from bench.report.model.tail import RARE
from bench.statistics import pairs_needed, verdict
from bench.training.settings import SELECT_BY, rule_of

_SPLITS = {
    "random": "70/10/20, stratified by class: all three sets are long-tailed.",
    "standard": (
        "70/10/20, then validation and test are cut down to the same number of samples of every "
        "class: long-tailed training set, class-balanced validation and test sets."
    ),
    "scaffold": (
        "70/10/20 by Bemis-Murcko scaffold: no scaffold is in two sets. Each molecule without a "
        "ring is a scaffold group of its own."
    ),
    "butina": (
        "70/10/20 by cluster of similar molecules (Butina on Morgan fingerprints): no cluster is "
        "in two sets."
    ),
    "cold_drug": (
        "70/10/20 by molecule: no molecule is in two sets, and samples whose molecules are in "
        "several are left out."
    ),
    "column": (
        "the sets that a column of the file names. Every seed has the same test set: ± is that "
        "of training alone, and bold takes the chance of these test samples in full."
    ),
    "time": (
        "70/10/20 by date, the newest samples tested. Every seed has the same test set: ± is that "
        "of training alone, and bold takes the chance of these test samples in full."
    ),
    "cv5": (
        "five folds, stratified by class, each tested once a seed; an eighth of the others "
        "validates. Means, ± and bold are over the runs of all folds and seeds, with the "
        "correction of Nadeau and Bengio for the samples that these share (the corrected resampled "
        "test: Bouckaert and Frank 2004)."
    ),
}

_OF_THE_RARE = {measure.name for measure in KNOWN.values() if "the rare class" in measure.says}

# Files of mixed or earlier code that are named.
_NAMED = 4


def caption(table: Table) -> list[tuple[str, str]]:
    """Everything that stands under the title, in printing order."""
    beside_paper = of_paper(column.name for column in table.columns)
    return [
        ("Figures", _figures(table)),
        ("Runs", _runs(table)),
        ("Training", _training(table)),
        *mixed_machines(table),
        *mixed_code(table),
        *_built_on(table),
        *_method_options(table),
        *_chosen_settings(table),
        *_earlier_code(table),
        *_backbones(table),
        *((measure.heading, _definition(table, measure)) for measure in table.shown),
        *rare_classes(table),
        ("Bold", _bold(table)),
        (
            "Marks",
            f"(2/3) means that 2 of 3 planned runs are in the mean; {HOLE} that there is no "
            f"figure; n/a that the measure is undefined there; {FAILED} that runs failed, with "
            "reasons below." + " Figures in italics were printed in the paper." * beside_paper,
        ),
        *(_paper(table) if beside_paper else ()),
        *((f"{split} split", _split(table, split)) for split in table.splits),
        *_foreign_datasets(table),
    ]


def _paper(table: Table) -> Iterable[tuple[str, str]]:
    yield (
        "paper",
        f"the figure printed in Table 2 of {PAPER}, which gives neither the number of runs nor a "
        "deviation. Only the paper's data sets (uspto_50k as one graph a sample) and methods "
        "without changed options, but for those that preset paper chose on validation data, have "
        f"one, and it is never bold.{_encoder_of_paper(table)}",
    )


def _definition(table: Table, measure: Measure) -> str:
    if measure.name == "balanced_accuracy":
        return _balanced_accuracy(table)
    if measure.name == "balanced_f1":
        return (
            "balanced F1, the macro F1 that the same recalls would have if all classes were "
            "equally frequent in the test set: mean over k of 2 R_kk / (1 + C_k), where R is the "
            "confusion matrix with every row divided by its sum and C its column sums."
        )
    return (
        f"{measure.says}."
        + " Not in percent." * (not measure.percent)
        + " Lower is better." * (not measure.higher_is_better)
        + " In brackets: 95 % interval by the test samples of one run, mean over runs."
        * (measure.name in RARE)
    )


def rare_classes(table: Table) -> list[tuple[str, str]]:
    """Which class the figures of the rare class are of: not always the one that is looked for."""
    if not any(measure.name in _OF_THE_RARE for measure in table.shown):
        return []
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for run in table.runs:
        if run.result is not None and run.result.class_names:
            rare = rarest_class(np.array(run.result.train_counts))
            found[run.dataset][run.result.class_names[rare]] = None
    if not found:
        return []
    named = "; ".join(f"{' or '.join(names)} of {dataset}" for dataset, names in found.items())
    return [
        ("Rare class", f"{named}. It is the one with the fewest training samples, active or not.")
    ]


def _balanced_accuracy(table: Table) -> str:
    if all(all(run.result.tested) for run in table.runs if run.result is not None):
        return "balanced accuracy, the mean of the recalls of all classes."
    return (
        "balanced accuracy, the mean of the recalls of the classes in the test set. A figure "
        "marked like (3 of 5 classes) leaves out the classes without a test sample, as do all "
        "means over classes."
    )


def _built_on(table: Table) -> list[tuple[str, str]]:
    lines = [f"{method} on {', '.join(names)}" for method, names in methods_built_on(table).items()]
    if not lines:
        return []
    return [
        (
            "Depending on runs of others",
            f"{'; '.join(lines)}. Their epochs come on top of those named above.",
        )
    ]


def _figures(table: Table) -> str:
    counts = sorted({len(cell.runs) for cell in table.cells.values()})
    n = " or ".join(str(count) for count in counts) or "0"
    seeds = ", ".join(str(seed) for seed in sorted({run.seed for run in table.runs})) or "none"
    runs = "run" if n == "1" else "runs"
    return (
        f"mean ± sample standard deviation (ddof 1) over n = {n} {runs}, in {unit(table.shown)}, "
        f"on the test set; a single run has no deviation. Seeds {seeds}; a seed decides the "
        "split, the initial weights and the order of training."
    )


def _bold(table: Table) -> str:
    if table.leaders is None:
        return (
            "the highest mean of its column, among methods with all their runs; means that print "
            "alike are all bold. Bold says nothing about significance."
        )
    if not table.leaders:
        return (
            "nothing. A difference can be tested where two methods have all their runs on two "
            "seeds or more: give more seeds, such as --seeds 0,1,2. From "
            f"{pairs_needed()} on a difference can be significant without assuming a distribution. "
            "The option --bold best marks the highest mean."
        )
    alpha = next(iter(table.leaders.values())).alpha
    seeds = sorted({leaders.different_seeds for leaders in table.leaders.values()})
    guard = "; ".join(verdict(n, alpha) for n in seeds)
    return (
        f"not significantly different from the best in its column (family-wise alpha {alpha:g}), "
        "among methods with all their runs. Each column is tested by itself, on means over n = "
        f"{' or '.join(map(str, seeds))} paired seeds: closed test by the studentised range and "
        "the lead of the best. The variance is that of the test samples, from the stored "
        "predictions, plus that of training, from the residuals of methods by seeds. Figures "
        "without a closed form (AUROC) use the residuals alone, with the correction of Nadeau and "
        "Bengio for splits that share samples. The test assumes that training noise is equal for "
        "all methods and independent, except between methods that depend on the same trained "
        f"network, which count as one in estimating it{_clusters(table)}. Bold speaks of new "
        "seeds, splits and samples of the same data set. By the seeds alone, without assuming a "
        f"distribution, a difference {guard}. The option --bold best marks the highest mean."
    )


def _clusters(table: Table) -> str:
    """The methods that share a network, of all columns, in brackets; nothing where none do."""
    shared: dict[tuple[str, ...], None] = {}
    for leaders in (table.leaders or {}).values():
        for cluster in leaders.clusters:
            shared[cluster] = None
    largest = [one for one in shared if not any(set(one) < set(other) for other in shared)]
    listed = "; ".join(", ".join(cluster) for cluster in largest)
    return f" ({listed})" if listed else ""


def _runs(table: Table) -> str:
    status = [run.status for run in table.runs]
    return (
        f"{len(status)} planned, {status.count('complete')} complete, {status.count('failed')} "
        f"failed, {status.count('missing')} missing."
    )


def _training(table: Table) -> str:
    epochs = _by_method(table, "epochs", lambda result: result.epochs)
    batch_size = _by_method(table, "batch_size", lambda result: result.batch_size)
    text = f"epochs {epochs}, all stages together; batch size {batch_size}"
    if "learning_rate" in table.settings:
        text += (
            f"; Adam with learning rate {table.settings['learning_rate']}, weight decay "
            f"{table.settings['weight_decay']}, schedule {table.settings['schedule']}"
        )
    if "preset" in table.settings:
        text += f"; preset {table.settings['preset']}"
    if "selection" in table.settings:
        text += f". Model of the epoch with the {table.settings['selection']}"
        if table.settings["selection"] != rule_of(SELECT_BY):
            text += (
                "; what methods choose on validation themselves, such as powers of the class "
                "shares or rounds of boosting, they choose as ever, mostly by balanced accuracy"
            )
    return text + ". The test set is read once, after that choice."


def mixed_machines(table: Table) -> list[tuple[str, str]]:
    """The devices and versions of torch of the runs, where they had not all the same."""
    methods: dict[tuple[str, str], set[str]] = defaultdict(set)
    counts: Counter[tuple[str, str]] = Counter()
    for run in table.runs:
        if run.result is not None:
            machine = run.result.device, run.result.torch or "of unknown version"
            methods[machine].add(run.method)
            counts[machine] += 1
    if len(counts) < 2:
        return []
    everything = {run.method for run in table.runs if run.result is not None}
    lines = []
    for device, torch in sorted(counts):
        own = methods[device, torch]
        names = "all methods" if own == everything else _listed(own)
        runs = counted(counts[device, torch], "run")
        lines.append(f"{runs} on {device} with torch {torch} ({names})")
    return [
        (
            "Mixed machines",
            f"{'; '.join(lines)}. Devices and versions of torch round differently, so that a "
            "difference between methods of different machines is not due to the methods alone. "
            "Times of different devices are not comparable.",
        )
    ]


def mixed_code(table: Table) -> list[tuple[str, str]]:
    """Files of which the runs had different code, as after an edit while a benchmark ran.

    Runs that are marked as made by earlier code are left to that mark.
    """
    hashes: dict[str, set[str]] = defaultdict(set)
    methods: dict[str, set[str]] = defaultdict(set)
    for run in table.runs:
        if run.result is None or run.changed is not None:
            continue
        for file, sha256 in run.result.sources.items():
            hashes[file].add(sha256)
            methods[file].add(run.method)
    mixed = sorted(file for file in hashes if len(hashes[file]) > 1)
    if not mixed:
        return []
    files = some_of(mixed, _NAMED)
    of = _listed(set[str]().union(*(methods[file] for file in mixed)))
    return [
        (
            "Mixed code",
            f"the code of {files} (of {of}) is not the same in all runs. The benchmark command "
            "runs again what other code than the present made.",
        )
    ]


def _method_options(table: Table) -> list[tuple[str, str]]:
    """Settings of methods that the preset changed without a mark in the method's label."""
    changed = table.settings.get("method_options", {})
    if not changed:
        return []
    texts = [
        f"{method} " + ", ".join(f"{key} {value}" for key, value in sorted(options.items()))
        for method, options in sorted(changed.items())
    ]
    rest = "All others stand at their defaults."
    if "trials" in table.settings:
        rest = "All others stand at their defaults or behind the names of their methods."
    return [("Method settings", f"{'; '.join(texts)}. {rest}")]


def _chosen_settings(table: Table) -> list[tuple[str, str]]:
    """How the options of methods were searched before the table, and what was chosen."""
    trials = table.settings.get("trials")
    if trials is None:
        return []
    number, tried, chosen = trials["number"], trials["tried"], trials["chosen"]
    rule = table.settings.get("selection", rule_of(SELECT_BY))
    if rule == rule_of(SELECT_BY):
        rule = "highest balanced accuracy on validation"
    how = {"random": "drawn at random", "tpe": "the first ten at random, then proposed by TPE"}
    text = (
        f"settings chosen by {counted(number, 'trial')} of each method on validation, seed "
        f"{trials['seed']}, which no run of the table has, {trials['split']} split: options "
        f"{how[trials['sampler']]}, the first trial as without a search; the {rule}, "
        "as a mean over data sets. Nothing of the test set was looked at."
    )
    fewer = [f"{row} {count}" for row, count in sorted(tried.items()) if 1 < count < number]
    single = [row for row, count in sorted(tried.items()) if count == 1 < number]
    named = [
        f"{label} (unchanged)" if label == row else label
        for row, label in sorted(chosen.items())
        if tried.get(row, 1) > 1 and row not in trials.get("unscored", ())
    ]
    text += f" Chosen: {'; '.join(named)}." if named else ""
    text += f" All trials there are: {', '.join(fewer)}." if fewer else ""
    text += f" Nothing to choose: {', '.join(single)}." if single else ""
    if unscored := trials.get("unscored"):
        text += f" As asked for, since no trial has a score: {', '.join(unscored)}."
    return [("Trials", text)]


def _earlier_code(table: Table) -> list[tuple[str, str]]:
    """Runs that were kept though their code has changed, by the files that have."""
    counts = Counter(run.changed for run in table.runs if run.changed is not None)
    lines = [
        f"{some_of(files, _NAMED)} changed after {runs} of the runs"
        if files
        else f"it is not recorded which code made {runs} of the runs"
        for files, runs in counts.items()
    ]
    if not lines:
        return []
    return [
        (
            EARLIER_CODE.capitalize(),
            f"{'; '.join(lines)}. They were kept, as --keep-changed or --baselines ask for; the "
            "present code may give other figures.",
        )
    ]


def _encoder_of_paper(table: Table) -> str:
    """Which methods have a published figure where there are several encoders."""
    several = len({row.encoder for row in table.rows if row.encoder}) > 1
    return " It is of the paper's encoder, gcn, and is not shown beside another." * several


def _backbones(table: Table) -> list[tuple[str, str]]:
    usual = table.settings.get("backbones", {})
    used = {kind: [label] for kind, label in usual.items()}
    if own := dict.fromkeys(row.encoder for row in table.rows if row.encoder):
        used["molecule"] = list(own)
    encoders = ", ".join(f"{', '.join(used[kind])} ({kind})" for kind in sorted(used))
    return [("Encoders", f"{encoders}.")] if encoders else []


def _by_method(table: Table, setting: str, value_of: Callable[[Result], int]) -> str:
    """The value the runs really had; the settings' only when no run is complete."""
    methods: dict[int, set[str]] = defaultdict(set)
    for run in table.runs:
        if run.result is not None:
            methods[value_of(run.result)].add(run.method)
    if not methods:
        return str(table.settings.get(setting, "unknown"))
    if len(methods) == 1:
        return str(next(iter(methods)))
    return " and ".join(f"{value} ({_listed(methods[value])})" for value in sorted(methods))


def _split(table: Table, split: str) -> str:
    name = split.partition("[")[0]
    text = _SPLITS.get(name, "not a split of this benchmark; see the code that adds it.")
    results = [run.result for run in table.runs if run.split == split and run.result is not None]
    options = results[0].split_options if results else {}
    shown = {key: value for key, value in options.items() if key != FOLD or f"{FOLD}=" in split}
    if shown:
        listed = ", ".join(f"{key}={value}" for key, value in sorted(shown.items()))
        text += f" Options: {listed}."
    return text


def _foreign_datasets(table: Table) -> Iterable[tuple[str, str]]:
    """Data sets that are not the paper's, or not in its size."""
    sizes = published().sizes
    first = first_results(table.runs, lambda run: run.dataset)
    for column in table.columns:
        result = first.get(column.label)
        if column.name not in sizes:
            if column.name in STAND_INS:
                yield (
                    column.label + STAND_IN,
                    f"a proxy data set for the paper's {STAND_INS[column.name]}: its figures are "
                    f"not {STAND_INS[column.name]} figures, and none are published.",
                )
            elif of_paper(other.name for other in table.columns):
                yield column.label, "not a data set of the paper, so it has no published figures."
        elif result is not None and result.samples != sizes[column.name].size:
            yield (
                column.label,
                f"{result.samples:,} samples here, {sizes[column.name].size:,} in Table 1 of the "
                "paper.",
            )
        if column.label == "uspto_50k":
            yield (
                column.label,
                "reactants and product are two graphs here. The paper does not say what it used; "
                "its released code feeds one graph a sample, which is the harder task of "
                "uspto_50k[inputs=joined]. The published figures stand there.",
            )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
