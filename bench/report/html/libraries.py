"""What the page holds packed and unpacks when it is needed, plotly above all."""

from __future__ import annotations

import base64
import zlib
from functools import cache
from importlib.resources import files

from bench.errors import UnavailableError

# Package to its file, by the name under which the page unpacks it.
_FILES = {"plots": ("plotly", "package_data/plotly.min.js")}


@cache
def packed_libraries() -> dict[str, str]:
    """Name to the file, packed.

    Raises
    ------
    UnavailableError
        A package is not installed, or holds no such file.
    """
    return {name: pack(_read(*place)) for name, place in _FILES.items()}


def pack(content: bytes) -> str:
    """`content` deflated with a zlib header and in base 64, as a browser can unpack it."""
    return base64.b64encode(zlib.compress(content, 9)).decode()


def _read(package: str, path: str) -> bytes:
    try:
        return files(package).joinpath(path).read_bytes()
    except (ModuleNotFoundError, OSError) as error:
        raise UnavailableError(
            f"Expected the file {path} of the package {package} for the page, but it cannot be "
            f"read: {error}. Run: pip install -r requirements.txt"
        ) from None
