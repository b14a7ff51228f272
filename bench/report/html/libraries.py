"""The two libraries of the page, packed so that the page stays small: DataTables and plotly."""

from __future__ import annotations

import base64
import zlib
from functools import cache
from importlib.resources import files

from bench.errors import UnavailableError

# Package to its file, by the name under which the page unpacks it.
_FILES = {
    "tables": ("itables", "html/dt_bundle.js"),
    "tables-style": ("itables", "html/dt_bundle.css"),
    "plots": ("plotly", "package_data/plotly.min.js"),
}


@cache
def packed_libraries() -> dict[str, str]:
    """Name to the file, deflated with a zlib header and in base 64.

    Raises
    ------
    UnavailableError
        A package is not installed, or holds no such file.
    """
    return {name: _pack(*place) for name, place in _FILES.items()}


def _pack(package: str, path: str) -> str:
    try:
        content = files(package).joinpath(path).read_bytes()
    except (ModuleNotFoundError, OSError) as error:
        raise UnavailableError(
            f"Expected the file {path} of the package {package} for the page, but it cannot be "
            f"read: {error}. Run: pip install -r requirements.txt"
        ) from None
    return base64.b64encode(zlib.compress(content, 9)).decode()
