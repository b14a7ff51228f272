"""Figures of a sweep as PDF, SVG and PNG, from run records only."""

from bench.report.figures.embedding import Embedding
from bench.report.figures.source import Source, source_of_table
from bench.report.figures.write import Picture, draw_figures, write_figures

__all__ = [
    "Embedding",
    "Picture",
    "Source",
    "draw_figures",
    "source_of_table",
    "write_figures",
]
