"""The 30 ChEMBL activity sets that the wheel of MoleculeACE carries, read in place.

van Tilborg, Alenicheva, Grisoni, J. Chem. Inf. Model. 2022, doi:10.1021/acs.jcim.2c01073.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from bench.dataset import Source
from bench.errors import DataError

from ._table import check_unpacked_size, parse_table, unpack

WHEEL = Source(
    "MoleculeACE-3.0.0-py3-none-any.whl",
    wheel="MoleculeACE==3.0.0",
    sha256="c2028c9a75281eab53d3b3e7dc11cbc8ac970d008bac4a0d3927f11ac2024bdc",
)
REFERENCE = (
    "MoleculeACE (MIT), van Tilborg et al., J. Chem. Inf. Model. 2022, "
    "doi:10.1021/acs.jcim.2c01073, from ChEMBL 29 (CC BY-SA 3.0)"
)
LICENCE = "ChEMBL data CC BY-SA 3.0; MoleculeACE's selection MIT"

_MEMBER = re.compile(r"MoleculeACE/Data/benchmark_data/(CHEMBL\d+)_(Ki|EC50)\.csv")


@dataclass(frozen=True)
class ActivitySet:
    """Molecules measured on one target.

    Attributes
    ----------
    target : str
        ChEMBL id.
    measure : {"Ki", "EC50"}
        What was measured.
    smiles : list of str
        M molecules.
    activity : ndarray of float64, shape (M,)
        -log10 of the measure in mol/l (pKi or pEC50).
    """

    target: str
    measure: Literal["Ki", "EC50"]
    smiles: list[str]
    activity: np.ndarray


def read_activity_sets(path: Path) -> list[ActivitySet]:
    """All sets in the wheel at `path`, sorted by file name; nothing is extracted to disk.

    Raises
    ------
    DataError
        Not a zip file, damaged, encrypted, oversized, or without any such set.
    """
    sets = []
    try:
        with zipfile.ZipFile(path) as wheel:
            members = [info for info in wheel.infolist() if _MEMBER.fullmatch(info.filename)]
            check_unpacked_size(sum(info.file_size for info in members), str(path))
            for info in sorted(members, key=lambda info: info.filename):
                where = f"{path}/{info.filename}"
                with wheel.open(info) as stream:
                    table = parse_table(unpack(stream, where), where)
                # The file holds -log10 of nmol/l.
                activity = 9 + table.numbers("y")
                target, measure = _MEMBER.fullmatch(info.filename).groups()  # type: ignore[union-attr]
                sets.append(ActivitySet(target, measure, table.column("smiles"), activity))  # type: ignore[arg-type]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise DataError(
            f"Expected {path} to be a whole Python wheel, but it cannot be read: {error}. "
            "Delete it to have it fetched again."
        ) from error
    if not sets:
        raise DataError(
            f"Expected files such as CHEMBL204_Ki.csv in {path}, but found none. "
            f"It must be the wheel of {WHEEL.wheel}."
        )
    return sets
