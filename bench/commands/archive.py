"""The archive of run records: written by one command, unpacked by all that read results."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.commands.console import console, errors, warn
from bench.commands.progress import LiveStep
from bench.report.document.numbers import counted
from bench.sweep.archive import unpack_archive, write_archive
from bench.sweep.store import Store

# A repository of results is to stay below 10 MiB, pictures and pages included.
_LARGE_MIB = 5.0


def archive_results(out: Path) -> int:
    """Write the archive of all sound runs in `out`; 1 when some are damaged.

    Raises
    ------
    StoreError
        There is no run, or the folder cannot be written.
    """
    store = open_results(out)
    with LiveStep("Reading runs") as step:
        archived = write_archive(store, partial(step.advance, "Reading runs"))
    for what in archived.left_out:
        warn(f"Left out, as it is damaged: {what}")
    for what in archived.kept:
        warn(f"Damaged here and kept as the archive before had it: {what}")
    size = archived.size / 2**20
    console.print(f"{counted(archived.runs, 'run')} in {archived.path}, {size:.2f} MiB.")
    if size > _LARGE_MIB:
        warn(f"The archive is larger than {_LARGE_MIB:g} MiB, which is much for a repository.")
    return 1 if archived.left_out or archived.kept else 0


def open_results(out: Path) -> Store:
    """The results folder, after what its archive has and it lacked was put in place.

    Raises
    ------
    StoreError
        The archive is damaged, or the folder cannot be written.
    """
    store = Store(out)
    unpacked = unpack_archive(store)
    if unpacked:
        # Results may go to the standard output.
        errors.print(f"{counted(unpacked, 'run')} unpacked from the archive in {out}.")
    return store
