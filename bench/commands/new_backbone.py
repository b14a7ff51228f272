"""Start an encoder: a file that passes all checks and waits to be changed."""

from __future__ import annotations

from pathlib import Path

import bench.models
from bench.checkout import CHECKOUT, PROGRAM
from bench.commands.console import console
from bench.commands.from_template import write_from


def write_backbone(name: str, *, title: str | None, folder: Path | None) -> int:
    """Write ``folder/name.py`` from the template and say what to do with it.

    Parameters
    ----------
    name : str
        Name of the encoder and of its file.
    title : str, optional
        Its name in tables; made from the name when None.
    folder : Path, optional
        When None, ``bench/models`` of the checkout, or the current folder of an installed package.

    Raises
    ------
    UsageError
        The name or title will not do, the name is taken, or the file is there already.
    StoreError
        The file cannot be written.
    """
    found_by_itself = Path(bench.models.__path__[0])
    if folder is None:
        folder = found_by_itself if CHECKOUT else Path()
    path = write_from("backbone", name, title=title, folder=folder)
    console.print(f"Written: {path}")
    console.print("Change its layers, its docstring and its reference, then:")
    if folder.resolve() == found_by_itself.resolve():
        console.print(f"  {PROGRAM} check {name}")
        console.print(f"  {PROGRAM} --methods vanilla --backbones gcn,{name} --epochs 2")
    else:
        console.print(f"  {PROGRAM} check {path}")
        console.print(
            f"  {PROGRAM} --plugin {path} --methods vanilla --backbones gcn,{name} --epochs 2"
        )
    return 0
