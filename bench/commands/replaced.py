"""Whether the table that is about to be replaced showed other data under the same name."""

from __future__ import annotations

from collections.abc import Sequence

from bench.errors import StoreError
from bench.sweep.plan import Job
from bench.sweep.store import Store


def replaced_data(store: Store, jobs: Sequence[Job]) -> list[str]:
    """Labels of data sets whose samples are not those of the last plan's runs.

    Two files of one name, or one that was edited, have one label.
    """
    try:
        last = store.read_plan()["jobs"]
    except StoreError:  # there is none, or it is damaged and will be written again
        return []
    now = {job.dataset.label: job.content_sha256 for job in jobs}
    before: dict[str, str] = {}
    for job in last:
        label = job["dataset_label"]
        if label in now and label not in before and (record := store.read(job["job_id"])):
            before[label] = record["data"]["content_sha256"]
    return [label for label, content in before.items() if content != now[label]]
