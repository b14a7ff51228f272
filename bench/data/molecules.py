"""One SMILES to one RDKit molecule, and what the molecule is called.

Bad SMILES never raise: :func:`parse` says in words what is wrong.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize

# In SMILES ":12]" can only be the atom map that ends a bracket atom.
_ATOM_MAP = re.compile(r":\d+\]")
_STRANGE = re.compile(r"[^ -~\t]")
_LOG_PREFIX = re.compile(r"^\[[\d:]+\] (SMILES Parse Error: )?")
# Atoms up to which the scaffold is RDKit's own; no data set here has a molecule with more.
_LARGE = 1000
_LARGEST_FRAGMENT = rdMolStandardize.LargestFragmentChooser(preferOrganic=True)
_UNCHARGER = rdMolStandardize.Uncharger()
_ALL_BUT_VALENCE = Chem.SANITIZE_ALL ^ Chem.SANITIZE_PROPERTIES


class Parsed(NamedTuple):
    """What became of one SMILES.

    Attributes
    ----------
    mol : rdkit.Chem.Mol or None
        The sanitised molecule; None when the text cannot be used.
    problem : str
        Empty when all went well. With a molecule, what was overlooked to load it; without one,
        why it failed.
    """

    mol: Chem.Mol | None
    problem: str


def parse(text: object) -> Parsed:
    """Read one SMILES, forgiving valence errors and nothing else.

    Atom maps are taken out of the text first, so nothing computed from the molecule (features,
    stereo centres, identity, scaffold) depends on them. Explicit hydrogens are removed.
    White space around the SMILES is ignored. A name or a CXSMILES extension after it is refused:
    the first has a column of its own in a table, the second can change the molecule.

    A molecule that fails RDKit's valence check alone (in the HIV set: seven compounds of
    aluminium, boron and germanium) is loaded without that check, with `problem` saying so.

    RDKit's messages are captured, not printed; its log settings are as before afterwards. They
    belong to the whole process, so parse in processes side by side, not in threads.
    """
    if not isinstance(text, str):
        return Parsed(None, f"expected SMILES text, but got {type(text).__name__} {text!r}")
    smiles = text.strip()
    if not smiles:
        return Parsed(None, "the SMILES is empty")
    # RDKit skips leading bytes it does not know: a minus sign from a word processor would vanish.
    if strange := _STRANGE.search(smiles):
        return Parsed(None, f"the character {strange[0]!a} cannot stand in a SMILES")
    first, *rest = smiles.split(maxsplit=1)
    if rest and rest[0].startswith("|"):
        return Parsed(
            None, f"a CXSMILES extension, {rest[0]!r}, follows the SMILES {first!r}: write it plain"
        )
    if rest:
        return Parsed(None, f"there is more after the SMILES {first!r}: {rest[0]!r}")
    with rdBase.BlockLogs():
        if _ATOM_MAP.search(smiles):
            smiles = _without_atom_maps(smiles)
        mol = Chem.MolFromSmiles(smiles)
        return _without_valence_check(smiles) if mol is None else Parsed(mol, "")


def _without_atom_maps(smiles: str) -> str:
    bare = _ATOM_MAP.sub("]", smiles)
    mol = Chem.MolFromSmiles(bare)
    # Written again, because the brackets that held the maps are not harmless: hydrogens given in
    # one are not implicit, which the features see, and are not made up for when a scaffold is cut.
    # Only neighbours of a metal keep theirs, as RDKit writes them so.
    return bare if mol is None else Chem.MolToSmiles(mol, canonical=False)


def _without_valence_check(smiles: str) -> Parsed:
    with rdBase.CaptureErrorLog() as log:
        mol = Chem.MolFromSmiles(smiles, sanitize=False)
    if mol is None:
        reason = _LOG_PREFIX.sub("", log.messages.partition("\n")[0])
        return Parsed(None, reason or "RDKit cannot read it as SMILES")
    problems = Chem.DetectChemistryProblems(mol)
    words = "; ".join(problem.Message() for problem in problems)
    if any(problem.GetType() != "AtomValenceException" for problem in problems):
        return Parsed(None, words)
    mol.UpdatePropertyCache(strict=False)
    try:
        Chem.SanitizeMol(mol, _ALL_BUT_VALENCE)
    except Chem.MolSanitizeException as error:
        return Parsed(None, f"{words}; {error}")
    mol = Chem.RemoveHs(mol, sanitize=False)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return Parsed(mol, f"loaded without the valence check: {words}")


class Standardised(NamedTuple):
    """What became of one SMILES that was to be standardised.

    Attributes
    ----------
    smiles : str or None
        Canonical; None when there is none.
    problem : str
        Why there is none; empty otherwise.
    """

    smiles: str | None
    problem: str


def standardised(text: object) -> Standardised:
    """The molecule of a SMILES cleaned up: one form of groups, no metal salts, no charges.

    RDKit's cleanup (hydrogens, bonds to metals, functional groups, charges of acids and bases),
    then of several fragments the largest organic one, then neutralised where hydrogens can do it.
    The tautomer stays. RDKit's messages are not printed.
    """
    parsed = parse(text)
    if parsed.mol is None:
        return Standardised(None, parsed.problem)
    with rdBase.BlockLogs():
        try:
            mol = rdMolStandardize.Cleanup(parsed.mol)
            mol = _LARGEST_FRAGMENT.choose(mol)
            mol = _UNCHARGER.uncharge(mol)
            smiles = Chem.MolToSmiles(mol)
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0]
            return Standardised(None, f"it cannot be standardised: {reason}")
    if not smiles:
        return Standardised(None, "no atom is left once it is standardised")
    # What is written may not be read again, where a valence was overlooked.
    again = parse(smiles)
    if again.mol is None:
        return Standardised(None, f"it cannot be standardised: {again.problem}")
    return Standardised(smiles, "")


def canonical_key(mol: Chem.Mol) -> bytes:
    """Sixteen bytes that name the molecule: a digest of its canonical SMILES.

    Two writings of one molecule have one key. Stereo isomers, isotopes, tautomers, charge states
    and salts with and without their counter-ion are different molecules.
    """
    return hashlib.blake2b(Chem.MolToSmiles(mol).encode(), digest_size=16).digest()


def counter_ions(smiles: str) -> list[str]:
    """Canonical SMILES of all fragments of a readable SMILES but the largest; of one, none.

    The largest has most heavy atoms; of several, the first.

    Examples
    --------
    >>> counter_ions("[Na+].CC(=O)[O-].O"), counter_ions("CCO")
    (['[Na+]', 'O'], [])
    """
    mol = parse(smiles).mol if "." in smiles else None
    if mol is None:
        return []
    fragments = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False)
    largest = max(range(len(fragments)), key=lambda n: fragments[n].GetNumHeavyAtoms())
    return [Chem.MolToSmiles(one) for n, one in enumerate(fragments) if n != largest]


def scaffold_key(mol: Chem.Mol) -> str:
    """Canonical SMILES of the Bemis-Murcko scaffold without stereo; empty without rings.

    References
    ----------
    Bemis, Murcko, J. Med. Chem. 1996, doi:10.1021/jm9602928, as RDKit reads it: atoms double
    bonded to a ring or linker stay.
    """
    if not mol.GetRingInfo().NumRings():
        return ""
    with rdBase.BlockLogs():
        # RDKit's own looks for all shortest paths: minutes for a few thousand atoms.
        small = mol.GetNumAtoms() <= _LARGE
        scaffold = Chem.MurckoDecompose(mol) if small else murcko_of_large(mol)
        # Not strict, unlike RDKit's own wrapper: repaired molecules have scaffolds too.
        scaffold.ClearComputedProps()
        scaffold.UpdatePropertyCache(strict=False)
        Chem.GetSymmSSSR(scaffold)
        return Chem.MolToSmiles(scaffold, isomericSmiles=False)


def murcko_of_large(mol: Chem.Mol) -> Chem.Mol:
    """The atoms that ``Chem.MurckoDecompose`` keeps, in time that grows with their number.

    Rings and what links them are what is left when ends of chains are cut off again and again.
    """
    in_ring = [mol.GetRingInfo().NumAtomRings(n) > 0 for n in range(mol.GetNumAtoms())]
    neighbours = [[other.GetIdx() for other in atom.GetNeighbors()] for atom in mol.GetAtoms()]
    degree = [len(others) for others in neighbours]
    ends = [n for n, count in enumerate(degree) if count <= 1 and not in_ring[n]]
    cut = set(ends)
    while ends:
        for other in neighbours[ends.pop()]:
            degree[other] -= 1
            if degree[other] <= 1 and not in_ring[other] and other not in cut:
                cut.add(other)
                ends.append(other)
    scaffold = Chem.RWMol(mol)
    scaffold.BeginBatchEdit()
    for n in cut:
        kept = [other for other in neighbours[n] if other not in cut]
        # At most one: an end of a chain has a single neighbour left when it is cut off.
        if kept and mol.GetBondBetweenAtoms(n, kept[0]).GetBondType() == Chem.BondType.DOUBLE:
            continue
        for other in kept:
            _free_for_hydrogen(scaffold.GetAtomWithIdx(other))
        scaffold.RemoveAtom(n)
    scaffold.CommitBatchEdit()
    return scaffold


def _free_for_hydrogen(atom: Chem.Atom) -> None:
    """Let a hydrogen take the place of what is cut off from `atom`."""
    if atom.GetIsAromatic() and atom.GetAtomicNum() != 6:
        atom.SetNumExplicitHs(1)
    elif atom.GetNoImplicit() or atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED:
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
