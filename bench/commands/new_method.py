"""Start a method: a file that trains, passes all checks but one and waits to be changed."""

from __future__ import annotations

import json
import keyword
from pathlib import Path
from string import Template

import bench.methods
from bench.checkout import CHECKOUT, PROGRAM
from bench.commands.console import console
from bench.errors import StoreError, UsageError
from bench.method import GROUPS, METHODS
from bench.registry import NAME_PATTERN

_TEMPLATE = Path(__file__).parent / "templates" / "method.py.txt"

# A title is the heading of a table's row.
_LONGEST_TITLE = 40


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
    found_by_itself = Path(bench.methods.__path__[0])
    if folder is None:
        folder = found_by_itself if CHECKOUT else Path()
    _check_name(name, folder)
    title = name.replace("_", " ").capitalize() if title is None else title
    _check_title(title)
    path = folder / f"{name}.py"
    _write_new(path, method_source(name, title))
    console.print(f"Written: {path}")
    console.print("Change its loss, its docstring and its reference, then:")
    if folder.resolve() == found_by_itself.resolve():
        console.print(f"  {PROGRAM} check {name}")
        console.print(f"  {PROGRAM} --methods vanilla,{name} --epochs 2")
    else:
        console.print(f"  {PROGRAM} check {path}")
        console.print(f"  {PROGRAM} --plugin {path} --methods vanilla,{name} --epochs 2")
    console.print(
        "Until docstring and reference are its own, it passes all checks but description."
    )
    return 0


def method_source(name: str, title: str) -> str:
    """The source of a method called `name` that smooths labels."""
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=name,
        class_name="".join(word.capitalize() for word in name.split("_")),
        # A JSON string of printable characters is a Python string too.
        title=json.dumps(title, ensure_ascii=False),
    )


def _check_name(name: str, folder: Path) -> None:
    if not NAME_PATTERN.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"Expected a name that matches {NAME_PATTERN.pattern} and is no word of Python's, but "
            f"got {name!r}. Use lower-case letters, digits and underscores."
        )
    if name == "all" or name in GROUPS:
        raise UsageError(f"{name!r} means a group of methods on the command line. Choose another.")
    if name in METHODS or name in METHODS.unavailable() or (folder / name).exists():
        raise UsageError(f"The name {name!r} is taken. Choose another.")


def _check_title(title: str) -> None:
    if not title.strip() or not title.isprintable() or len(title) > _LONGEST_TITLE:
        raise UsageError(
            f"Expected a title of 1 to {_LONGEST_TITLE} printable characters, but got {title!r}."
        )


def _write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already and is left as it is.") from None
    except OSError as error:
        raise StoreError(
            f"Expected to write {path}, but got: {error.strerror}. Choose a folder with --dir."
        ) from None
