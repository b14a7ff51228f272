"""Start a file of a plug-in's own from a template."""

from __future__ import annotations

import json
import keyword
from pathlib import Path
from string import Template

from bench.backbone import BACKBONES
from bench.errors import StoreError, UsageError
from bench.method import METHODS
from bench.registry import NAME_PATTERN

_TEMPLATES = Path(__file__).parent / "templates"

# A title is the heading of a table's row.
_LONGEST_TITLE = 40


def write_from(template: str, name: str, *, title: str | None, folder: Path) -> Path:
    """Write ``folder/name.py`` from a template.

    Parameters
    ----------
    template : str
        Name of its file, without ``.py.txt``.
    name : str
        Name of the plug-in and of its file.
    title : str, optional
        Its name in tables; made from `name` when None.
    folder : Path

    Raises
    ------
    UsageError
        The name or title will not do, the name is taken, or the file is there already.
    StoreError
        The file cannot be written.
    """
    _check_name(name, folder)
    title = name.replace("_", " ").capitalize() if title is None else title
    _check_title(title)
    path = folder / f"{name}.py"
    text = Template((_TEMPLATES / f"{template}.py.txt").read_text(encoding="utf-8"))
    _write_new(
        path,
        text.substitute(
            name=name,
            class_name="".join(word.capitalize() for word in name.split("_")),
            # A JSON string of printable characters is a Python string too.
            title=json.dumps(title, ensure_ascii=False),
        ),
    )
    return path


def _check_name(name: str, folder: Path) -> None:
    if not NAME_PATTERN.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"Expected a name that matches {NAME_PATTERN.pattern} and is no word of Python's, but "
            f"got {name!r}. Use lower-case letters, digits and underscores."
        )
    # `check` and tables know methods and encoders by the same names.
    for registry in (METHODS, BACKBONES):
        if name in registry or name in registry.unavailable():
            raise UsageError(f"The name {name!r} is taken by a {registry.kind}. Choose another.")
    if (folder / name).exists():
        raise UsageError(f"The name {name!r} is taken by a folder. Choose another.")


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
