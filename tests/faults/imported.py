"""All that a benchmark imports before it begins, for processes that are forked from one."""

import scipy.stats  # noqa: F401

import bench.cli
import bench.commands.run  # noqa: F401
from bench.backbone import BACKBONES
from bench.dataset import DATASETS
from bench.method import METHODS
from bench.split import SPLITS
from bench.sweep.provenance import provenance

for registry in (BACKBONES, DATASETS, METHODS, SPLITS):
    registry.discover()
provenance()  # asks git
