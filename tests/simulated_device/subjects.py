"""Every network method, and what it must repeat on a device, be it simulated or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import get_args

from bench.conformance.resume import Trained, first_difference, stop_and_go_on
from bench.conformance.trial import Case, FinishedRuns
from bench.data.batch import Batch
from bench.method import Method
from bench.methods.contrastive.method import Augmentation
from tests.simulated_device.costs import network_methods, trial

_FINISHED = FinishedRuns()

_CASE = Case(counts=(40, 20, 10), epochs=3, batch_size=32)

# Options by which a method takes another path than by default.
_VARIANTS = (
    *(f"sdr[augmentation={name}]" for name in get_args(Augmentation) if name != "random"),
    "sdr[view_form=literal,space=encoder,agg=mean,projection=none]",
    "cb[base=focal]",
    "class_balanced_sampling[redraw=every_epoch]",
    "dive[base=cross_entropy]",
    "ride[base=cross_entropy]",
    "rf_dlc[base=ldam,penalty=0.5]",
)
_PROTEINS = ("conjoint_triad", "protein_cnn", "protein_transformer")

SUBJECTS = {
    **{text: (text, _CASE) for text in (*network_methods(), *_VARIANTS)},
    **{f"vanilla, {name}": ("vanilla", replace(_CASE, protein=name)) for name in _PROTEINS},
    "sdr, conjoint_triad": ("sdr", replace(_CASE, protein="conjoint_triad")),
    "vanilla, bfloat16": ("vanilla", replace(_CASE, precision="bfloat16")),
}

# Their steps never wait for the device.
WAIT_FOR_NOTHING = ("vanilla", "sdr")


def train(text: str, case: Case) -> Trained:
    """The method called `text`, trained on `case`."""
    made = trial(text, case, finished=_FINISHED)
    return made, made.train()


def train_and_repeat(
    text: str, case: Case, present: Callable[[], AbstractContextManager[object]]
) -> Trained:
    """A training that a second one, and one with a stop, equal to the bit; within `present()` each.

    Raises
    ------
    AssertionError
        With the first thing in which they differ.
    """
    with present():
        whole = train(text, case)
    with present():
        assert (found := first_difference(whole, train(text, case))) is None, found
    with present():
        resumed = stop_and_go_on(lambda: trial(text, case, finished=_FINISHED), stops={1})
        assert (found := first_difference(whole, resumed)) is None, found
    return whole


def train_without_waits(
    text: str, case: Case, forbid: Callable[[], object], allow: Callable[[], object]
) -> None:
    """Train; between `forbid()` and `allow()` are the steps of the last epoch.

    What is there once an epoch is outside: the batches as they are sent, and the losses as they
    are looked at.
    """

    class Forbidden(Method):
        def prepare_epoch(self, epoch: int, batches: Iterator[Batch]) -> Iterator[Batch]:
            for step, batch in enumerate(super().prepare_epoch(epoch, batches)):
                if step == 0 and epoch == self.context.epochs:
                    forbid()
                yield batch
            allow()

    trial(text, case, Forbidden, finished=_FINISHED).train()
