"""Start a method: a file that trains, passes all checks but one and waits to be changed."""

from __future__ import annotations

from pathlib import Path

import bench.methods
from bench.checkout import CHECKOUT, PROGRAM
from bench.commands.console import console
from bench.commands.from_template import write_from
from bench.errors import UsageError
from bench.method import GROUPS


def write_method(name: str, *, title: str | None, folder: Path | None) -> int:
    """Write ``folder/name.py`` from the template and say what to do with it.

    Parameters
    ----------
    name : str
        Name of the method and of its file.
    title : str, optional
        Row heading; made from the name when None.
    folder : Path, optional
        When None, ``methods`` of the checkout, or the current folder of an installed package.

    Raises
    ------
    UsageError
        The name or title will not do, the name is taken, or the file is there already.
    StoreError
        The file cannot be written.
    """
    found_by_itself = Path(bench.methods.__path__[0]).resolve()
    if folder is None:
        folder = found_by_itself if CHECKOUT else Path()
    if name == "all" or name in GROUPS:
        raise UsageError(f"{name!r} means a group of methods on the command line. Choose another.")
    path = write_from("method", name, title=title, folder=folder)
    console.print(f"Written: {path}")
    console.print("Change its loss, the docstring of its class and its reference, then:")
    if folder.resolve() == found_by_itself:
        console.print(f"  {PROGRAM} check {name}")
        console.print(f"  {PROGRAM} --methods vanilla,{name} --epochs 2")
    else:
        console.print(f"  {PROGRAM} check {path}")
        console.print(f"  {PROGRAM} --plugin {path} --methods vanilla,{name} --epochs 2")
    console.print("The second command is a quick try; README.md sets it beside 17 methods.")
    console.print(
        "Until docstring and reference are its own, it passes all checks but description."
    )
    return 0
