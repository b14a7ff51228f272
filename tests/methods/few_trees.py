"""Forests and boosted trees of a few trees, where what is tested is not how well they predict."""

from bench.conformance.trial import Case, FinishedRuns, Trial
from bench.spec import Spec

# A fit takes as long for each tree as for all molecules of a toy set.
FEW = {"ecfp_forest": {"trees": 20}, "balanced_forest": {"trees": 20}, "gbdt": {"patience": 20}}


def few(name: str) -> str:
    """The method, with few trees where it has any."""
    return Spec(name, FEW.get(name, {})).label


class FewTrees(FinishedRuns):
    """Finished runs whose forests have few trees."""

    def trial(self, text: str, case: Case) -> Trial:
        return super().trial(few(text), case)
