"""What RDKit computes of a whole molecule, of each distinct molecule once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy as np

from bench.data.prepared import PreparedData
from bench.errors import DataError, UnavailableError
from bench.sources import sources_of

# Stated, so that another RDKit does not change the columns. RDKit's own, without the counts of
# named groups (``fr_``), which circular fragments hold, and without Ipc and AvgIpc, which take
# three quarters of the time of all; Ipc grows beyond single precision, too.
NAMES = tuple(
    """
MaxAbsEStateIndex MaxEStateIndex MinAbsEStateIndex MinEStateIndex qed SPS MolWt HeavyAtomMolWt
ExactMolWt NumValenceElectrons NumRadicalElectrons MaxPartialCharge MinPartialCharge
MaxAbsPartialCharge MinAbsPartialCharge FpDensityMorgan1 FpDensityMorgan2 FpDensityMorgan3
BCUT2D_MWHI BCUT2D_MWLOW BCUT2D_CHGHI BCUT2D_CHGLO BCUT2D_LOGPHI BCUT2D_LOGPLOW BCUT2D_MRHI
BCUT2D_MRLOW BalabanJ BertzCT Chi0 Chi0n Chi0v Chi1 Chi1n Chi1v Chi2n Chi2v Chi3n Chi3v Chi4n
Chi4v HallKierAlpha Kappa1 Kappa2 Kappa3 LabuteASA PEOE_VSA1 PEOE_VSA10 PEOE_VSA11 PEOE_VSA12
PEOE_VSA13 PEOE_VSA14 PEOE_VSA2 PEOE_VSA3 PEOE_VSA4 PEOE_VSA5 PEOE_VSA6 PEOE_VSA7 PEOE_VSA8
PEOE_VSA9 SMR_VSA1 SMR_VSA10 SMR_VSA2 SMR_VSA3 SMR_VSA4 SMR_VSA5 SMR_VSA6 SMR_VSA7 SMR_VSA8
SMR_VSA9 SlogP_VSA1 SlogP_VSA10 SlogP_VSA11 SlogP_VSA12 SlogP_VSA2 SlogP_VSA3 SlogP_VSA4
SlogP_VSA5 SlogP_VSA6 SlogP_VSA7 SlogP_VSA8 SlogP_VSA9 TPSA EState_VSA1 EState_VSA10
EState_VSA11 EState_VSA2 EState_VSA3 EState_VSA4 EState_VSA5 EState_VSA6 EState_VSA7 EState_VSA8
EState_VSA9 VSA_EState1 VSA_EState10 VSA_EState2 VSA_EState3 VSA_EState4 VSA_EState5 VSA_EState6
VSA_EState7 VSA_EState8 VSA_EState9 FractionCSP3 HeavyAtomCount NHOHCount NOCount
NumAliphaticCarbocycles NumAliphaticHeterocycles NumAliphaticRings NumAmideBonds
NumAromaticCarbocycles NumAromaticHeterocycles NumAromaticRings NumAtomStereoCenters
NumBridgeheadAtoms NumHAcceptors NumHDonors NumHeteroatoms NumHeterocycles NumRotatableBonds
NumSaturatedCarbocycles NumSaturatedHeterocycles NumSaturatedRings NumSpiroAtoms
NumUnspecifiedAtomStereoCenters Phi RingCount MolLogP MolMR
""".split()  # noqa: SIM905 (a list of 130 is no easier to read)
)

Describe = Callable[[str], np.ndarray]
"""Gives the descriptors of a SMILES, float32, in the order of `NAMES`."""


def descriptors(smiles: str) -> np.ndarray:
    """RDKit's descriptors of a molecule, float32, shape (len(NAMES),).

    The molecule is read as for the graphs. NaN stands where RDKit gives none, as for charges of
    atoms that it has no parameters for, and where a value is not finite in single precision.

    Raises
    ------
    DataError
        The SMILES cannot be used.

    Examples
    --------
    >>> values = dict(zip(NAMES, descriptors("CCO").tolist()))
    >>> round(values["MolWt"], 2), values["RingCount"], values["NumHDonors"]
    (46.07, 0.0, 1.0)
    """
    from rdkit import rdBase

    from bench.data.molecules import parse

    mol, problem = parse(smiles)
    if mol is None:
        raise DataError(f"Expected a usable SMILES, but got {smiles!r}: {problem}.")
    values = np.empty(len(NAMES))
    with rdBase.BlockLogs():
        for place, function in enumerate(_functions()):
            try:
                values[place] = function(mol)
            except Exception:  # such as a molecule without the ring information it asks for
                values[place] = np.nan
    values[np.abs(values) > np.finfo(np.float32).max] = np.nan
    return values.astype(np.float32)


def each_once() -> Describe:
    """:func:`descriptors` that reads an equal SMILES once."""
    return cache(descriptors)


def of_data(prepared: PreparedData) -> Describe:
    """:func:`descriptors` of the molecules of a data set, computed once and kept beside features.

    Of any other SMILES, such as another spelling, as :func:`each_once` gives them.
    """
    key = {
        # Covers the file and RDKit's version.
        "prepared": prepared.fingerprint,
        "source": sources_of([__name__], within=("bench.data",)),
        "names": list(NAMES),
    }
    values = prepared.keep(f"descriptors-{prepared.name}", key, partial(_build, prepared))["values"]
    numbers = {smiles: number for number, smiles in enumerate(prepared.smiles)}
    of_other = each_once()

    def describe(smiles: str) -> np.ndarray:
        number = numbers.get(smiles)
        return of_other(smiles) if number is None else values[number]

    return describe


def _build(prepared: PreparedData) -> Mapping[str, np.ndarray]:
    rows = [descriptors(smiles) for smiles in prepared.smiles]
    return {"values": np.array(rows, np.float32).reshape(-1, len(NAMES))}


@cache
def _functions() -> tuple[Callable[..., float], ...]:
    from rdkit.Chem import Descriptors

    known = dict(Descriptors.descList)
    if missing := [name for name in NAMES if name not in known]:
        raise UnavailableError(
            f"Expected an RDKit that has the descriptors {', '.join(missing)}, but this one has "
            "them not. Install the version in requirements.txt."
        )
    return tuple(known[name] for name in NAMES)
