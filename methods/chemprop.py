"""The real chemprop, trained as its own command trains it."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from bench.data.molecules import parse
from bench.errors import DataError
from bench.method import Context, Estimator, Samples, log_shares, register_method
from bench.options import NotSearched, Options

from ._posthoc import PRIOR_POWERS, choose_tau, posthoc_log_prior


class ChempropOptions(Options):
    """What chemprop's command is told; everything else is at its defaults."""

    # Below three its learning rate has no epochs to fall in, and chemprop fails.
    epochs: Annotated[int, NotSearched()] = Field(50, ge=3, description="its --epochs")
    class_balance: Annotated[bool, NotSearched()] = Field(
        False, description="its --class-balance: as many samples of class 1 as of class 0"
    )
    tune: Annotated[bool, NotSearched()] = Field(
        False, description="choose the power of the prior on validation, which chemprop does not"
    )


@register_method(
    "chemprop",
    title="chemprop",
    group="peer",
    reference="Heid et al., J. Chem. Inf. Model. 2024, 10.1021/acs.jcim.3c01250; "
    "Yang et al., J. Chem. Inf. Model. 2019, 10.1021/acs.jcim.9b00237",
)
class Chemprop(Estimator):
    """What a user of chemprop gets from ``chemprop train``: its encoder, training and choice.

    Formula: cross-entropy on the logits of a directed message passing network, binary or over K
    classes, by Adam with a learning rate that rises for 2 epochs and then falls; of the epochs
    the first with the lowest loss on validation. With ``tune`` then ``z - tau log pi`` as in
    ``ecfp_forest``, ``pi`` the class shares in training.

    Settings: ``epochs`` 50, ``class_balance`` (two classes only), ``tune`` off; batches of 64,
    300 wide, 3 steps. The epochs of the benchmark do not count.
    Cost: on one core hours on tens of thousands of molecules; no GPU.

    When it helps: it is a peer, which shows what the tool that people use gives on these splits.

    What differs: nothing, unless ``tune`` is set. A molecule that chemprop's reader refuses, where
    its command would stop, is read as the benchmark reads it, without the check of valences. More
    molecules in a sample are chemprop's components. Inputs that are no molecules are refused.

    Installation: ``pip install '.[chemprop]'`` in an environment of its own, as chemprop 2.3.1
    needs an RDKit older than that of ``requirements.txt``. Splits and job ids are the same in both,
    so runs from there stand in one table with others of the same ``--out``.
    """

    needs = {"chemprop": "pip install '.[chemprop]' in an environment of its own"}  # noqa: RUF012
    options_type = ChempropOptions
    options: ChempropOptions

    def __init__(self, options: ChempropOptions, context: Context) -> None:
        super().__init__(options, context)
        self._tau = 0.0

    @classmethod
    def refusal(cls, options: Options, kinds: Collection[str]) -> str | None:
        others = sorted({*kinds} - {"molecule"})
        if kinds and not others:
            return None
        got = " and ".join(others) or "none"
        return f"Expected inputs that are molecules, but got {got}. Leave chemprop out here."

    @classmethod
    def epochs(cls, options: Options) -> int | None:
        assert isinstance(options, ChempropOptions)
        return options.epochs

    def fit(self, train: Samples, valid: Samples) -> None:
        if self.options.class_balance:
            require_two_classes(self.context)
        from chemprop.data import build_dataloader

        args = self._arguments()
        train_data, odd_in_train = _data_of(train, train.labels)
        valid_data, odd_in_valid = _data_of(valid, valid.labels)
        self._odd = odd_in_train + odd_in_valid
        train_data.cache = valid_data.cache = True
        loaders = (
            build_dataloader(
                train_data, args.batch_size, 0,
                class_balance=args.class_balance, seed=args.data_seed, drop_last=False,
            ),
            build_dataloader(valid_data, args.batch_size, 0, shuffle=False, drop_last=False),
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]), _quiet():
            torch.manual_seed(args.pytorch_seed)
            self._components = len(train.entities)
            self._model = _model(args, train_data)
            self._best_epoch = _train(self._model, loaders, args.epochs, self._epoch_done)
        if self.options.tune:
            scores = self._scores(valid)
            self._tau = choose_tau(
                PRIOR_POWERS,
                lambda tau: scores - tau * self._log_prior,
                valid.labels,
                self.context.num_classes,
            )

    def report(self) -> Mapping[str, Any]:
        return {
            "tau": self._tau, "best_epoch": self._best_epoch, "molecules_it_refuses": self._odd
        }  # fmt: skip

    def implied_log_prior(self) -> Tensor:
        # As many samples of either class are the prior of its training with class_balance.
        power = 0 if self.options.class_balance else 1
        return log_shares((power - self._tau) * self.context.log_counts)

    def state(self) -> Mapping[str, Any]:
        weights = {
            f"weights of {name}": value.numpy() for name, value in self._model.state_dict().items()
        }
        return {
            "tau": np.array(self._tau),
            "best epoch": np.array(self._best_epoch),
            "components": np.array(self._components),
            **weights,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._tau, self._best_epoch = float(state["tau"]), int(state["best epoch"])
        self._components = int(state["components"])
        # The widths of features follow from any molecule.
        carbon, _ = _data([["C"]] * self._components, np.zeros(1))
        with torch.random.fork_rng(devices=[]):
            self._model = _model(self._arguments(), carbon)
        self._model.load_state_dict(
            {
                name.removeprefix("weights of "): torch.from_numpy(np.array(value))
                for name, value in state.items()
                if name.startswith("weights of ")
            }
        )
        self._model.eval()

    def logits(self, samples: Samples) -> np.ndarray:
        return self._scores(samples) - self._tau * self._log_prior

    @property
    def _log_prior(self) -> np.ndarray:
        return posthoc_log_prior(self.context.class_counts).numpy()

    def _arguments(self) -> Any:
        """The arguments of ``chemprop train``, as its own parser gives them."""
        from chemprop.cli.train import TrainSubcommand, process_train_args
        from configargparse import ArgumentParser

        seed = int(self.context.rng("chemprop").integers(2**31))
        return process_train_args(
            TrainSubcommand.add_args(ArgumentParser()).parse_args(
                command_options(self.options, self.context.num_classes, seed)
            )
        )

    def _scores(self, samples: Samples) -> np.ndarray:
        """Logits as trained, float64, (n, K); of two classes the first has zeros."""
        from chemprop.data import build_dataloader

        data, _ = _data_of(samples, np.zeros(len(samples.entities[0].values)))
        loader = build_dataloader(data, 64, 0, shuffle=False, drop_last=False)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            found = [
                self._model.predictor.train_step(self._model.fingerprint(*batch[:3]))
                for batch in loader
            ]
        logits = torch.cat(found).double().reshape(len(data), -1).numpy()
        if self.context.num_classes == 2:
            return np.concatenate([np.zeros_like(logits), logits], axis=1)
        return logits

    def _epoch_done(self, epoch: int, loss: float, rate: float, valid: np.ndarray) -> None:
        shares = valid.reshape(len(valid), -1).astype(np.float64)
        if self.context.num_classes == 2:
            shares = np.concatenate([1 - shares, shares], axis=1)
        self.context.on_epoch(
            epoch,
            train_loss=loss,
            learning_rate=rate,
            valid_logits=np.log(shares.clip(np.finfo(np.float32).tiny)),
        )


def command_options(options: ChempropOptions, num_classes: int, seed: int) -> list[str]:
    """What is told to ``chemprop train`` besides its files."""
    task = (
        ["--task-type", "classification"]
        if num_classes == 2
        else ["--task-type", "multiclass", "--multiclass-num-classes", str(num_classes)]
    )
    seeds = ["--data-seed", str(seed), "--pytorch-seed", str(seed)]
    balance = ["--class-balance"] if options.class_balance else []
    return [*task, "--epochs", str(options.epochs), *seeds, *balance]


def require_two_classes(context: Context) -> None:
    """Raise a :class:`.DataError` where chemprop has no two classes to balance."""
    if context.num_classes != 2:
        raise DataError(
            "Expected two classes for chemprop[class_balance=true], as chemprop balances class 1 "
            f"against class 0, but got {context.num_classes}. Leave class_balance out."
        )
    if not context.class_counts.all():
        raise DataError(
            "Expected training samples of both classes for chemprop[class_balance=true], but got "
            f"{context.class_counts.tolist()}. Leave class_balance out."
        )


def _data_of(samples: Samples, labels: np.ndarray) -> tuple[Any, int]:
    return _data([list(entity.values) for entity in samples.entities], labels)


def _data(columns: list[list[str]], labels: np.ndarray) -> tuple[Any, int]:
    """A data set of chemprop, and how many of its molecules chemprop alone could not read.

    It is one of molecules, or several side by side.
    """
    from chemprop.data import MoleculeDatapoint, MoleculeDataset, MulticomponentDataset

    targets = labels.astype(np.float32)[:, None]
    read = [[_molecule(smiles) for smiles in column] for column in columns]
    sets = [
        MoleculeDataset(
            [MoleculeDatapoint(mol, target) for (mol, _), target in zip(one, targets, strict=True)]
        )
        for one in read
    ]
    refused = sum(odd for one in read for _, odd in one)
    return (sets[0] if len(sets) == 1 else MulticomponentDataset(sets)), refused


def _molecule(smiles: str) -> tuple[Any, bool]:
    """As chemprop reads it; where it cannot, as the benchmark does, and whether that is so."""
    from chemprop.utils import make_mol
    from rdkit import rdBase

    try:
        with rdBase.BlockLogs():
            return make_mol(smiles), False
    except RuntimeError:
        parsed = parse(smiles)
        if parsed.mol is None:
            raise DataError(
                f"Expected a SMILES that can be read, but got {smiles!r}: {parsed.problem}. Mend "
                "or remove it."
            ) from None
        return parsed.mol, True


def _model(args: Any, data: Any) -> Any:
    from chemprop.cli.train import build_model, normalize_inputs

    return build_model(args, data, None, normalize_inputs(data, None, args))


def _train(
    model: Any,
    loaders: tuple[Any, Any],
    epochs: int,
    told: Callable[[int, float, float, np.ndarray], None],
) -> int:
    """Train in place, as chemprop's ``train_model``; the epoch whose weights it has, from 1.

    `told` hears of each epoch: number, loss, learning rate and shares of classes on validation.
    """
    from lightning import pytorch as pl
    from lightning.pytorch.callbacks import EarlyStopping

    class Best(pl.Callback):
        """The weights that its checkpoint would hold, without a file."""

        epoch, loss, weights = 0, float("inf"), None

        def on_validation_end(self, trainer: Any, module: Any) -> None:
            if trainer.sanity_checking:
                return
            loss = float(trainer.callback_metrics["val_loss"])
            if self.weights is None or loss < self.loss:
                self.epoch = trainer.current_epoch + 1
                self.loss = float("inf") if np.isnan(loss) else loss
                self.weights = {k: v.clone() for k, v in module.state_dict().items()}

    shares: list[Tensor] = []

    class Told(pl.Callback):
        """What validation has computed anyway, once the loss of the epoch is known."""

        def on_validation_epoch_start(self, trainer: Any, module: Any) -> None:
            shares.clear()

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            rate = float(trainer.optimizers[0].param_groups[0]["lr"])
            loss = float(trainer.callback_metrics["train_loss_epoch"])
            told(trainer.current_epoch + 1, loss, rate, torch.cat(shares).numpy())

    # It is called as a whole in validation only, for metrics.
    hook = model.register_forward_hook(lambda _, __, found: shares.append(found))
    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    class OwnSignals(pl.Callback):
        """Signals do what they did before lightning took them."""

        def on_fit_start(self, trainer: Any, module: Any) -> None:
            _set_handlers(handlers)

    best = Best()
    deterministic = torch.are_deterministic_algorithms_enabled()
    try:
        # As in its command, which stops at a loss that is not finite.
        stopping = EarlyStopping("val_loss", patience=epochs, mode="min", min_delta=0.0)
        pl.Trainer(
            accelerator="cpu", devices=1, max_epochs=epochs, deterministic=True,
            callbacks=[OwnSignals(), best, Told(), stopping], logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        ).fit(model, *loaders)  # fmt: skip
    except SystemExit as error:
        # Lightning turns an interruption into an exit.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise
    finally:
        hook.remove()
        _set_handlers(handlers)
        torch.use_deterministic_algorithms(deterministic)
    model.load_state_dict(best.weights)
    model.eval()
    return best.epoch


def _set_handlers(handlers: Mapping[signal.Signals, Callable[..., Any] | int | None]) -> None:
    import threading

    if threading.current_thread() is threading.main_thread():
        for one, handler in handlers.items():
            if handler is not None:
                signal.signal(one, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without lightning's notes and advice; its log levels are as before afterwards."""
    logs = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [log.level for log in logs]
    try:
        for log in logs:
            log.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
