import pytest

from bench.backbone import BACKBONES
from bench.conformance.encoder_checks import ENCODER_CHECKS
from bench.conformance.run import encoder_of, run_check

_OF = {name: encoder_of(name) for name in BACKBONES.names()}
_CASES = [(name, check) for name, encoder in _OF.items() for check in ENCODER_CHECKS[encoder.kind]]


@pytest.mark.parametrize(("name", "check"), _CASES)
def test_encoder(name, check):
    """An encoder that breaks the contract: see each check's own line for the failure."""
    result = run_check(check, _OF[name])
    if result.verdict == "not applicable":
        pytest.skip(result.text)
    assert result.verdict == "ok", result.text


def test_every_encoder_but_one_that_needs_another_package_can_be_imported():
    assert BACKBONES.unavailable().keys() <= {"gcn_dgl"}
