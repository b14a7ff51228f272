"""Figures of a sweep as PDF, SVG and PNG, from run records only."""

from bench.report.figures.embedding import Embedding
from bench.report.figures.source import Source, source_of
from bench.report.figures.write import write_figures

__all__ = ["Embedding", "Source", "source_of", "write_figures"]
