"""SDF files as tables: the molecule of each record as SMILES, its properties as columns."""

from __future__ import annotations

import re

from rdkit import Chem, rdBase

from bench.errors import DataError

from ._files import MOLECULE, FileTable
from ._table import decoded

_END = re.compile(r"^\$\$\$\$.*(?:\n|\Z)", re.MULTILINE)
_LOG_PREFIX = re.compile(r"^(\[[\d:]+\] )?")


def parse_sdf(data: bytes, where: str) -> FileTable:
    """The records of an SDF file, one a row.

    The molecule is the SMILES that RDKit writes of the record, with its stereo. A record that
    RDKit cannot read is a bad row. A property that a record lacks is an empty text.

    References
    ----------
    Dalby et al., J. Chem. Inf. Comput. Sci. 1992, doi:10.1021/ci00007a012: a record ends with a
    line ``$$$$``.

    Raises
    ------
    DataError
        Not UTF-8, without records, or cut short: the last record does not end.
    """
    text = decoded(data, where)
    if not text.strip():
        raise DataError(f"Expected at least one record in {where}, but got an empty file.")
    *records, rest = _END.split(text)
    if rest.strip():
        raise DataError(
            f"Expected every record in {where} to end with a line $$$$, but record {len(records)}, "
            "counted from 0, is the last and does not: the file is cut short, or no SDF. Fetch it "
            "again; where nothing is lacking, add that line."
        )
    smiles: list[str] = []
    bad: dict[int, str] = {}
    properties: dict[str, dict[int, str]] = {}
    with rdBase.BlockLogs():
        for row, record in enumerate(records):
            molecule, reason = _molecule(record)
            smiles.append("" if molecule is None else Chem.MolToSmiles(molecule))
            if molecule is None:
                bad[row] = reason
                continue
            for name in molecule.GetPropNames():
                properties.setdefault(name, {})[row] = molecule.GetProp(name)
    if MOLECULE in properties:  # the molecules have their name
        properties[f"{MOLECULE} (property)"] = properties.pop(MOLECULE)
    columns = {
        name: [values.get(row, "") for row in range(len(records))]
        for name, values in properties.items()
    }
    return FileTable(where, {MOLECULE: smiles, **columns}, bad)


def _molecule(record: str) -> tuple[Chem.Mol | None, str]:
    """The molecule of a record, or None and the reason."""
    supplier = Chem.SDMolSupplier()
    with rdBase.CaptureErrorLog() as log:
        supplier.SetData(f"{record}$$$$\n")
        molecule = supplier[0] if len(supplier) else None
    if molecule is None:
        reason = _LOG_PREFIX.sub("", log.messages.partition("\n")[0])
        return None, f"RDKit cannot read the record: {reason or 'it gives no reason'}"
    return (molecule, "") if molecule.GetNumAtoms() else (None, "the record has no atoms")
