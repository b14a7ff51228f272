"""Histograms of the similarity of test to training, as pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from bench.data.similarity import CLOSE
from bench.errors import UnavailableError

_BINS = np.linspace(0, 1, 51).tolist()


def similarity_figure(title: str, similarities: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """Draw one histogram a split, one over the other.

    Parameters
    ----------
    title : str
        Name of the data set.
    similarities : mapping of str to ndarray of float64, shape (T,)
        Name of a split to the similarity of each test sample to the nearest training sample.

    Returns
    -------
    dict of str to bytes
        Suffix, ``".png"`` and ``".svg"``, to the content of the file; equal input gives equal
        bytes.

    Raises
    ------
    UnavailableError
        Matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UnavailableError(
            f"Expected the package matplotlib for the figure of {title}, but it cannot be "
            f"imported: {error}. Run: pip install matplotlib"
        ) from None
    # A name is not a formula, whatever dollar signs it holds.
    with mpl.rc_context({"text.parse_math": False, "svg.hashsalt": "similarity", "font.size": 9}):
        figure = Figure(figsize=(6, 3.5), layout="constrained")
        axes = figure.add_subplot()
        for split, values in similarities.items():
            label = f"{split}: median {np.median(values):.2f}"
            # Shares, as the test sets of two splits differ in size.
            weights = np.full(len(values), 100 / len(values))
            axes.hist(values, _BINS, weights=weights, histtype="step", linewidth=1.5, label=label)
        axes.axvline(CLOSE, color="grey", linestyle=":", linewidth=1)
        axes.set_xlim(0, 1)
        axes.set_xlabel("Tanimoto similarity to the nearest training molecule")
        axes.set_ylabel("share of test samples [%]")
        axes.set_title(title)
        axes.legend(loc="upper left", frameon=False)
        files = {}
        for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
            stream = io.BytesIO()
            figure.savefig(stream, format=suffix[1:], dpi=200, metadata=metadata)
            files[suffix] = stream.getvalue()
    return files
