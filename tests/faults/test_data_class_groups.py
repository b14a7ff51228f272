from __future__ import annotations

import numpy as np
import pytest

from bench.metrics.groups import frequency_groups


@pytest.mark.fault(67)
@pytest.mark.parametrize("num_classes", range(2, 101))
def test_head_and_tail_are_never_empty(num_classes):
    """Under a rule of 0.4 / 0.4 / 0.2 of the classes binary data has no tail."""
    groups = frequency_groups(np.arange(num_classes, 0, -1))
    assert groups["head"].tolist()[0] == 0
    assert groups["tail"].tolist()[-1] == num_classes - 1
    assert sum(map(len, groups.values())) == num_classes
