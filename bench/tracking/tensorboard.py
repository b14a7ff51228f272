"""Event files for TensorBoard, a folder a run: ``tensorboard --logdir OUT/tensorboard``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bench.tracking.listener import Run, Tracker, own_folder, register_tracker


@register_tracker("tensorboard")
class TensorBoard(Tracker):
    """Curves by epoch, and settings as text."""

    needs = "tensorboard"

    def __init__(self, out: Any, runs: Mapping[str, Run]) -> None:
        super().__init__(out, runs)
        self._writers: dict[str, Any] = {}

    def started(self, job_id: str) -> None:
        self._close(job_id)

    def epoch(self, job_id: str, report: Any) -> None:
        from torch.utils.tensorboard import SummaryWriter

        run = self.runs[job_id]
        if job_id not in self._writers:
            title = re.sub(r"[^\w=.,\[\]-]+", "_", run.title)[:150]
            folder = own_folder(own_folder(self.out, "tensorboard"), f"{title}_{job_id[:8]}")
            # Of an earlier attempt TensorBoard forgets this epoch and those after it.
            writer = SummaryWriter(str(folder), purge_step=report.epoch)
            lines = [f"    {key} = {value}" for key, value in run.settings.items()]
            writer.add_text("settings", "\n".join(lines), report.epoch)
            self._writers[job_id] = writer
        for tag, value in (
            ("loss/train", report.train_loss),
            ("loss/valid", report.valid_loss),
            ("balanced_accuracy/valid", report.valid_balanced_accuracy),
            ("learning_rate", report.learning_rate),
            ("seconds", report.seconds),
        ):
            if value is not None:
                self._writers[job_id].add_scalar(tag, value, report.epoch)
        self._writers[job_id].flush()

    def finished(self, outcome: Any, record: Mapping[str, Any] | None) -> None:
        if record is not None and outcome.job_id in self._writers:
            for name, value in record["metrics"].items():
                if isinstance(value, int | float):
                    epoch = record["selection"]["epoch"]
                    self._writers[outcome.job_id].add_scalar(f"test/{name}", value, epoch)
        self._close(outcome.job_id)

    def close(self) -> None:
        for job_id in list(self._writers):
            self._close(job_id)

    def _close(self, job_id: str) -> None:
        if writer := self._writers.pop(job_id, None):
            writer.close()
