"""What a benchmark imports before it begins, for processes that are forked from one.

But for ``bench.commands``: how wide the screen is, that room asks when it is imported.
"""

import scipy.stats  # noqa: F401

import bench.report.writers.write
import bench.sweep.archive
import bench.sweep.local  # noqa: F401
from bench.backbone import BACKBONES
from bench.dataset import DATASETS
from bench.method import METHODS
from bench.split import SPLITS
from bench.sweep.provenance import provenance

for registry in (BACKBONES, DATASETS, METHODS, SPLITS):
    registry.discover()
provenance()  # asks git
