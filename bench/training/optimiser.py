"""Adam for all parameters at once, by torch's fused kernel and little else.

``torch.optim.Adam`` calls the same kernel, but for a network of this size it spends twice the
kernel's time around it: on grouping tensors and on one counter of steps for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress

import torch
from torch import Tensor, nn

from bench.training.settings import TrainingSettings

# Of the state, part of every checkpoint's identity: raise it when names or meaning change.
FORMAT = 1

_BETAS = 0.9, 0.999
_EPSILON = 1e-8


class Adam:
    """Adam (Kingma and Ba, 2015, arXiv 1412.6980) with coupled weight decay.

    A parameter without a gradient stays as it is, and that step does not count for it.

    Parameters
    ----------
    parameters : sequence of Parameter
        Of one type, on one device.
    settings : TrainingSettings
        For rate and weight decay.

    Attributes
    ----------
    learning_rate : float
        Of the steps to come.

    Raises
    ------
    ValueError
        There are no parameters, or they differ in type or device, which the kernel does not check.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], settings: TrainingSettings) -> None:
        kinds = {(parameter.dtype, parameter.device) for parameter in parameters}
        if len(kinds) != 1:
            raise ValueError(
                f"Expected parameters of one type on one device, but got {sorted(map(str, kinds))}."
            )
        self.learning_rate = settings.learning_rate
        self._weight_decay = settings.weight_decay
        self._parameters: list[Tensor] = list(parameters)
        self._means = [torch.zeros_like(parameter.detach()) for parameter in parameters]
        self._squares = [torch.zeros_like(parameter.detach()) for parameter in parameters]
        # In one tensor, so that one addition counts a step of all.
        self._steps = torch.zeros(len(parameters), device=parameters[0].device)
        self._each_steps = list(self._steps.unbind())

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        given = [parameter.grad for parameter in self._parameters]
        gradients = [gradient for gradient in given if gradient is not None]
        if not gradients:
            return
        moved: tuple[list[Tensor], ...]
        moved = self._parameters, self._means, self._squares, self._each_steps
        if len(gradients) == len(given):
            self._steps.add_(1)
        else:
            has = [gradient is not None for gradient in given]
            moved = tuple(list(compress(tensors, has)) for tensors in moved)
            torch._foreach_add_(moved[-1], 1)
        parameters, means, squares, steps = moved
        torch._fused_adam_(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            lr=self.learning_rate,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            weight_decay=self._weight_decay,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """What the steps so far have left, by name; not copied."""
        moments = {"exp_avg": self._means, "exp_avg_sq": self._squares}
        return {"step": self._steps} | {
            f"{index}.{name}": tensor
            for name, tensors in moments.items()
            for index, tensor in enumerate(tensors)
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state` gave.

        Raises
        ------
        ValueError
            It is of other parameters or of another format; nothing has been taken over.
        """
        own = self.state()
        expected, got = _described(own), _described(state)
        if expected != got:
            wrong = [n for n in expected | got if expected.get(n) != got.get(n)]
            name, more = wrong[0], f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise ValueError(
                f"Expected {expected.get(name, 'nothing')} as {name!r} of the optimiser's state, "
                f"but got {got.get(name, 'nothing')}{more}. It is of other parameters or of "
                "another format: remove it and train again."
            )
        for name, tensor in own.items():
            tensor.copy_(state[name])


def _described(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Type and shape of each tensor."""
    return {name: f"{tensor.dtype} {list(tensor.shape)}" for name, tensor in state.items()}


def make_optimiser(parameters: Sequence[nn.Parameter], settings: TrainingSettings) -> Adam:
    """The optimiser of every run, with the settings' rate and weight decay."""
    return Adam(parameters, settings)
