"""What a training step and an epoch cost the host of a device, by method."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.conformance.trial import Case, FinishedRuns, NetworkTrial, untrained
from bench.data.batch import Batch
from bench.method import METHODS, Method
from bench.models.network import Network
from bench.spec import check_options, parse_spec
from tests.simulated_device.device import Counts, simulated_device

# Its last epoch is measured, in which all methods are past their warm-up.
CASE = Case(counts=(60, 40, 20), epochs=5)

_FINISHED = FinishedRuns()


@dataclass(frozen=True)
class Costs:
    """Of a step, a mean over those of an epoch, and of an epoch as a whole.

    A step ends where the next one begins, so it holds what is done to make a batch, too. `counts`,
    of the epoch, say where the figures come from.
    """

    launches: float
    waits: float
    copies: float
    epoch_waits: int
    epoch_copies: int
    counts: Counts = field(default_factory=Counts, compare=False, repr=False)


def network_methods() -> list[str]:
    """All registered methods that train or hold a network."""
    return [name for name in METHODS.names() if issubclass(METHODS.get(name).cls, Method)]


def trial(text: str, case: Case, *mixins: type[Method], finished: FinishedRuns) -> NetworkTrial:
    """The method called `text` before it is trained on `case`; `mixins` go before its bases."""
    spec = parse_spec(text)
    cls = METHODS.get(spec.name).cls
    options = check_options(cls.options_type, spec, "method")
    made = untrained(type(cls.__name__, (*mixins, cls), {}), options, case, finished)
    assert isinstance(made, NetworkTrial)
    return made


def measure(text: str, case: Case = CASE) -> Costs | None:
    """Costs of the method called `text`; None if it has no training steps."""
    marks: list[Counts] = []

    class Marked(Method):
        def begin_epoch(self, epoch: int, network: Network) -> None:
            marks[:] = [Counts(present.counts)]
            super().begin_epoch(epoch, network)

        def training_step(self, network: Network, batch: Batch):
            marks.append(Counts(present.counts))
            return super().training_step(network, batch)

    with simulated_device() as present:
        marked = trial(text, replace(case, device=present.device), Marked, finished=_FINISHED)
        ends: list[Counts] = []
        marked.train(on_epoch=lambda _: ends.append(Counts(present.counts)))
    if not ends:
        return None
    epoch = Counts(ends[-1] - marks[0])
    steps = Counts(marks[-1] - marks[1])
    number = len(marks) - 2
    return Costs(
        launches=round(steps.of("launches") / number, 1),
        waits=round(steps.of("waits") / number, 1),
        copies=round(steps.of("copies") / number, 1),
        epoch_waits=epoch.of("waits"),
        epoch_copies=epoch.of("copies"),
        counts=epoch,
    )
