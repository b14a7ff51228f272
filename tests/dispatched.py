"""What torch is asked to do, seen on a machine that has only a CPU.

The `meta` device stands for an accelerator: tensors there have shapes and no numbers, so that
whatever needs a number back from the device is an error.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

META = torch.device("meta")


class Dispatched(TorchDispatchMode):
    """Lists draws from the generator of a device, and copies for which a device is waited for."""

    def __init__(self):
        super().__init__()
        self.draws, self.waits = [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        made = [x for x in tree_leaves(result) if isinstance(x, torch.Tensor)]
        drawn = torch.Tag.nondeterministic_seeded in func.tags
        if drawn and kwargs.get("generator") is None and any(x.is_meta for x in given + made):
            self.draws.append(str(func))
        copied = func.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.copy_)
        # A single number of the host goes along with a kernel; indices are copied first.
        from_host = [x for x in given if not x.is_meta and (copied or x.dim() > 0)]
        mixed = from_host and any(x.is_meta for x in given + made)
        if mixed and not kwargs.get("non_blocking"):
            self.waits.append(str(func))
        return result
