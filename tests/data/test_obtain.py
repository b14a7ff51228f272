from __future__ import annotations

import contextlib
import gzip
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from bench.data import folders
from bench.data import obtain as obtain_module
from bench.data.checksums import sha256_of
from bench.data.download import fetch_url
from bench.data.obtain import locate, obtain
from bench.dataset import DATASETS, Dataset, Entity, RawSamples, Source, register_dataset
from bench.errors import DataError, UnknownNameError, UsageError

GOOD = b"smiles,label\nC,0\nCC,0\nCCC,1\n"


class Toy(Dataset):
    """Three rows and nothing else is this data set."""

    def __init__(self, *sources: Source) -> None:
        super().__init__()
        self.sources = sources

    def read(self, path: Path) -> RawSamples:
        rows = path.read_bytes().splitlines()[1:]
        if len(rows) != 3:
            raise DataError(f"Expected 3 rows in {path}, but got {len(rows)}.")
        values = [row.decode().split(",")[0] for row in rows]
        return RawSamples((Entity("molecule", "molecule", values),), np.zeros(3, int), ("a",))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.hits.append(self.path)
        getattr(self, "serve_" + self.path[1:].split(".")[0])()

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, body: bytes, *, length: int | None = None, kind: str = "text/csv") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def serve_good(self) -> None:
        body = self.server.body
        self.answer(body, length=len(body))

    def serve_html(self) -> None:
        body = b"\n <!DOCTYPE html><html><body>Please log in</body></html>"
        self.answer(body, length=len(body))

    def serve_broken(self) -> None:
        self.answer(GOOD[:10], length=len(GOOD))

    def serve_short(self) -> None:
        self.answer(GOOD[:-8])

    def serve_missing(self) -> None:
        self.send_error(404)

    def serve_silent(self) -> None:
        self.server.done.wait(10)

    def serve_stalled(self) -> None:
        self.answer(GOOD[:10], length=len(GOOD))
        self.wfile.flush()
        self.server.done.wait(10)

    def serve_endless(self) -> None:
        self.answer(GOOD)
        with contextlib.suppress(OSError):  # the client leaves
            while not self.server.done.is_set():
                self.wfile.write(GOOD * 1000)

    def serve_bomb(self) -> None:
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(gzip.compress(bytes(10_000_000)))

    def serve_local(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"file://{self.server.secret}")
        self.end_headers()

    def serve_moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/good.csv")
        self.end_headers()


@pytest.fixture
def server(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hits, server.body, server.done = [], GOOD, threading.Event()
    server.secret = tmp_path / "secret.csv"
    server.secret.write_bytes(GOOD)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.done.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    """A checkout without data, beside a shared folder without data, and no proxy."""
    checkout = tmp_path / "work" / "checkout"
    checkout.mkdir(parents=True)
    monkeypatch.setattr(folders, "CHECKOUT", checkout)
    monkeypatch.delenv("LTDD_DATA_DIR", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    return checkout


def url(server: ThreadingHTTPServer, page: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{page}"


def put(folder: Path, name: str, data: bytes = GOOD) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".download.lock")


def test_folders_are_searched_in_the_documented_order(tmp_path, checkout, monkeypatch):
    monkeypatch.setenv("LTDD_DATA_DIR", str(tmp_path / "env"))
    places = {
        "--data-dir": tmp_path / "arg",
        "LTDD_DATA_DIR": tmp_path / "env",
        "data": checkout / "data",
        "shared/data": checkout.parent / "shared" / "data",
    }
    toy = Toy(Source("toy.csv"))
    for place in places.values():
        put(place, "toy.csv")
    for origin, place in places.items():
        found = locate(toy, data_dir=tmp_path / "arg")
        assert (found.origin, found.path) == (origin, place / "toy.csv")
        (place / "toy.csv").unlink()
    assert locate(toy, data_dir=tmp_path / "arg") is None


def test_a_folder_the_user_names_wins_over_a_preferred_candidate(tmp_path, checkout):
    toy = Toy(Source("best.csv"), Source("second.csv"))
    put(checkout / "data", "best.csv")
    put(tmp_path / "arg", "second.csv")
    assert locate(toy, data_dir=tmp_path / "arg").source.filename == "second.csv"
    put(tmp_path / "arg", "best.csv")
    assert locate(toy, data_dir=tmp_path / "arg").source.filename == "best.csv"


def test_the_preferred_candidate_wins_over_the_default_folders(checkout):
    toy = Toy(Source("best.csv"), Source("second.csv"))
    put(checkout / "data", "second.csv")
    assert locate(toy).source.filename == "second.csv"
    put(checkout.parent / "shared" / "data", "best.csv")
    found = locate(toy)
    assert (found.origin, found.source.filename) == ("shared/data", "best.csv")


def test_located_carries_the_checksum_of_the_bytes(tmp_path):
    put(tmp_path, "toy.csv", b"abc")
    # FIPS 180-2, appendix B.1.
    assert locate(Toy(Source("toy.csv")), data_dir=tmp_path).sha256 == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_locate_writes_nothing(tmp_path, checkout):
    before = tree(tmp_path)
    assert locate(Toy(Source("toy.csv", url="http://x")), data_dir=tmp_path / "new") is None
    assert tree(tmp_path) == before


def test_a_given_path_is_looked_for_nowhere_else(tmp_path, checkout):
    toy = Toy(Source(str(tmp_path / "mine.csv")))
    put(checkout / "data", "mine.csv")
    with pytest.raises(DataError, match=r"file at .*mine\.csv, but there is none"):
        obtain(toy)
    put(tmp_path, "mine.csv")
    assert obtain(toy).origin == "given path"


@pytest.mark.fault(21)
@pytest.mark.parametrize("name", ["../evil.csv", "a/b.csv", "", ".hidden", "a\nb", "x" * 300])
def test_source_names_that_are_paths_are_refused(name):
    """The name of a file leads out of the data folder."""
    with pytest.raises(DataError, match="plain file name"):
        locate(Toy(Source(name)))


@pytest.mark.fault(21)
@pytest.mark.parametrize("name", ["../../x", "a/b", "CON", "x" * 300, "a\nb", ""])
def test_data_set_names_that_are_paths_are_refused(name):
    """The name of a data set leads out of the results folder."""
    with pytest.raises(UnknownNameError):
        DATASETS.get(name)
    with pytest.raises(UsageError, match="lower-case"):
        register_dataset(name, title="t", reference="r")(Toy)


def test_a_download_gets_its_name_its_checksum_and_is_found_next_time(server, tmp_path):
    toy = Toy(Source("toy.csv", url=url(server, "good.csv")))
    told = []
    first = obtain(toy, data_dir=tmp_path / "new" / "data", progress=told.append)
    assert first.path.read_bytes() == GOOD
    assert first.origin == "download"
    assert visible(first.path.parent) == ["checksums.json", "toy.csv"]
    record = json.loads((first.path.parent / "checksums.json").read_text())
    assert record == {"toy.csv": first.sha256}
    assert told == [f"Downloading toy.csv from {url(server, 'good.csv')}"]
    again = obtain(toy, data_dir=tmp_path / "new" / "data", progress=told.append)
    assert (again.path, again.sha256, again.origin) == (first.path, first.sha256, "--data-dir")
    assert server.hits == ["/good.csv"]


def test_an_honest_redirect_is_followed(server, tmp_path):
    toy = Toy(Source("toy.csv", url=url(server, "moved.csv")))
    assert obtain(toy, data_dir=tmp_path).path.read_bytes() == GOOD


@pytest.mark.fault(18)
@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("html.csv", "got a web page"),
        ("broken.csv", "broke off half-way"),
        ("short.csv", "Expected 3 rows in http.*short.csv, but got 2"),
        ("missing.csv", "got 404 Client Error"),
        ("silent.csv", "silent for 0.3 s"),
        ("stalled.csv", "silent for 0.3 s"),
        ("local.csv", "lead to an http or https address"),
    ],
)
def test_a_failed_download_says_why_and_leaves_the_folder_untouched(
    server, tmp_path, monkeypatch, page, message
):
    """A web page or half a file is kept as data, and trained on from then on."""
    monkeypatch.setattr(obtain_module, "fetch_url", partial(fetch_url, timeout_seconds=0.3))
    folder = tmp_path / "data"
    put(folder, "other.csv", b"kept")
    toy = Toy(Source("toy.csv", url=url(server, page)))
    with pytest.raises(DataError, match=message) as caught:
        obtain(toy, data_dir=folder)
    assert visible(folder) == ["other.csv"]
    text = str(caught.value)
    assert str(folder) in text
    assert f"save {url(server, page)} as {folder / 'toy.csv'}" in text
    assert ".download-" not in text


@pytest.mark.fault(18)
def test_every_kind_of_failed_download_has_words_of_its_own(server, tmp_path, monkeypatch):
    """All failed downloads read alike, and nobody knows what to mend."""
    monkeypatch.setattr(obtain_module, "fetch_url", partial(fetch_url, timeout_seconds=0.3))
    sources = {
        page: Source("toy.csv", url=url(server, f"{page}.csv"))
        for page in ("broken", "html", "missing", "silent", "local")
    }
    sources["hash"] = Source("toy.csv", url=url(server, "good.csv"), sha256="0" * 64)
    reasons = set()
    for page, source in sources.items():
        with pytest.raises(DataError) as caught:
            obtain(Toy(source), data_dir=tmp_path / "data")
        [reason] = re.findall(r"Tried to download it:\n  (.*)", str(caught.value))
        reasons.add(reason.replace(page, "").replace(source.url, "URL"))
        assert visible(tmp_path / "data") == []
    assert len(reasons) == len(sources)


@pytest.mark.fault(19)
@pytest.mark.parametrize("page", ["endless.csv", "bomb.csv"])
def test_a_home_that_never_stops_sending_is_left(server, tmp_path, monkeypatch, page):
    """A download fills the disk, at once or by unpacking on the way."""
    monkeypatch.setattr("bench.data.download.LARGEST_BYTES", 100_000)
    toy = Toy(Source("toy.csv", url=url(server, page)))
    with pytest.raises(DataError, match=r"at most 100,000 bytes from http.*, but got more"):
        obtain(toy, data_dir=tmp_path / "data")
    assert visible(tmp_path / "data") == []


def test_a_home_that_is_not_there_is_one_clear_error(tmp_path):
    toy = Toy(Source("toy.csv", url="http://127.0.0.1:1/toy.csv"))
    with pytest.raises(DataError, match=r"Expected to reach http://127\.0\.0\.1:1/toy\.csv"):
        obtain(toy, data_dir=tmp_path)


def test_the_second_home_is_tried_when_the_first_fails(server, tmp_path):
    first = Source("toy.csv", url=url(server, "missing.csv"))
    second = Source("toy.tab", url=url(server, "good.csv"))
    assert obtain(Toy(Source("local.gz"), first, second), data_dir=tmp_path).source is second
    assert server.hits == ["/missing.csv", "/good.csv"]


def test_when_all_homes_fail_one_message_names_them_all(server, tmp_path, checkout):
    sources = [Source(f"{name}.csv", url=url(server, name)) for name in ("missing", "html")]
    with pytest.raises(DataError) as caught:
        obtain(Toy(*sources), data_dir=tmp_path / "data")
    text = str(caught.value)
    for part in ("404", "web page", "missing.csv or html.csv", str(checkout / "data"), "shared"):
        assert part in text


def test_without_download_nothing_is_asked_for_or_written(server, tmp_path):
    toy = Toy(Source("toy.csv", url=url(server, "good.csv")))
    before = tree(tmp_path)
    with pytest.raises(DataError, match="Downloading was switched off"):
        obtain(toy, data_dir=tmp_path / "data", download=False)
    assert server.hits == []
    assert tree(tmp_path) == before


@pytest.mark.fault(18)
def test_a_file_changed_after_its_download_is_refused(server, tmp_path):
    """A data file edited after its download gives results that nobody can repeat."""
    toy = Toy(Source("toy.csv", url=url(server, "good.csv")))
    path = obtain(toy, data_dir=tmp_path).path
    path.write_bytes(GOOD.replace(b"CCC", b"CCN"))
    for look in (locate, obtain):
        with pytest.raises(DataError, match="written down at the first download") as caught:
            look(toy, data_dir=tmp_path)
        assert str(path) in str(caught.value)
        assert sha256_of(path) in str(caught.value)


def test_a_home_that_serves_another_file_later_is_refused_until_the_record_goes(server, tmp_path):
    toy = Toy(Source("toy.csv", url=url(server, "good.csv")))
    obtain(toy, data_dir=tmp_path).path.unlink()
    server.body = GOOD.replace(b"CCC", b"CCN")
    with pytest.raises(DataError, match="changed at its home"):
        obtain(toy, data_dir=tmp_path)
    assert not (tmp_path / "toy.csv").exists()
    (tmp_path / "checksums.json").unlink()
    assert obtain(toy, data_dir=tmp_path).path.read_bytes() == server.body


@pytest.mark.fault(18)
def test_a_declared_checksum_holds_for_downloads_and_for_files_found(server, tmp_path):
    """Another file than the published one is kept under its name."""
    source = Source("toy.csv", url=url(server, "good.csv"), sha256="0" * 64)
    with pytest.raises(DataError, match="declared by the data set"):
        obtain(Toy(source), data_dir=tmp_path)
    assert not (tmp_path / "toy.csv").exists()
    put(tmp_path, "toy.csv")
    with pytest.raises(DataError, match="changed or damaged"):
        locate(Toy(source), data_dir=tmp_path)


@pytest.mark.parametrize("record", [b"{", b"[]", b'{"toy.csv": 1}', b"\xff"])
def test_a_damaged_record_of_checksums_is_named(tmp_path, record):
    put(tmp_path, "toy.csv")
    put(tmp_path, "checksums.json", record)
    with pytest.raises(DataError, match=r"checksums\.json"):
        locate(Toy(Source("toy.csv")), data_dir=tmp_path)


def test_other_lines_of_the_record_are_kept(server, tmp_path):
    put(tmp_path, "checksums.json", b'{"other.csv": "ab"}')
    obtain(Toy(Source("toy.csv", url=url(server, "good.csv"))), data_dir=tmp_path)
    record = json.loads((tmp_path / "checksums.json").read_text())
    assert sorted(record) == ["other.csv", "toy.csv"]


def test_a_folder_that_cannot_be_written_is_passed_over(server, tmp_path, checkout):
    blocked = put(tmp_path, "file") / "below"
    toy = Toy(Source("toy.csv", url=url(server, "good.csv")))
    assert obtain(toy, data_dir=blocked).path == checkout / "data" / "toy.csv"


def test_no_writable_folder_at_all_is_one_clear_error(server, tmp_path, monkeypatch):
    blocked = put(tmp_path, "file")
    monkeypatch.setattr(folders, "CHECKOUT", blocked)
    toy = Toy(Source("toy.csv", url=url(server, "good.csv")))
    with pytest.raises(DataError, match="can be written, but found none"):
        obtain(toy)
    assert server.hits == []


def test_many_at_once_download_once(server, tmp_path):
    toy = Toy(Source("toy.csv", url=url(server, "good.csv")))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: obtain(toy, data_dir=tmp_path / "data"), range(8)))
    assert {one.sha256 for one in found} == {sha256_of(tmp_path / "data" / "toy.csv")}
    assert server.hits == ["/good.csv"]


def test_an_interrupted_download_leaves_nothing_behind(server, tmp_path, monkeypatch):
    def interrupted(path: Path) -> RawSamples:
        raise KeyboardInterrupt

    toy = Toy(Source("toy.csv", url=url(server, "good.csv")))
    monkeypatch.setattr(toy, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        obtain(toy, data_dir=tmp_path / "data")
    assert visible(tmp_path / "data") == []
