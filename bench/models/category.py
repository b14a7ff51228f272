"""A learned vector for each category."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from bench.backbone import CategoryBackbone, register_backbone
from bench.options import Options


class CategoryOptions(Options):
    """Shape of the encoder."""

    out: int = Field(64, ge=1, le=4096, description="length of a category's embedding")


@register_backbone("category", title="Category embedding", reference="none: a table look-up")
class Category(CategoryBackbone):
    """One trained vector per category; one that training never saw is drawn to 0 by weight decay.

    Parameters
    ----------
    num_categories : int
        Number of distinct names in the whole data set.
    options : CategoryOptions
    """

    options_type = CategoryOptions

    def __init__(self, num_categories: int, options: CategoryOptions) -> None:
        super().__init__(num_categories, options)
        self.embedding = nn.Embedding(num_categories, options.out)
        self.out_features = options.out

    def forward(self, rows: Tensor) -> Tensor:
        """Embeddings of P category numbers, shape (P, out)."""
        return self.embedding(rows)
