"""A run in MLflow for each run: in ``MLFLOW_TRACKING_URI``, or files in ``OUT/mlruns``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bench.tracking.listener import Run, Tracker, own_folder, register_tracker

_NAME = "ltdd-bench"


@register_tracker("mlflow")
class MLflow(Tracker):
    """Settings as parameters, epochs as steps, figures of the test set at the end."""

    needs = "mlflow"

    def __init__(self, out: Any, runs: Mapping[str, Run]) -> None:
        super().__init__(out, runs)
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow import MlflowClient

        where = os.environ.get("MLFLOW_TRACKING_URI")
        self._client = MlflowClient(where or own_folder(out, "mlruns").absolute().as_uri())
        found = self._client.get_experiment_by_name(_NAME)
        self._experiment = found.experiment_id if found else self._client.create_experiment(_NAME)
        self._open: dict[str, tuple[str, int]] = {}  # its MLflow run and the last epoch there

    def epoch(self, job_id: str, report: Any) -> None:
        if job_id not in self._open or report.epoch == 1:
            self._open[job_id] = self._begin(self.runs[job_id], report.epoch)
        run_id, last = self._open[job_id]
        if report.epoch <= last:  # told of before, by an attempt that came further
            return
        for name in ("train_loss", "valid_loss", "valid_balanced_accuracy", "learning_rate"):
            if (value := getattr(report, name)) is not None:
                self._client.log_metric(run_id, name, value, step=report.epoch)
        self._open[job_id] = run_id, report.epoch

    def finished(self, outcome: Any, record: Mapping[str, Any] | None) -> None:
        if record is not None and not outcome.elsewhere and outcome.job_id not in self._open:
            # A forest tells of no epoch, nor does a run that was stopped after its last one.
            epoch = (record["selection"]["epoch"] or 0) + 1
            self._open[outcome.job_id] = self._begin(self.runs[outcome.job_id], epoch)
        if outcome.job_id in self._open:
            run_id, _ = self._open.pop(outcome.job_id)
            for name, value in (record or {}).get("metrics", {}).items():
                if isinstance(value, int | float):
                    self._client.log_metric(run_id, f"test_{name}", value)
            self._client.set_tag(run_id, "error", outcome.error or "none")
            self._client.set_terminated(run_id, "FAILED" if outcome.error else "FINISHED")

    def close(self) -> None:
        for run_id, _ in self._open.values():
            self._client.set_terminated(run_id, "KILLED")

    def _begin(self, run: Run, epoch: int) -> tuple[str, int]:
        """A new MLflow run, or, where this one goes on from a checkpoint, that of before."""
        query = f"tags.job_id = '{run.job_id}'"
        if epoch > 1 and (found := self._client.search_runs([self._experiment], query)):
            run_id = found[0].info.run_id
            self._client.update_run(run_id, status="RUNNING")
            steps = self._client.get_metric_history(run_id, "train_loss")
            return run_id, max((metric.step for metric in steps), default=0)
        told = ("job_id", "dataset", "split", "method", "seed")
        tags = {name: str(getattr(run, name)) for name in told}
        made = self._client.create_run(self._experiment, tags=tags, run_name=run.title)
        for key, value in run.settings.items():
            self._client.log_param(made.info.run_id, key, value)
        return made.info.run_id, 0
