from __future__ import annotations

import numpy as np
import pytest

from bench.backbone import BACKBONES
from bench.conformance.run import subject_of
from bench.conformance.trial import Case
from bench.method import METHODS, Estimator, usable_methods
from tests.methods.few_trees import FewTrees, few

_FINISHED = FewTrees()


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    "name", [name for name in usable_methods() if not issubclass(METHODS.get(name).cls, Estimator)]
)
def test_molecules_without_a_bond_go_through_every_network_of_dgl(name):
    """A molecule of one atom raises in a graph layer, or gives nan; gcn has a check of its own."""
    if "gcn_dgl" not in BACKBONES:
        pytest.skip(BACKBONES.unavailable()["gcn_dgl"])
    case = Case(counts=(20, 10), most_atoms=1, epochs=2, backbone="gcn_dgl")
    trial = subject_of(few(name), _FINISHED).trained(case)
    assert trial.data.graphs.atoms_per_graph().max() == 1
    assert np.isfinite(trial.logits()).all()
