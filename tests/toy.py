"""The toy data of the conformance checks, under a short name for tests."""

from bench.conformance.toy import FEATURES, toy_data, toy_split

__all__ = ["FEATURES", "toy_data", "toy_split"]
