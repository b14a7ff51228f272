from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from bench.datasets.davis import Davis, DavisOptions
from tests.real_data import real_file


@pytest.mark.parametrize(("threshold", "sizes"), [(30, [28_550, 1_506]), (10, [29_096, 960])])
def test_the_real_file_is_read_at_both_thresholds(threshold, sizes):
    samples = Davis(DavisOptions(threshold_nm=threshold)).read(real_file("davis.csv.gz"))
    assert np.bincount(samples.labels).tolist() == sizes
    assert [entity.kind for entity in samples.entities] == ["molecule", "protein"]
    assert len(set(samples.entities[0].values)) == 68
    assert samples.row_names[0] == "11314340/AAK1"


def test_other_thresholds_are_refused():
    with pytest.raises(ValidationError):
        DavisOptions(threshold_nm=100)
