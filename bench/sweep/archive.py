"""Finished runs in one compressed file, small enough for a repository.

``records.tar.xz`` holds, under their names in the results folder, the plans and of each sound run
``record.json`` as it is and ``decisions.safetensors``: no weights, no logits, no failures. Equal
contents give equal bytes. ``records.tar.xz.sha256`` is its checksum for ``sha256sum -c``. Which of
two archives counts is decided by the checksum alone: a new one waits in ``records.tar.xz.new``
until its checksum is written, so that a process may be killed at any moment in between.

``runs/.unpacked`` is the checksum of the archive that was unpacked last. An archive is unpacked
once, unless no run is left: what is discarded afterwards, to be run again, does not come back from
it. What is here stays, be it older than in the archive, which is told. Writing one takes over what
the one before holds and the folder has lost, and of a run in both the one that was finished later.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import os
import re
import stat
import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import StoreError
from bench.files import (
    MOST_DECISIONS,
    MOST_JSON,
    entries,
    kind_of,
    new_folder,
    read_regular,
    write_atomically,
    write_new,
)
from bench.sweep.decisions import pack_decisions, unpack_decisions
from bench.sweep.store import DECISIONS, RECORD, Store, plan_in, problem_of_record

_ARCHIVE = "records.tar.xz"
_NEW = f"{_ARCHIVE}.new"
_CHECKSUM = f"{_ARCHIVE}.sha256"
UNPACKED = "runs/.unpacked"
_PLAN = re.compile(r"plan\.json|plans/[a-z0-9_]{1,80}\.json")
_RUN = re.compile(r"runs/(?P<job_id>[0-9a-f]{20})/(?P<file>record\.json|decisions\.safetensors)")
# Settings of xz, spelt out: they decide the bytes. Runs on one split have the same labels, which
# a dictionary as large as some thousand runs finds again. The slowest preset takes twice the time
# for a twentieth less. It is text: letters tell the next one (lc), their places do not (pb).
_FILTERS = (
    {
        "id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 2**25,
        "lc": 4, "lp": 0, "pb": 0,
    },
)  # fmt: skip
# Of an archive, unpacked, of its members and of what unpacks it; three hundred runs are a tenth.
_MOST_BYTES = 2**28
_MOST_MEMBERS = 30_000
_MOST_MEMORY = 2**27


@dataclass(frozen=True)
class Archived:
    """What was written; `size` is in bytes.

    Of what was damaged, `left_out` says how; what `kept` names is as the archive before had it, and
    it says why.
    """

    path: Path
    runs: int
    size: int
    left_out: tuple[str, ...]
    kept: tuple[str, ...]


class Unpacked(NamedTuple):
    """How many runs were put in place, and what stayed that the archive has otherwise.

    That is `older`, job ids of runs that were finished before those of the archive, and `plans` by
    name, which say nothing of when they were made.
    """

    runs: int
    older: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()


class _Contents(NamedTuple):
    """Of an archive, files of the runs that a folder lacks by job id, and all plans by name.

    Files of the runs that are `here` have not been looked at.
    """

    runs: dict[str, dict[str, bytes]]
    plans: dict[str, bytes]
    here: dict[str, dict[str, bytes]]


def write_archive(store: Store, on_progress: Callable[[int, int], None]) -> Archived:
    """Write the archive of all sound runs and plans of `store`.

    A run or plan that is damaged here or gone, but in the archive that is replaced, stays in it. So
    does a run that was finished later than the one here.

    Parameters
    ----------
    store : Store
    on_progress : callable
        Told the number of runs that were read, and of all.

    Raises
    ------
    StoreError
        There is no run, they are more than an archive may hold, the archive that would be
        replaced is damaged, or the folder cannot be written. What was there is left as it was.
    """
    members: dict[str, bytes] = {}
    damaged: dict[str, str] = {}
    left_out: list[str] = []
    kept: list[str] = []
    job_ids = store.job_ids()
    here = [kind_of(store.root / name) is not None for name in (_ARCHIVE, _NEW)]
    before = _checksum(store.root) if any(here) else None
    if not job_ids and before is None:
        raise store.without_runs()
    for number, job_id in enumerate(job_ids, start=1):
        files, problem = _files_of(store, job_id)
        if problem:
            damaged[job_id] = problem
        members |= {f"runs/{job_id}/{name}": content for name, content in files.items()}
        on_progress(number, len(job_ids))
    if before is not None:
        sound = {*job_ids} - damaged.keys()
        archived = _read(store.root, before, sound)
        later = _later(archived, {one: members[f"runs/{one}/{RECORD}"] for one in archived.here})
        members |= archived.plans
        for job_id, files in (archived.runs | later).items():
            members |= {f"runs/{job_id}/{name}": content for name, content in files.items()}
            if damaged.pop(job_id, None):
                kept.append(f"run {job_id}: damaged here")
        kept += [f"run {job_id}: older here" for job_id in later]
    left_out += [f"run {job_id}: {problem}" for job_id, problem in damaged.items()]
    for path in (store.root / "plan.json", *entries(store.root / "plans")):
        name = path.relative_to(store.root).as_posix()
        if kind_of(path) is None or not _PLAN.fullmatch(name):
            continue
        try:
            store.read_plan(None if path.parent == store.root else path.stem)
            members[name] = read_regular(path)
        except StoreError as error:
            if name in members:
                kept.append(f"{name}: damaged here")
            else:
                left_out.append(str(error))
    content = lzma.compress(
        _tar(store.root, members),
        format=lzma.FORMAT_XZ,
        check=lzma.CHECK_CRC64,
        filters=[*_FILTERS],
    )
    checksum = hashlib.sha256(content).hexdigest()
    try:
        write_atomically(store.root / _NEW, content)
        write_atomically(store.root / _CHECKSUM, f"{checksum}  {_ARCHIVE}\n".encode())
        os.replace(store.root / _NEW, store.root / _ARCHIVE)
        write_atomically(store.root / UNPACKED, checksum.encode())
    except OSError as error:
        raise _not_writable(store.root, error) from error
    runs = sum(name.endswith(f"/{RECORD}") for name in members)
    return Archived(store.root / _ARCHIVE, runs, len(content), tuple(left_out), tuple(kept))


def unpack_archive(store: Store) -> Unpacked:
    """Put what the archive of `store` has and its folder lacks in place; nothing without one.

    Safe beside other processes that do the same: each run is put in place whole or not at all.

    Raises
    ------
    StoreError
        The archive is damaged or holds what it must not, in which case nothing is unpacked, or
        the folder cannot be written.
    """
    checksum = _checksum_to_unpack(store)
    if checksum is None:
        return Unpacked(0)
    archived = _read(store.root, checksum, store.job_ids())
    # A link to a folder is not followed.
    folders = {job_id: store.root / "runs" / job_id for job_id in archived.here}
    here = {
        job_id: _content_of(folder / RECORD) if kind_of(folder) == stat.S_IFDIR else b""
        for job_id, folder in folders.items()
    }
    older = tuple(_later(archived, here))
    plans = {name: _content_of(store.root / name) for name in archived.plans}
    try:
        _put(store, archived.runs)
        for name, content in archived.plans.items():
            if kind_of(store.root / name) is None:
                (store.root / name).parent.mkdir(exist_ok=True)
                write_atomically(store.root / name, content)
        (store.root / "runs").mkdir(exist_ok=True)
        write_atomically(store.root / UNPACKED, checksum.encode())
    except OSError as error:
        raise _not_writable(store.root, error) from error
    differing = [name for name in plans if plans[name] not in (b"", archived.plans[name])]
    return Unpacked(len(archived.runs), older, tuple(differing))


def runs_to_join(store: Store) -> tuple[dict[str, dict[str, bytes]], dict[str, Any] | None]:
    """What an archive would keep of each sound run in `store` and its archive, and the last plan.

    Nothing is written; see :func:`join_runs`. There may be no plan.

    Raises
    ------
    StoreError
        The archive is damaged.
    """
    checksum = _checksum(store.root)
    archived = _Contents({}, {}, {}) if checksum is None else _read(store.root, checksum, ())
    found = archived.runs
    for job_id in store.job_ids():
        files, problem = _files_of(store, job_id)
        if problem is None and not _is_later(found.get(job_id, {}).get(RECORD, b""), files[RECORD]):
            found[job_id] = files
    if store.has_plan():
        return found, store.read_plan()
    return found, plan_in(archived.plans.get("plan.json", b""))[0]


def join_runs(store: Store, runs: Mapping[str, Mapping[str, bytes]]) -> None:
    """Put runs of :func:`runs_to_join` into another folder; what is there and sound stays.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    lacking = {job_id: files for job_id, files in runs.items() if store.read(job_id) is None}
    try:
        for job_id in lacking:
            store.remove_run(job_id)  # one that is damaged
        _put(store, lacking)
    except OSError as error:
        raise _not_writable(store.root, error) from error


def _put(store: Store, runs: Mapping[str, Mapping[str, bytes]]) -> None:
    """Put each run in place whole or not at all."""
    for job_id, files in runs.items():
        with new_folder(store.root / "runs" / job_id) as folder:
            for name, content in files.items():
                write_new(folder / name, content)


def archived_records(store: Store) -> Iterator[dict[str, Any]]:
    """The records that :func:`unpack_archive` would put in place; nothing is written."""
    checksum = _checksum_to_unpack(store)
    if checksum is not None:
        for files in _read(store.root, checksum, store.job_ids()).runs.values():
            yield json.loads(files[RECORD])


def _files_of(store: Store, job_id: str) -> tuple[dict[str, bytes], str | None]:
    """What is archived of a run, and what is wrong with it, in which case that is nothing."""
    folder = store.root / "runs" / job_id
    record, problem = store.examine(job_id)
    if problem is None and not _RUN.fullmatch(f"runs/{job_id}/{RECORD}"):
        problem = "expected a job id of 20 hexadecimal digits"
    if problem is not None:
        return {}, problem
    path = folder / DECISIONS
    try:
        decisions = store.decisions(job_id)
        packed = (
            pack_decisions(job_id, decisions)
            if kind_of(path) is None
            else read_regular(path, MOST_DECISIONS)
        )
        content = read_regular(folder / RECORD)
    except (FileNotFoundError, ValueError, StoreError) as error:
        return {}, str(error)
    if json.loads(content) != record:
        return {}, "it was replaced while it was read; archive again"
    return {RECORD: content, DECISIONS: packed}, None


def _tar(root: Path, members: Mapping[str, bytes]) -> bytes:
    """The members one behind the other; never more of them than would be read again."""
    size = 2 * tarfile.BLOCKSIZE + tarfile.RECORDSIZE  # of its end
    size += sum(2 * tarfile.BLOCKSIZE + len(content) for content in members.values())
    if size > _MOST_BYTES or len(members) > _MOST_MEMBERS:
        raise StoreError(
            f"Expected files of at most {_MOST_BYTES} bytes and at most {_MOST_MEMBERS} of them to "
            f"archive in {root}, but got {size} bytes in {len(members)} files. Archive fewer runs: "
            "divide them among several results folders with --out."
        )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(members):
            # Time, owner and group of one made by name alone are 0 and none, its mode 644.
            member = tarfile.TarInfo(name)
            member.size = len(members[name])
            tar.addfile(member, io.BytesIO(members[name]))
    return buffer.getvalue()


def _checksum_to_unpack(store: Store) -> str | None:
    """The checksum of an archive; None where there is none or it was unpacked before."""
    checksum = _checksum(store.root)
    unpacked = store.root / UNPACKED
    if checksum is None or not store.job_ids() or kind_of(unpacked) is None:
        return checksum
    try:
        known = read_regular(unpacked, len(checksum))
    except ValueError:
        return checksum
    return None if known == checksum.encode() else checksum


def _checksum(root: Path) -> str | None:
    """The checksum an archive must have; None where there is none."""
    if kind_of(root / _ARCHIVE) is None and kind_of(root / _CHECKSUM) is None:
        return None
    try:
        text = read_regular(root / _CHECKSUM, 1000).decode("ascii")
    except (OSError, ValueError) as error:
        raise _damaged(root, str(error)) from None
    found = re.fullmatch(rf"([0-9a-f]{{64}})  {re.escape(_ARCHIVE)}\n", text)
    if found is None:
        raise _damaged(root, f"{_CHECKSUM} is not a checksum of it")
    return found[1]


def _read(root: Path, checksum: str, here: Collection[str]) -> _Contents:
    """The archive; all of it but the runs that are `here` is looked at before it is used."""
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)
    try:
        plain = decompressor.decompress(_content(root, checksum), _MOST_BYTES)
        if not decompressor.eof:
            raise _damaged(root, f"it is cut off or unpacks to more than {_MOST_BYTES} bytes")
        contents = _contents(root, plain, set(here))
    except (OSError, ValueError, EOFError, lzma.LZMAError, tarfile.TarError) as error:
        raise _damaged(root, str(error)) from None
    for job_id, files in contents.runs.items():
        if problem := _problem(job_id, files):
            raise _damaged(root, f"of run {job_id}, {problem}")
    for name, content in contents.plans.items():
        if problem := plan_in(content)[1]:
            raise _damaged(root, f"of {name}, {problem}")
    return contents


def _content(root: Path, checksum: str) -> bytes:
    """The archive that has this checksum; it waits under another name after a kill."""
    for name in (_NEW, _ARCHIVE):
        if name == _NEW and kind_of(root / _NEW) is None:
            continue
        content = read_regular(root / name, _MOST_BYTES)
        if hashlib.sha256(content).hexdigest() == checksum:
            return content
    raise _damaged(root, f"it does not match {_CHECKSUM}")


def _contents(root: Path, plain: bytes, here: set[str]) -> _Contents:
    contents = _Contents({}, {}, {})
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
        for number, member in enumerate(tar):
            if number == _MOST_MEMBERS:
                raise _damaged(root, f"it holds more than {_MOST_MEMBERS} files")
            name = member.name
            run, plan = _RUN.fullmatch(name), _PLAN.fullmatch(name)
            if member.type != tarfile.REGTYPE or member.issparse() or not (run or plan):
                raise _damaged(root, f"it holds {name!r}, no file of a run and no plan")
            most = MOST_DECISIONS if run and run["file"] == DECISIONS else MOST_JSON
            if member.size > most:
                raise _damaged(root, f"{name} has {member.size} bytes, expected at most {most}")
            stream = tar.extractfile(member)
            assert stream is not None  # of a regular file
            if run:
                runs = contents.here if run["job_id"] in here else contents.runs
                runs.setdefault(run["job_id"], {})[run["file"]] = stream.read()
            else:
                contents.plans[name] = stream.read()
    return contents


def _problem(job_id: str, files: Mapping[str, bytes]) -> str | None:
    """What is wrong with the files of a run, or None."""
    if set(files) != {RECORD, DECISIONS}:
        return f"it holds {', '.join(files)} alone"
    try:
        unpack_decisions(job_id, files[DECISIONS])
        return problem_of_record(json.loads(files[RECORD]), job_id)
    except (ValueError, RecursionError) as error:
        return str(error)


def _later(archived: _Contents, here: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Of runs that are here, those that are in the archive otherwise, sound and finished later.

    Parameters
    ----------
    archived : _Contents
    here : mapping of str to bytes
        Their records as they are here, by job id.
    """
    return {
        job_id: files
        for job_id, files in archived.here.items()
        if _is_later(files.get(RECORD, b""), here[job_id]) and _problem(job_id, files) is None
    }


def _is_later(one: bytes, other: bytes) -> bool:
    """Whether the run of one record was finished after that of the other; no, if either is none."""
    if one == other:
        return False
    mine, theirs = _finished(one), _finished(other)
    return mine is not None and theirs is not None and mine > theirs


def _finished(record: bytes) -> datetime | None:
    """When a run was finished; None where its record, which may be anything, does not say it."""
    try:
        moment = datetime.fromisoformat(json.loads(record)["time"]["finished"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return moment if moment.tzinfo else None


def _content_of(path: Path) -> bytes:
    """Of a file in the folder; nothing of one that is not there or no regular file."""
    try:
        return read_regular(path)
    except (FileNotFoundError, ValueError):
        return b""


def _damaged(root: Path, what: str) -> StoreError:
    return StoreError(
        f"Expected a whole archive of runs in {root / _ARCHIVE}, but {what}. Restore it and "
        f"{_CHECKSUM} from where they came from, or remove both to go on without them."
    )


def _not_writable(root: Path, error: OSError) -> StoreError:
    return StoreError(
        f"Expected to write to {root}, but got: {error}. Free the place or choose another folder "
        "with --out."
    )
