import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from bench.errors import UsageError
from bench.options import Options
from bench.spec import Spec, check_options, parse_spec, specs_of_lists, split_list
from bench.strict_yaml import parse_value


class Example(Options):
    beta: float = Field(0.5, ge=0, lt=1)
    columns: tuple[str, ...] = ()
    on: bool = False
    names: list[str] | None = None


def test_lists_split_outside_brackets_and_quotes():
    assert split_list("a, b[x=1,y=2] ,,c") == ["a", "b[x=1,y=2]", "c"]
    assert split_list('c[path="a,b].csv",k=1],d') == ['c[path="a,b].csv",k=1]', "d"]


def test_quotes_inside_quotes_do_not_end_them():
    assert split_list(r'c[path="q\"u,o.csv",k=1],d') == [r'c[path="q\"u,o.csv",k=1]', "d"]
    assert parse_spec(r'c[path="q\"uo.csv"]').options == {"path": 'q"uo.csv'}


def test_no_text_is_an_empty_one():
    """Tables have such labels."""
    assert parse_spec("stack[networks=]").options == {"networks": ""}
    assert Spec("stack", {"networks": ""}).label == "stack[networks=]"


@given(st.text())
def test_a_label_is_read_back_as_what_it_says(text):
    options = {"text": text, "whole": 1}
    assert parse_spec(Spec("name", options).label).options == options


@pytest.mark.parametrize("text", ["2024-13-45", "0x_", "[" * 3000])
def test_values_that_are_no_yaml_are_text(text):
    assert parse_value(text) == text


def test_exponents_need_no_point():
    assert parse_spec("cb[beta=1e-1]").options == {"beta": 0.1}


def test_options_are_read_as_yaml_scalars():
    spec = parse_spec('cb[beta=0.99, on=true,columns=["a b","c"]]')
    assert spec == Spec("cb", {"beta": 0.99, "on": True, "columns": ["a b", "c"]})
    options = check_options(Example, spec, "method")
    assert (options.beta, options.on, options.columns) == (0.99, True, ("a b", "c"))


def test_label_does_not_depend_on_the_order_of_options():
    assert parse_spec("cb[b=2,a=1]").label == parse_spec("cb[ a=1 , b=2 ]").label == "cb[a=1,b=2]"
    assert parse_spec(" cb ").label == parse_spec("cb[]").label == "cb"


@pytest.mark.parametrize("text", ["cb[", "cb]", "cb[beta]", "cb[=1]", "cb[a=1,a=2]", "[a=1]", ""])
def test_malformed_specs_are_refused(text):
    with pytest.raises(UsageError, match=r"Expected|twice"):
        parse_spec(text)


@pytest.mark.fault(56)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"betta": 0.5}, "did you mean beta"),
        ({"beta": "high"}, "beta: .*number.*'high'"),
        ({"beta": 1.0}, "less than 1"),
        ({"beta": float("nan")}, "beta"),
        ({"on": 1}, "on: .*boolean"),
    ],
)
def test_wrong_options_say_what_was_expected(options, words):
    """A mistyped option is ignored, and the default runs under its name."""
    with pytest.raises(UsageError, match=words):
        check_options(Example, Spec("cb", options), "method")


def labels_of(text):
    return [spec.label for spec in specs_of_lists(parse_spec(text), Example)]


def test_lists_of_values_are_a_grid_in_which_the_last_turns_fastest():
    assert labels_of("cb[beta=[0.1,0.2],on=[true,false]]") == [
        "cb[beta=0.1,on=true]", "cb[beta=0.1,on=false]",
        "cb[beta=0.2,on=true]", "cb[beta=0.2,on=false]",
    ]  # fmt: skip
    assert labels_of("cb[beta=[0.1]]") == labels_of("cb[beta=0.1]") == ["cb[beta=0.1]"]


def test_a_list_for_an_option_that_is_one_stays_one_value():
    assert labels_of("cb[columns=[a,b],names=[c,d]]") == ['cb[columns=["a", "b"],names=["c", "d"]]']


def test_an_empty_list_of_values_is_refused():
    with pytest.raises(UsageError, match=r"at least one value in the list of 'beta' of 'cb'"):
        labels_of("cb[beta=[]]")


def test_a_list_where_one_value_is_meant_is_refused_with_a_hint():
    with pytest.raises(UsageError, match=r"got \[0.1, 0.2\]\. Several values go into the brackets"):
        check_options(Example, Spec("cb", {"beta": [0.1, 0.2]}), "method")
