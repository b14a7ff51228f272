"""What the checks of methods and those of encoders have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load, save
from torch import Tensor, nn

from bench.conformance.verdicts import ConformanceError, NotApplicable
from bench.options import Options
from bench.plain_text import some_of

# Where nn.Module itself keeps tensors.
_TENSORS_OF_MODULES = ("_parameters", "_buffers")

# Long lists of names are cut.
_SHOWN = 4


def require_texts(
    cls: type,
    options_type: type[Options],
    facts: Mapping[str, Any],
    decorator: str,
    what: str,
    placeholders: Mapping[str, str] | None = None,
) -> None:
    """Title, reference, docstring and a description of each option are there and its own.

    Parameters
    ----------
    cls : type
        A method or an encoder.
    options_type : type of Options
    facts : mapping
        What its decorator was given.
    decorator, what : str
        Names for messages, such as ``register_method`` and ``method``.
    placeholders : mapping, optional
        Texts by which a template says that reference or docstring are still to be written.

    Raises
    ------
    ConformanceError
    """
    for fact in ("title", "reference"):
        if not str(facts[fact]).strip():
            raise ConformanceError(f"a {fact} in @{decorator}", "an empty one")
    docstring = cls.__doc__ or ""
    if not docstring.strip():
        raise ConformanceError(f"a docstring that says what the {what} does", "none")
    texts = {"reference": str(facts["reference"]), "docstring of the class": docstring}
    left = {
        text: placeholder
        for text, placeholder in (placeholders or {}).items()
        if placeholder in texts[text]
    }
    if left:
        named = " and ".join(f"{placeholder!r} ({text})" for text, placeholder in left.items())
        raise ConformanceError(
            f"the {what}'s own {' and '.join(left)}", f"what new-{what} wrote: {named}"
        )
    bare = [
        name
        for name, field in options_type.model_fields.items()
        if not (field.description or "").strip()
    ]
    if bare:
        raise ConformanceError(
            "Field(..., description=...) for each option", f"none for {some_names(bare)}"
        )


def require_buffers(module: nn.Module) -> None:
    """Tensors that a module or its parts keep are buffers or parameters.

    Raises
    ------
    ConformanceError
    """
    registered = {id(tensor) for tensor in (*module.parameters(), *module.buffers())}
    loose = {
        name
        for part in module.modules()
        for name, value in vars(part).items()
        if name not in _TENSORS_OF_MODULES
        and any(id(tensor) not in registered for tensor in _tensors_in(value))
    }
    if loose:
        raise ConformanceError(
            "tensors kept with register_buffer or nn.Parameter, so that they move to the device",
            f"plain attributes {some_names(loose)}",
        )


def saved_and_read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `state` as they come out of a file."""
    saved = save(
        {
            name: np.ascontiguousarray(tensor.detach().cpu().numpy())
            for name, tensor in state.items()
        }
    )
    return {name: torch.from_numpy(array) for name, array in load(saved).items()}


def some_names(names: Collection[str]) -> str:
    """The first of the sorted names, and how many more there are."""
    return some_of(sorted(names), _SHOWN)


def did_not_end(error: Exception) -> NotApplicable:
    """What a check says where the first training ended with `error`, which another check tells."""
    check = "shapes" if isinstance(error, ConformanceError) else "trains"
    return NotApplicable(f"a first training did not end, see {check}")


def _tensors_in(value: Any) -> list[Tensor]:
    """The tensors that an attribute holds, itself or in a list, tuple, set or dict."""
    if isinstance(value, dict):
        value = value.values()
    elif isinstance(value, Tensor):
        value = [value]
    elif not isinstance(value, (list, tuple, set)):
        return []
    return [item for item in value if isinstance(item, Tensor)]
