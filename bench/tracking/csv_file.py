"""One table of all epochs of all runs, ``OUT/epochs.csv``, which any tool reads."""

from __future__ import annotations

import csv
import fcntl
import io
import os
from collections.abc import Iterable
from typing import Any

from bench.errors import StoreError
from bench.plain_text import visible
from bench.tracking.listener import Tracker, register_tracker

_RUN = ("job_id", "method", "dataset", "split", "seed")
_EPOCH = ("epoch", "train_loss", "valid_loss", "valid_balanced_accuracy", "learning_rate")
COLUMNS = (*_RUN, *_EPOCH, "seconds")


@register_tracker("csv")
class EpochsFile(Tracker):
    """A row an epoch; an attempt that goes on from a checkpoint replaces rows from there on."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._begun: set[str] = set()

    def started(self, job_id: str) -> None:
        self._begun.discard(job_id)

    def epoch(self, job_id: str, report: Any) -> None:
        run = self.runs[job_id]
        row = [getattr(run, name) for name in _RUN]
        row += [getattr(report, name) for name in (*_EPOCH, "seconds")]
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.out / "epochs.csv", flags, 0o666), "rb+", 0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # sweeps that share a folder write in turn
            if job_id not in self._begun:
                before = file.readall()
                if before and not before.startswith(_lines([COLUMNS])):
                    raise StoreError(f"{self.out / 'epochs.csv'} is not a table of epochs")
                kept = _without(before.decode(errors="replace"), job_id, report.epoch)
                if kept != before:
                    file.truncate(0)
                    file.write(kept)
                self._begun.add(job_id)
            file.write(_lines([row]))


def _without(text: str, job_id: str, epoch: int) -> bytes:
    """`text` under its heading, without rows of `job_id` from `epoch` on and half a last line."""
    whole = text[: text.rfind("\n") + 1]
    rows = [row for row in csv.reader(io.StringIO(whole)) if len(row) == len(COLUMNS)][1:]
    later = [row[0] == job_id and (not row[5].isdigit() or int(row[5]) >= epoch) for row in rows]
    return _lines([COLUMNS, *(row for row, gone in zip(rows, later, strict=True) if not gone)])


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    for row in rows:
        cells = ["" if cell is None else visible(str(cell)) for cell in row]
        csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
