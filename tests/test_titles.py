"""What tables call a method."""

from __future__ import annotations

import pytest

from bench.errors import UnknownNameError
from bench.method import METHODS
from bench.titles import method_title


@pytest.mark.parametrize(
    ("label", "encoder", "expected"),
    [
        ("vanilla", "gcn", "Vanilla GCN"),
        ("vanilla", "", "Vanilla GCN"),
        ("vanilla[backbone=gin]", "gin", "Vanilla GIN"),
        ("vanilla[backbone=gin[layers=2]]", "gin[layers=2]", "Vanilla GIN [layers=2]"),
        ("balanced_softmax", "gin", "BS"),
        ("balanced_softmax[backbone=gin]", "gin", "BS, GIN"),
        ("cb[backbone=gin,beta=0.9]", "gin", "CB Loss [beta=0.9], GIN"),
        ("cb[backbone=mine]", "mine", "CB Loss, mine"),
        # Methods that an option names.
        ("posthoc[method=imbsam]", "gcn", "Prior tuned [ImbSAM]"),
        ("posthoc[method=vanilla,backbone=gin]", "gin", "Prior tuned [Vanilla GIN], GIN"),
        (
            "diverse_stack[members=balanced_softmax[backbone=mpnn_ecfp]+ecfp_forest]",
            "gcn",
            "Diverse stack (ours) [BS, MPNN + ECFP · ECFP forest]",
        ),
        ("selmix[first_stage=vanilla,share=0.3]", "gcn", "SelMix [Vanilla GCN, share=0.3]"),
        # What only looks like one.
        ("cb[beta=vanilla]", "gcn", "CB Loss [beta=vanilla]"),
        ("posthoc[method=no_such]", "gcn", "Prior tuned [method=no_such]"),
    ],
)
def test_a_row_is_called_by_titles_and_options(label: str, encoder: str, expected: str) -> None:
    assert method_title(label, encoder) == expected


def test_no_title_of_what_is_not_registered() -> None:
    with pytest.raises(UnknownNameError):
        method_title("no_such_method")


def test_every_method_alone_is_called_by_its_title() -> None:
    for name in METHODS.names():
        assert method_title(name) == METHODS.get(name).facts["title"]
