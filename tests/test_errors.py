from hypothesis import given
from hypothesis import strategies as st

from bench.errors import nearest

words = st.text("abcABC ", min_size=1, max_size=8)
names = st.lists(words, min_size=1, max_size=3).map(";".join)


def test_what_looks_alike_is_offered_whatever_the_case():
    assert nearest("smiles", ["SMILES", "y"]) == ["SMILES"]
    assert nearest("sdr_", ["sdr", "sdr_la", "cb"], count=1) == ["sdr"]


@given(name=words, known=st.lists(names))
def test_a_hint_never_repeats_what_was_typed(name, known):
    """The hint to an unknown column is the header that was read with the wrong delimiter."""
    offered = nearest(name, [*known, name, f"{name};y", f"id\t{name}"])
    assert set(offered) <= set(known)
    assert not any(name in other.split(";") for other in offered)
    assert nearest(f"{name};y", [f"{name};y"]) == []
