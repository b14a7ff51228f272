"""Model folders: written whole or not at all, and read without trust."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from pydantic import ValidationError

import bench
from bench.errors import ModelError
from bench.files import MOST_ARRAYS, MOST_JSON, kind_of, new_folder, read_regular, write_new
from bench.inference.card import FORMAT, Card
from bench.inference.predictors import Learned
from bench.objects import arrays_from_bytes, objects_from_bytes, objects_to_bytes

if TYPE_CHECKING:
    from bench.inference.trained import TrainedModel

CARD = "card.json"
WEIGHTS = "model.safetensors"
OBJECTS = "model.skops"
_TRAINING = "training.safetensors"
_MEMBERS = "members"

FILES = frozenset((CARD, WEIGHTS, OBJECTS, _TRAINING, _MEMBERS))
"""What a model folder may hold."""


def write_model(
    model: TrainedModel, folder: Path, beside: Mapping[str, bytes] = MappingProxyType({})
) -> None:
    """Keep `model` in `folder`, which must not be there yet, and files `beside` it by name.

    Raises
    ------
    ModelError
        Something is there, or it cannot be written.
    """
    if kind_of(folder) is not None:
        raise ModelError(
            f"Expected a new folder for the model, but {folder} is there already. Name another, "
            "or remove it first."
        )
    try:
        with new_folder(folder) as unfinished:
            _write(model, unfinished, beside)
    except OSError as error:
        raise ModelError(
            f"Expected to write a model to {folder}, but got: {error.strerror or error}."
        ) from None


def read_model(folder: Path) -> TrainedModel:
    """The model in a folder that :func:`write_model` wrote.

    Raises
    ------
    ModelError
        It is no model, damaged, or of another version.
    """
    try:
        return _read(folder)
    except (FileNotFoundError, ValueError, RecursionError) as error:
        raise refusal(folder, error) from None


def read_beside(folder: Path, name: str) -> bytes | None:
    """The file `name` that was kept beside the model in `folder`; None where there is none.

    Raises
    ------
    ModelError
        It is not the one that was kept.
    """
    if kind_of(folder / name) is None:
        return None
    try:
        data = read_regular(folder / name, MOST_JSON)
        document = _card_in(read_regular(folder / CARD, MOST_JSON))
        # The first format had no checksums of these.
        if document["format"] != 1 and document["files"].get(name) != _sha256(data):
            raise ValueError(f"{name} does not match its checksum")
    except (OSError, ValueError, RecursionError) as error:
        raise refusal(folder, error) from None
    return data


def refusal(folder: Path, reason: object) -> ModelError:
    """What to raise of a model that cannot be read."""
    if isinstance(reason, OSError) and reason.strerror:
        reason = reason.strerror
    return ModelError(
        f"Expected a model in {folder}, but {reason}. It is no model of this benchmark, or it is "
        "damaged: fit it again, or copy it again from where it was made."
    )


def _write(
    model: TrainedModel, folder: Path, beside: Mapping[str, bytes] = MappingProxyType({})
) -> str:
    """Write the files of a model and those `beside` it; gives the checksum of its card."""
    files = {}
    for name, data in {**_contents(model.learned), **beside}.items():
        write_new(folder / name, data)
        files[name] = _sha256(data)
    if model.members:
        (folder / _MEMBERS).mkdir()
    for role, member in model.members.items():
        place = folder / _MEMBERS / _name_of(role)
        place.mkdir()
        files[f"{_MEMBERS}/{_name_of(role)}/{CARD}"] = _write(member, place)
    card = {**model.card.model_dump(mode="json"), "members": sorted(model.members)}
    document = _sealed({**card, "files": files})
    text = (json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()
    write_new(folder / CARD, text)
    return _sha256(text)


def _contents(learned: Learned) -> dict[str, bytes]:
    from safetensors.numpy import save

    contents = {}
    if learned.weights:
        contents[WEIGHTS] = save(_contiguous(learned.weights))
    if learned.objects is not None:
        contents[OBJECTS] = objects_to_bytes(learned.objects)
    if learned.training:
        contents[_TRAINING] = save(_contiguous(learned.training))
    for name, data in contents.items():
        if len(data) > MOST_ARRAYS:
            raise ModelError(
                f"Expected at most {MOST_ARRAYS} bytes in {name}, but got {len(data)}, which "
                "would not be read. Use a smaller model, or fewer trees."
            )
    return contents


def _read(folder: Path, checksum: str | None = None) -> TrainedModel:
    from bench.inference.trained import TrainedModel

    text = read_regular(folder / CARD, MOST_JSON)
    if checksum is not None and _sha256(text) != checksum:
        raise ValueError(f"{folder.name}/{CARD} does not match its checksum")
    document = _card_in(text)
    files, roles = document.pop("files"), document.pop("members")
    _require_versions(document, folder)
    try:
        card = Card.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"its card is another one's: {place}: {first['msg']}") from None
    found = {
        name: read_checked(folder / name, files[name])
        for name in (WEIGHTS, OBJECTS, _TRAINING)
        if name in files
    }
    members = {
        role: _read(
            folder / _MEMBERS / _name_of(role), files[f"{_MEMBERS}/{_name_of(role)}/{CARD}"]
        )
        for role in roles
    }
    return TrainedModel(card, learned_in(found), members)


def learned_in(found: Mapping[str, bytes]) -> Learned:
    """What is in files of these contents, by name."""
    return Learned(
        weights=arrays_from_bytes(found[WEIGHTS]) if WEIGHTS in found else {},
        objects=objects_from_bytes(found[OBJECTS]) if OBJECTS in found else None,
        training=arrays_from_bytes(found[_TRAINING]) if _TRAINING in found else {},
    )


def read_checked(path: Path, checksum: str) -> bytes:
    """The content of a file of arrays or objects.

    Raises
    ------
    ValueError
        It is another one's, too large, or no regular file.
    """
    data = read_regular(path, MOST_ARRAYS)
    if _sha256(data) != checksum:
        raise ValueError(f"{path.name} does not match its checksum")
    return data


def _card_in(text: bytes) -> dict[str, Any]:
    document = json.loads(text)
    if not isinstance(document, dict) or _sealed(document) != document:
        raise ValueError(f"{CARD} does not match its checksum")
    files, roles = document.get("files"), document.get("members")
    if not (
        isinstance(files, dict)
        and isinstance(roles, list)
        and all(isinstance(role, str) for role in roles)
    ):
        raise ValueError(f"{CARD} names no files")
    if absent := {f"{_MEMBERS}/{_name_of(role)}/{CARD}" for role in roles} - files.keys():
        raise ValueError(f"{CARD} names no {min(absent)}")
    del document["checksum"]
    return document


def _require_versions(card: Mapping[str, Any], folder: Path) -> None:
    if card.get("format") not in (1, FORMAT):
        raise ModelError(
            f"Expected a model of format 1 or {FORMAT} in {folder}, but got "
            f"{card.get('format')!r}. Use the version of the benchmark that made it, or fit it "
            "again."
        )
    made_by, here = str(card.get("bench")), bench.__version__
    if made_by.partition(".")[0] != here.partition(".")[0]:
        raise ModelError(
            f"Expected a model made by version {here.partition('.')[0]} of the benchmark in "
            f"{folder}, but got one of version {made_by}. Use that version, or fit it again."
        )


def _sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    content = {key: value for key, value in document.items() if key != "checksum"}
    text = json.dumps(content, sort_keys=True, allow_nan=False).encode()
    return {**content, "checksum": _sha256(text)}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _name_of(role: str) -> str:
    return quote(role, safe="[]=,")


def _contiguous(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}
