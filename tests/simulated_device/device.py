"""An accelerator that is not there, on which mistakes with devices show as they would on CUDA.

Its tensors say that they lie on another device, and their numbers lie in tensors of the CPU. All
operations pass :class:`SimulatedDevice`, which raises where CUDA would and counts what costs time
there. Torch itself then refuses ``.numpy()``, and never takes a branch for the CPU.

Not simulated: how kernels round and how long they take, memory, streams, what torch adds when
algorithms shall be deterministic, and code that asks for ``device.type == "cuda"`` by name.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal
from unittest import mock
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "simulated"

# What the host does with the device: `waits` for it, `copies` to it, starts `launches` on it, or
# draws from its own generator while nobody has seeded that, which is `unseeded`.
Kind = Literal["launches", "waits", "copies", "unseeded"]
KINDS: tuple[Kind, ...] = ("launches", "waits", "copies", "unseeded")

_PROJECT = f"{Path(__file__).parents[2]}/"
# Lines of these folders are named; what tests do stands for nothing.
_WATCHED = (f"{_PROJECT}bench/", f"{_PROJECT}methods/")

# The host has to know how many there are, or what they are.
_NEEDS_VALUES = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
# Of a device's tensor at places that lie on the CPU.
_INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index")
# They take a number that lies on the CPU, as all that is computed entry by entry does.
_TAKES_NUMBERS = (*_INDEXING, "fill", "fill_", "masked_fill", "masked_fill_")
_COPIES = ("_to_copy", "copy_")
_WAITS = ("equal", "multinomial")
_IN_LOWER_PRECISION = ("linear", "matmul", "mm", "addmm", "bmm")
# Neither computes nor moves anything.
_FREE = (
    "detach", "alias", "lift_fresh", "empty", "empty_like", "empty_strided", "new_empty",
    "_local_scalar_dense",
)  # fmt: skip

_NewGenerator = torch.Generator


class Counts(Counter[tuple[Kind, str, str]]):
    """How often the host did what, by (kind, operation, line of the project)."""

    def of(self, kind: Kind) -> int:
        """All of one kind."""
        return sum(times for (found, _, _), times in self.items() if found == kind)

    def lines(self, *kinds: Kind) -> str:
        """Where those of `kinds` come from, the most frequent first, a line each."""
        found = sorted((-n, *what) for what, n in self.items() if what[0] in (kinds or KINDS))
        return "\n".join(f"{-n:6} {kind} {name}  {line}" for n, kind, name, line in found)


class SimulatedTensor(Tensor):
    """A tensor of the device; its numbers are in `numbers`, a tensor of the CPU."""

    numbers: Tensor

    @staticmethod
    def __new__(cls, numbers: Tensor) -> SimulatedTensor:
        made = Tensor._make_wrapper_subclass(
            cls,
            numbers.size(),
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device=torch.device(NAME, 0),
        )
        made.numbers = numbers
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, *_: object) -> Any:
        raise RuntimeError(f"Expected {func} within `with simulated_device()`, but it is over.")

    def __repr__(self) -> str:
        return f"SimulatedTensor({self.numbers!r})"

    def tolist(self) -> Any:
        return self.cpu().tolist()


class _Generator(torch.Generator):
    """A generator of the device; torch takes it for one of the CPU."""

    device = property(lambda self: torch.device(NAME, 0))
    # Torch hands on another Python object of the same generator, at the same address.
    living: ClassVar[WeakValueDictionary[int, _Generator]] = WeakValueDictionary()

    def __new__(cls, device: Any = "cpu") -> Any:
        if torch.device(device).type != NAME:
            return _NewGenerator(device)
        made = super().__new__(cls)
        cls.living[made._cdata] = made
        return made

    def __init__(self, device: Any = "cpu") -> None:
        pass


class _Module:
    """``torch.simulated``: what torch asks of the module of a device."""

    def __init__(self) -> None:
        self.present: SimulatedDevice | None = None
        self.libraries: tuple[torch.library.Library, ...] = ()

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]

    def manual_seed_all(self, seed: int) -> None:
        if self.present is not None:
            self.present.generator.manual_seed(seed)
            self.present.is_seeded = True

    def get_rng_state(self, device: Any = None) -> Tensor:
        assert self.present is not None
        is_seeded = torch.tensor([self.present.is_seeded], dtype=torch.uint8)
        return torch.cat([self.present.generator.get_state(), is_seeded])

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        assert self.present is not None
        self.present.generator.set_state(state[:-1].clone())
        self.present.is_seeded = bool(state[-1])


class SimulatedDevice(TorchDispatchMode):
    """The device while it is there, see :func:`simulated_device`.

    Attributes
    ----------
    device : torch.device
    counts : Counts
        Grows with what the host does with the device.
    generator : torch.Generator
        Its own, from which operations draw that are given none.
    is_seeded : bool
        Whether somebody has seeded that one; CUDA's starts from the clock.
    """

    def __init__(self, clock: int) -> None:
        super().__init__()
        self.device = torch.device(NAME)
        self.counts = Counts()
        self.generator = _Generator(NAME)
        self.generator.manual_seed(clock)
        self.is_seeded = False

    def count(self, kind: Kind, name: str) -> None:
        """Add one to `counts`, at the line of the project that is being run."""
        self.counts[kind, name, _line()] += 1

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [*_tensors_in((*args, *kwargs.values()))]
        target = kwargs.get("device")
        ours = any(_is_ours(tensor) for tensor in tensors)
        to_us = ours if target is None else torch.device(target).type == NAME
        name = func._schema.name.removeprefix("aten::")
        _refuse_generator(name, kwargs.get("generator"), NAME if ours or to_us else "cpu")
        if not ours and not to_us:
            return func(*args, **kwargs)
        if name == "_to_copy":
            self._count_copy(name, _is_ours(args[0]), to_us)
        elif name == "copy_":
            self._count_copy(name, _is_ours(args[1]), _is_ours(args[0]))
        else:
            self._count_operation(func, name, args, kwargs, tensors)
        if target is not None and to_us:
            kwargs["device"] = torch.device("cpu")
        draws = torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None
        if draws and not self.is_seeded:
            self.count("unseeded", name)
        with self._own_draws() if draws else nullcontext():
            result = func(
                *_each(_numbers_of, args),
                **{key: _each(_numbers_of, value) for key, value in kwargs.items()},
            )
        if name.endswith("_") and isinstance(result, Tensor):
            if args[0].shape != result.shape:
                raise NotImplementedError(f"{name} gives a tensor another shape where it lies.")
            return args[0]
        if "out" in kwargs:
            return kwargs["out"]
        return _each(_on_the_device, result) if to_us else result

    @contextmanager
    def _own_draws(self) -> Iterator[None]:
        """Within, the CPU draws what the device's own generator would."""
        kept = torch.get_rng_state()
        torch.set_rng_state(self.generator.get_state())
        try:
            yield
        finally:
            self.generator.set_state(torch.get_rng_state())
            torch.set_rng_state(kept)

    def _count_copy(self, name: str, from_us: bool, to_us: bool) -> None:
        if from_us and to_us:
            self.count("launches", name)
        elif to_us:
            self.count("copies", f"{name} to the device")
        else:
            self.count("waits", f"{name} to the host")

    def _count_operation(
        self, func: Any, name: str, args: tuple, kwargs: Mapping[str, Any], tensors: list[Tensor]
    ) -> None:
        for tensor in tensors:
            if _is_ours(tensor):
                continue
            if not _fetches(func, name, args, tensor):
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least two "
                    f"devices, {NAME}:0 and cpu! ({func}, {_line()})"
                )
            # Other numbers go along with the launch.
            if name in _INDEXING:
                self.count("copies", f"{name} with a tensor of the host")
        if _waits(func, name, args, kwargs):
            self.count("waits", name)
        if not func.is_view and name not in _FREE:
            self.count("launches", name)


@contextmanager
def simulated_device(clock: int = 0) -> Iterator[SimulatedDevice]:
    """The device, present in this thread until the end of the block.

    Parameters
    ----------
    clock : int
        What its own generator starts from, as long as nobody seeds it.
    """
    module = _registered()
    device = SimulatedDevice(clock)
    with (
        mock.patch.object(module, "present", device),
        mock.patch.object(torch, "Generator", _Generator),
        # Backward passes run in this thread, too: they are seen, and their lines are known.
        torch.autograd.set_multithreading_enabled(False),
        device,
    ):
        yield device


def _tensors_in(values: Iterable[Any]) -> Iterator[Tensor]:
    """Those among the arguments of an operation, in lists, too."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors_in(value)


def _each(function: Callable[[Any], Any], value: Any) -> Any:
    """`value`, or all that a list or tuple holds, through `function`."""
    if isinstance(value, (list, tuple)):
        return type(value)(_each(function, item) for item in value)
    return function(value)


def _is_ours(value: object) -> bool:
    return isinstance(value, SimulatedTensor)


def _numbers_of(value: Any) -> Any:
    return value.numbers if _is_ours(value) else value


def _on_the_device(value: Any) -> Any:
    return SimulatedTensor(value) if isinstance(value, Tensor) else value


def _fetches(func: Any, name: str, args: tuple, tensor: Tensor) -> bool:
    """Whether CUDA takes `tensor`, of the host, beside others of the device."""
    if name in _INDEXING and _is_ours(args[0]) and any(tensor is i for i in _tensors_in(args[1])):
        return True
    takes_numbers = torch.Tag.pointwise in func.tags or name in _TAKES_NUMBERS
    written = tensor is args[0] and name.endswith("_")
    return takes_numbers and tensor.dim() == 0 and not written


def _refuse_generator(name: str, generator: torch.Generator | None, expected: str) -> None:
    if generator is None:
        return
    found = NAME if generator._cdata in _Generator.living else "cpu"
    if found != expected:
        raise RuntimeError(
            f"Expected a {expected!r} device type for generator but found {found!r} "
            f"({name}, {_line()})"
        )


def _waits(func: Any, name: str, args: tuple, kwargs: Mapping[str, Any]) -> bool:
    """Whether an operation on the device ends only when the host has its result."""
    if name in _INDEXING:
        masks = (torch.bool, torch.uint8)
        return any(index.dtype in masks for index in _tensors_in(args[1]))
    if name == "repeat_interleave":
        return kwargs.get("output_size") is None
    return name in _WAITS or any(tag in func.tags for tag in _NEEDS_VALUES)


def _line() -> str:
    """The innermost line of the project that is being run."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(_WATCHED):
            return f"{frame.f_code.co_filename.removeprefix(_PROJECT)}:{frame.f_lineno}"
        frame = frame.f_back
    return "outside bench and methods"


@cache
def _registered() -> _Module:
    """Make the device known to torch; once a process, and nothing takes it away again."""
    module = _Module()
    _setup_privateuseone_for_python_backend(NAME, backend_module=module)
    kernels = torch.library.Library("aten", "IMPL")
    # torch.tensor(..., device=...) comes past every mode and asks for these two.
    kernels.impl("empty_strided", _empty_strided, "PrivateUse1")
    kernels.impl("_copy_from", _copy_from, "PrivateUse1")
    for name in _IN_LOWER_PRECISION:
        kernels.impl(name, _in_lower_precision(name), "AutocastPrivateUse1")
    others = torch.library.Library("_", "IMPL")
    others.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    module.libraries = (kernels, others)
    return module


def _in_lower_precision(name: str) -> Callable[..., Tensor]:
    """What torch.autocast makes of a product."""
    of_autocast = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def product(*args: Tensor | None) -> Tensor:
        dtype = torch.get_autocast_dtype(NAME)
        with torch._C._ExcludeDispatchKeyGuard(of_autocast):
            return getattr(torch.ops.aten, name)(
                *(arg if arg is None else arg.to(dtype) for arg in args)
            )

    return product


def _empty_strided(size: Any, stride: Any, *, dtype: Any = None, **_: object) -> Tensor:
    return SimulatedTensor(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    present = _registered().present
    assert present is not None
    present.count("copies", "tensor")
    _numbers_of(target).copy_(_numbers_of(source))
    return target
