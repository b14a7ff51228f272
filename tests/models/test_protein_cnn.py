from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from bench.models.protein_cnn import ProteinCNN, ProteinCNNOptions


def test_parameters_are_those_of_the_published_shapes():
    encoder = ProteinCNN(ProteinCNNOptions())
    shapes = {name: tuple(value.shape) for name, value in encoder.named_parameters()}
    assert shapes == {
        "convolutions.0.weight": (32, 26, 4),
        "convolutions.0.bias": (32,),
        "convolutions.2.weight": (64, 32, 8),
        "convolutions.2.bias": (64,),
        "convolutions.4.weight": (96, 64, 12),
        "convolutions.4.bias": (96,),
        "output.weight": (256, 96),
        "output.bias": (256,),
    }


def test_sequences_are_coded_cut_and_padded():
    rows = ProteinCNN(ProteinCNNOptions(length=32)).tokenise(["ACZ", "aJ*é", "A" * 40])
    assert rows.shape == (3, 32)
    assert rows.dtype == np.uint8
    assert rows[0, :4].tolist() == [1, 3, 25, 0]
    assert rows[1].tolist() == [1] + [0] * 31
    assert (rows[2] == 1).all()


def test_embeddings_are_maxima_over_all_places_of_the_filters():
    encoder = ProteinCNN(ProteinCNNOptions())
    rows = torch.from_numpy(encoder.tokenise(["MKTAYIAKQRQISFVKSHFSRQ", "GAVLIPFMW"]))
    x = torch.zeros(2, 26, 1000).scatter_(1, rows.long()[:, None], 1.0)
    for number in (0, 2, 4):
        layer = encoder.convolutions[number]
        x = F.conv1d(x, layer.weight, layer.bias).clamp(min=0)
    assert x.shape == (2, 96, 979)
    torch.testing.assert_close(encoder(rows), encoder.output(x.max(dim=2).values))
    assert encoder(rows).shape == (2, encoder.out_features) == (2, 256)
