"""Packages that a method needs and the benchmark does without."""

from __future__ import annotations

from importlib import import_module

from bench.errors import UnavailableError


def require_package(package: str, method: str, extra: str) -> None:
    """Raise an error that says what to install, where `package` cannot be imported."""
    try:
        import_module(package)
    except ImportError as error:
        raise UnavailableError(
            f"Expected the package {package} for the method {method}, but it cannot be imported "
            f"({error}). Install the extra: pip install 'ltdd-bench[{extra}]'."
        ) from error
