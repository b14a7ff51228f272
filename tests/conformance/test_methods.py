import pytest

from bench.conformance.checks import CHECKS
from bench.conformance.run import run_check, subject_of
from bench.method import METHODS, usable_methods
from tests.methods.few_trees import FewTrees, few

_FINISHED = FewTrees()


@pytest.fixture(scope="module", params=usable_methods())
def subject(request):
    return subject_of(few(request.param), _FINISHED)


@pytest.mark.fault(7)
@pytest.mark.fault(23)
@pytest.mark.fault(32)
@pytest.mark.parametrize("check", CHECKS)
def test_method(subject, check):
    """A method that breaks the contract: see each check's own line for the failure."""
    result = run_check(check, subject)
    if result.verdict == "skipped":
        pytest.skip(result.text)
    assert result.verdict == "ok", result.text


def test_every_file_in_methods_can_be_imported():
    assert METHODS.unavailable() == {}
