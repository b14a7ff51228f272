"""The archive of run records: written by one command, unpacked by all that read results."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.commands.console import console, errors, warn
from bench.commands.progress import LiveStep
from bench.plain_text import some_of
from bench.report.document.numbers import counted
from bench.sweep.archive import UNPACKED, unpack_archive, write_archive
from bench.sweep.store import Store

# A repository of results is to stay below 10 MiB, pictures and pages included.
_LARGE_MIB = 5.0
# Of very many runs, those that are named.
_SHOWN = 20


def archive_results(out: Path) -> int:
    """Write the archive of all sound runs in `out`; 1 when it is not what is here.

    That is so where something is damaged here or older than in the archive before.

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
    if archived.kept:
        warn(
            f"What the archive had before stays in it: {some_of(archived.kept, _SHOWN)}. To take "
            f"it here, too, delete it in {out} together with {out / UNPACKED} and start again."
        )
    size = archived.size / 2**20
    console.print(f"{counted(archived.runs, 'run')} in {archived.path}, {size:.2f} MiB.")
    if size > _LARGE_MIB:
        warn(f"The archive is larger than {_LARGE_MIB:g} MiB, which is much for a repository.")
    return 1 if archived.left_out or archived.kept else 0


def open_results(out: Path) -> Store:
    """The results folder, after what its archive has and it lacked was put in place.

    What is older here than in a new archive is warned of.

    Raises
    ------
    StoreError
        The archive is damaged, or the folder cannot be written.
    """
    store = Store(out)
    unpacked = unpack_archive(store)
    if unpacked.runs:
        # Results may go to the standard output.
        errors.print(f"{counted(unpacked.runs, 'run')} unpacked from the archive in {out}.")
    if unpacked.older:
        warn(
            f"{counted(len(unpacked.older), 'run')} in {out} differ from those of the archive and "
            f"were finished earlier: {some_of(unpacked.older, _SHOWN)}. They stay. To take those "
            f"of the archive, delete their folders and {out / UNPACKED}, or all of {out / 'runs'}, "
            "and start again."
        )
    if unpacked.plans:
        warn(
            f"Plans in {out} differ from those of the archive: {some_of(unpacked.plans, _SHOWN)}. "
            f"They stay. To take those of the archive, delete them and {out / UNPACKED} and start "
            "again."
        )
    return store
