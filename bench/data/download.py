"""Fetch one file over HTTP; every way it can go wrong has a message of its own."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from bench.errors import DataError

TIMEOUT_SECONDS = 30.0

LARGEST_BYTES = 1 << 30
"""Most bytes that are fetched: a home that never stops sending must not fill the disk."""


def fetch_url(url: str, target: Path, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """Download `url` to `target`, a temporary file that the caller checks and moves.

    Parameters
    ----------
    timeout_seconds : float
        Longest silence of the server, before its answer or within it.

    Raises
    ------
    DataError
        Not found or refused, no answer in time, not reachable, broken off half-way, redirected
        to something other than HTTP, a web page in place of data, more than
        :data:`LARGEST_BYTES`, or no room to write it.
    """
    # Both take a while to import, and most runs find their data on disk.
    import pooch
    import requests

    try:
        with target.open("wb") as file:
            pooch.HTTPDownloader(timeout=timeout_seconds)(url, _Limited(file, url), None)
    except requests.HTTPError as error:
        # Its text begins with the status: "404 Client Error: Not Found for url: ...".
        raise DataError(f"Expected a file from {url}, but got {error}.") from error
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
        raise DataError(
            f"Expected {url} to lead to an http or https address, but it does not: {error}. "
            "Nothing was read from there."
        ) from error
    except (
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
    ) as error:
        raise DataError(
            f"Expected the whole of {url}, but the connection broke off half-way. Try again."
        ) from error
    except requests.RequestException as error:
        # A time-out within the body comes as a ConnectionError that only its text tells apart.
        if isinstance(error, requests.Timeout) or "timed out" in str(error):
            raise DataError(
                f"Expected data from {url}, but it was silent for {timeout_seconds:g} s. Try again."
            ) from error
        # urllib3 wraps the reason in the text of its retries.
        reason = getattr(error.args[0], "reason", error) if error.args else error
        raise DataError(f"Expected to reach {url}, but could not: {reason}.") from error
    except OSError as error:
        raise DataError(f"Expected to write {target}, but could not: {error}.") from error
    _refuse_web_page(url, target)


class _Limited:
    """A file for writing that takes only so much."""

    def __init__(self, file: BinaryIO, url: str) -> None:
        self._file = file
        self._url = url
        self._left = LARGEST_BYTES

    def write(self, block: bytes) -> None:
        self._left -= len(block)
        if self._left < 0:
            raise DataError(
                f"Expected at most {LARGEST_BYTES:,} bytes from {self._url}, but got more. "
                "Nothing was kept."
            )
        self._file.write(block)

    def flush(self) -> None:
        self._file.flush()


def _refuse_web_page(url: str, path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(512).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        raise DataError(
            f"Expected a data file from {url}, but got a web page, such as an error or log-in "
            "page. Open the address in a browser to see what it says."
        )
