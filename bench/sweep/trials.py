"""Settings that are tried for a method: the same number for each, the defaults first.

Draws come from sha256 of (seed, method, option, number of the trial), so that they depend neither
on other methods nor on how many there are: twenty trials hold the ten of ten. Of a method that
names another one (:class:`bench.options.NamesMethod`), the options of that one are drawn, and as
for its own row, so that both share their runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from bench.config import Settings
from bench.errors import UnavailableError, UsageError
from bench.method import METHODS
from bench.options import NamesMethod
from bench.seeds import derive_seed
from bench.spec import Spec, parse_spec
from bench.sweep.plan import Grid, MethodPart, method_part
from bench.sweep.search_space import Numbers, Searched, search_space

# Places in a row at which nothing new is drawn, after which there is taken to be nothing new.
_VAIN = 200

# Random trials before the first that Optuna proposes, and how many it proposes at a time. Neither
# depends on the number of trials, so that more trials hold the fewer.
_RANDOM_FIRST = 10
_BATCH = 5

_MethodOptions = Mapping[str, Mapping[str, Any]]


def proposals(
    row: MethodPart, settings: Settings, scores: Mapping[str, float | None]
) -> tuple[MethodPart, ...]:
    """The trials of a row of the table, as many of them as can be known yet.

    Parameters
    ----------
    row : MethodPart
        The method as it was asked for. Options in its brackets stay as they are; those of
        ``method_options`` are what it starts from.
    settings : Settings
    scores : mapping of str to float or None
        :func:`key_of` each finished trial to what validation says of it, None where it failed.
        Trials that are drawn at random do not depend on them.

    Returns
    -------
    tuple of MethodPart
        The first is `row` itself. All are different: fewer than were asked for where the options
        have no more.
    """
    trials = settings.trials
    assert trials.number is not None
    random = trials.number if trials.sampler == "random" else min(trials.number, _RANDOM_FIRST)
    space = _free_options(row)
    tried = [row]
    for number in range(1, random if space else 1):
        found = _first_new(
            row, settings.method_options, tried,
            partial(_random, space, row, trials.seed, number),
        )  # fmt: skip
        if found is None:
            return tuple(tried)
        tried.append(found)
    if not space or random == trials.number:
        return tuple(tried)
    while len(tried) < trials.number and all(key_of(part) in scores for part in tried):
        batch = _propose(row, space, settings, tried, scores)
        if not batch:
            break
        tried += batch
    return tuple(tried[: trials.number])


def check_trials(settings: Settings) -> None:
    """Refuse a search that cannot be made, before anything is done for it.

    Raises
    ------
    UsageError
        The seed of the trials is one of the table's.
    UnavailableError
        The sampler is not installed.
    """
    trials = settings.trials
    if trials.number is not None and trials.seed in settings.seeds:
        raise UsageError(
            f"Expected trials on a seed that the table does not use, but {trials.seed} is one of "
            "its seeds. Choose another: --set trials.seed=NUMBER."
        )
    if trials.number is not None and trials.sampler == "tpe":
        require_optuna()


def key_of(part: MethodPart) -> str:
    """The same for equal methods with equal options, whatever they are called."""
    encoder = "" if part.backbone is None else f" {part.backbone.label}"
    return f"{part.name} {part.options.model_dump_json()}{encoder}"


def has_choice(row: MethodPart) -> bool:
    """Whether there is anything to draw for a row."""
    return bool(_free_options(row))


def grid_of_trials(
    grid: Grid, settings: Settings, trials: Mapping[str, Sequence[MethodPart]]
) -> Grid:
    """The runs of `trials`, by label of their row: all data sets, the first split, one seed."""
    parts: dict[str, MethodPart] = {}
    for row in trials.values():
        for part in row:
            parts.setdefault(key_of(part), part)
    return replace(
        grid,
        splits=grid.splits[:1],
        seeds=(settings.trials.seed,),
        methods=tuple(parts.values()),
    )


def _free_options(row: MethodPart) -> dict[str, Searched]:
    """What of the options of the searched method is drawn: all but those in its brackets."""
    row, _ = _searched_of(row)
    fixed = parse_spec(row.label).options
    space = search_space(METHODS.get(row.name).cls.options_type)
    return {key: searched for key, searched in space.items() if key not in fixed}


def _searched_of(row: MethodPart) -> tuple[MethodPart, str | None]:
    """The method whose options are drawn, and the option of `row` that names it.

    That is `row` itself, unless it has such an option.
    """
    for key, field in METHODS.get(row.name).cls.options_type.model_fields.items():
        if any(isinstance(item, NamesMethod) for item in field.metadata):
            [named] = row.requires.values()
            return named, key
    return row, None


def _random(
    space: Mapping[str, Searched], row: MethodPart, seed: int, number: int, attempt: int
) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    row, _ = _searched_of(row)
    for key, searched in space.items():
        bits = derive_seed(seed, "trial", row.name, key, str(number), str(attempt))
        if _matters(searched, row, drawn):
            drawn[key] = searched.domain.at((bits >> 10) / 2**53)
    return drawn


def _matters(searched: Searched, row: MethodPart, drawn: Mapping[str, Any]) -> bool:
    """Whether an option has an effect beside those that are `drawn` and those of `row`."""
    if searched.only is None:
        return True
    other, value = searched.only
    return bool(drawn.get(other, getattr(row.options, other)) == value)


def _first_new(
    row: MethodPart,
    method_options: _MethodOptions,
    tried: Sequence[MethodPart],
    draw: Callable[[int], Mapping[str, Any]],
) -> MethodPart | None:
    """The first of the draws that is legal and not `tried` yet; None where there is none."""
    for attempt in range(_VAIN):
        try:
            part = _with_drawn(row, method_options, draw(attempt))
        except UsageError:  # legal one by one, but not together
            continue
        if all(part.options != other.options for other in tried):
            return part
    return None


def _with_drawn(
    row: MethodPart, method_options: _MethodOptions, drawn: Mapping[str, Any]
) -> MethodPart:
    """`row` with options that were drawn; its label names those that are not as they were."""
    searched, key = _searched_of(row)
    named = {
        name: value for name, value in drawn.items() if value != getattr(searched.options, name)
    }
    spec = parse_spec(searched.label)
    spec = Spec(spec.name, {**spec.options, **named})
    if key is not None:
        outer = parse_spec(row.label)
        spec = Spec(outer.name, {**outer.options, key: spec.label})
    return method_part(spec, method_options)


def _propose(
    row: MethodPart,
    space: Mapping[str, Searched],
    settings: Settings,
    tried: Sequence[MethodPart],
    scores: Mapping[str, float | None],
) -> list[MethodPart]:
    """The next trials by the tree-structured Parzen estimator, from the scores so far."""
    optuna = require_optuna()
    seed = derive_seed(settings.trials.seed, "tpe", row.name, str(len(tried)))
    sampler = optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=1)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    for part in tried:
        score = scores[key_of(part)]
        if score is not None:
            places, ranges = _as_optuna(_searched_of(part)[0], space)
            study.add_trial(
                optuna.trial.create_trial(params=places, distributions=ranges, value=score)
            )

    def draw(_: int) -> dict[str, Any]:
        trial = study.ask()
        drawn: dict[str, Any] = {}
        for key, searched in space.items():
            if _matters(searched, _searched_of(row)[0], drawn):
                domain = searched.domain
                drawn[key] = (
                    domain.at(min(trial.suggest_float(key, 0, 1), 1 - 2**-53))
                    if isinstance(domain, Numbers)
                    else trial.suggest_categorical(key, domain.values)
                )
        return drawn

    found: list[MethodPart] = []
    for _ in range(_BATCH):
        proposed = _first_new(row, settings.method_options, [*tried, *found], draw)
        if proposed is None:
            break
        found.append(proposed)
    return found


def _as_optuna(
    part: MethodPart, space: Mapping[str, Searched]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values and distributions of a trial; numbers as places from 0 to 1."""
    optuna = require_optuna()
    values: dict[str, Any] = {}
    ranges: dict[str, Any] = {}
    for key, searched in space.items():
        value = getattr(part.options, key)
        if not _matters(searched, part, {}):
            continue
        if isinstance(searched.domain, Numbers):
            values[key] = searched.domain.place(value)
            ranges[key] = optuna.distributions.FloatDistribution(0, 1)
        elif value in searched.domain.values:
            values[key] = value
            ranges[key] = optuna.distributions.CategoricalDistribution(searched.domain.values)
    return values, ranges


def require_optuna() -> Any:
    """The package, quiet.

    Raises
    ------
    UnavailableError
        It is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise UnavailableError(
            "--sampler tpe needs Optuna, which is not installed: pip install optuna."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
