from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest
import torch
from torch import nn

from bench.models.protein_transformer import (
    AMINO_ACIDS,
    FIRST_WORD,
    UNKNOWN,
    AttentionLayer,
    ProteinTransformer,
    ProteinTransformerOptions,
    kmer_words,
)
from tests.real_data import real_file


@pytest.fixture
def encoder() -> ProteinTransformer:
    return ProteinTransformer(ProteinTransformerOptions())


def test_with_the_published_vocabulary_it_has_the_published_number_of_parameters(encoder):
    assert encoder.words.num_embeddings == 402
    encoder.words = nn.Embedding(4114, 64)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 398_272


def test_words_stand_side_by_side_and_do_not_overlap():
    assert kmer_words("ACDE", 2).tolist() == [FIRST_WORD + 1, FIRST_WORD + 2 * 20 + 3]
    assert kmer_words("YYY", 3).tolist() == [FIRST_WORD + 20**3 - 1]
    assert kmer_words("ac", 1).tolist() == [FIRST_WORD, FIRST_WORD + 1]


@pytest.mark.parametrize(
    ("sequence", "unknown"), [("", [0]), ("A", [0]), ("AXAA", [0]), ("AAA", [1]), ("ßAAA", [0])]
)
def test_words_with_unknown_letters_or_cut_by_the_end_are_one_token(sequence, unknown):
    words = kmer_words(sequence, 2)
    assert np.flatnonzero(words == UNKNOWN).tolist() == unknown


def test_every_word_has_a_number_of_its_own():
    everything = [a + b for a in AMINO_ACIDS for b in AMINO_ACIDS]
    assert kmer_words("".join(everything), 2).tolist() == list(range(2, 402))


def test_sequences_are_cut_at_545_words(encoder):
    rows = encoder.tokenise(["A" * 1200, "AA"])
    assert rows.shape == (2, 545)
    assert (rows[0] == FIRST_WORD).all()
    assert rows[1].tolist() == [FIRST_WORD] + [0] * 544


def test_padding_and_neighbours_in_the_batch_change_nothing(encoder):
    encoder.eval()
    rows = torch.from_numpy(encoder.tokenise(["MKTAYIAKQRQISFVK", "GA", "", "W" * 300]))
    together = encoder(rows)
    assert together.shape == (4, encoder.out_features) == (4, 64)
    for row, embedding in zip(rows, together, strict=True):
        torch.testing.assert_close(encoder(row[None])[0], embedding, rtol=1e-4, atol=1e-5)


def test_the_embedding_depends_on_later_words_and_on_their_order(encoder):
    encoder.eval()
    rows = torch.from_numpy(encoder.tokenise(["AACCDD", "AADDCC", "AACCEE"]))
    first, reordered, changed = encoder(rows)
    assert not torch.allclose(first, reordered, atol=1e-4)
    assert not torch.allclose(first, changed, atol=1e-4)


def test_a_layer_equals_torch_own_encoder_layer():
    ours = AttentionLayer(dropout=0.0)
    theirs = nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True)
    pairs = {
        "self_attn.out_proj.": ours.attended,
        "linear1.": ours.feed_forward[0],
        "linear2.": ours.feed_forward[2],
        "norm1.": ours.attention_norm,
        "norm2.": ours.feed_forward_norm,
    }
    state = {
        prefix + name: value
        for prefix, module in pairs.items()
        for name, value in module.state_dict().items()
    }
    for kind in ("weight", "bias"):
        parts = [getattr(ours.query, kind), getattr(ours.key_value, kind)]
        state[f"self_attn.in_proj_{kind}"] = torch.cat(parts)
    theirs.load_state_dict(state)
    x = torch.randn(3, 7, 64, generator=torch.Generator().manual_seed(0))
    present = torch.arange(7) < torch.tensor([7, 4, 1])[:, None]
    got = ours(x, x, present[:, None, None])
    expected = theirs(x, src_key_padding_mask=~present)
    torch.testing.assert_close(got[present], expected[present], rtol=1e-4, atol=1e-5)
    first = ours(x[:, :1], x, present[:, None, None])
    torch.testing.assert_close(first, expected[:, :1], rtol=1e-4, atol=1e-5)


def test_layers_start_from_different_weights(encoder):
    first, second = encoder.layers
    assert not torch.equal(first.query.weight, second.query.weight)


def test_real_sequences_have_no_unknown_words_to_speak_of(encoder):
    with gzip.open(real_file("chembl_ki.csv.gz"), "rt") as file:
        sequences = sorted({row["sequence"] for row in csv.DictReader(file)} - {""})
    rows = encoder.tokenise(sequences)
    assert len(np.unique(rows, axis=0)) == len(sequences) > 1
    assert np.mean(rows[rows != 0] == UNKNOWN) < 0.01
