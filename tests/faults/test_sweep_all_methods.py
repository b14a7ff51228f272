import pytest

from tests.faults.sweep_commands import Command, figures


@pytest.mark.slow
@pytest.mark.fault(63)
def test_all_methods_on_two_splits_with_two_seeds_are_done(tmp_path):
    """A method that works alone fails in a sweep of all, or makes it crawl."""
    splits = "random,random[group_duplicates=true]"
    command = Command(
        tmp_path, "--methods", "all", "--splits", splits, "--seeds", "0,1", "--jobs", "2"
    )
    assert command.wait(600) == 0, command.log.read_text()
    assert {row["status"] for row in figures(command.out)} == {"complete"}
