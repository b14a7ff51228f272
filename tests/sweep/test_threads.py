import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from bench.sweep import worker


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.fault(60)
@pytest.mark.parametrize("error", [None, ValueError], ids=["done", "failed"])
def test_a_run_has_a_fixed_number_of_threads_for_linear_algebra_and_gives_them_back(
    monkeypatch, error
):
    """Runs side by side took all cores each, and the last bits depend on how many there are."""
    seen = []

    def train(*_):
        seen.append(blas_threads())
        assert torch.get_num_threads() == 1  # a run has a core, and torch has it
        if error:
            raise error

    monkeypatch.setattr(worker, "_train_and_store", train)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # the suite has one, as a run must have whatever its process has
    try:
        with threadpool_limits(1, user_api="blas"):
            before = blas_threads()
            try:
                worker._run_and_store(None, None, None, None)
            except ValueError:
                assert error
            assert blas_threads() == before == {1}
    finally:
        torch.set_num_threads(threads)
    assert seen == [{worker.BLAS_THREADS}]
