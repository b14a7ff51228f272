import pytest

from bench.backbone import BACKBONES
from bench.conformance.encoder_checks import ENCODER_CHECKS
from bench.conformance.run import encoder_of, run_check, run_checks
from bench.training.run import choose_device

_OF = {name: encoder_of(name) for name in BACKBONES.names()}
_CASES = [(name, check) for name, encoder in _OF.items() for check in ENCODER_CHECKS[encoder.kind]]


@pytest.mark.parametrize(("name", "check"), _CASES)
def test_encoder(name, check):
    """An encoder that breaks the contract: see each check's own line for the failure."""
    result = run_check(check, _OF[name])
    if result.verdict == "skipped":
        pytest.skip(result.text)
    assert result.verdict == "ok", result.text


def test_every_encoder_but_one_that_needs_another_package_can_be_imported():
    assert BACKBONES.unavailable().keys() <= {"gcn_dgl"}


@pytest.mark.gpu
@pytest.mark.parametrize("name", [name for name in _OF if not name.endswith("_dgl")])
def test_encoder_on_a_gpu(name):
    """Rounding of its own, atomic sums, and tensors left behind."""
    results = list(run_checks(encoder_of(name, choose_device("cuda"))))
    assert {r.check: r.text for r in results if r.verdict == "failed"} == {}
