import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from bench.sweep import worker


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("error", [None, ValueError], ids=["done", "failed"])
def test_a_run_has_one_thread_for_linear_algebra_too_and_gives_the_others_back(monkeypatch, error):
    """Runs side by side take all cores each, and a result may depend on how many there are."""
    seen = []

    def train(*_):
        seen.append(blas_threads())
        if error:
            raise error

    monkeypatch.setattr(worker, "_train_and_store", train)
    with threadpool_limits(2):
        before = blas_threads()
        try:
            worker._run_and_store(None, None, None, None)
        except ValueError:
            assert error
        assert blas_threads() == before == {2}
    assert seen == [{1}]
