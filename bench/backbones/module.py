"""What encoders that hold a module of another library have in common."""

from __future__ import annotations

from abc import abstractmethod

from torch import nn

from bench.backbone import MoleculeBackbone
from bench.data.bond_features import NUM_BOND_FEATURES
from bench.options import Options


class ModuleBackbone(MoleculeBackbone):
    """An encoder around one module.

    Attributes
    ----------
    options : Options
        An instance of `options_type`, for :meth:`build`.
    module : nn.Module
        What :meth:`build` gave.
    """

    def __init__(self, num_features: int, options: Options) -> None:
        super().__init__(num_features, options)
        self.options = options
        self.module = self.build(num_features, NUM_BOND_FEATURES)

    @abstractmethod
    def build(self, num_features: int, num_bond_features: int) -> nn.Module:
        """The module, for feature vectors of atoms and bonds of these lengths.

        `out_features` is known afterwards: set it here, or in the class.
        """
