"""YAML without what goes wrong silently.

Duplicate keys and aliases are refused, and ``1e-3`` is a number (YAML 1.1 reads it as a word).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from bench.errors import UsageError

# A page of text; anything much larger is a mistake.
_LARGEST_BYTES = 1_000_000


class _StrictLoader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark
            raise UsageError(f"{_place(mark)}: YAML aliases are not supported; write it out.")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise UsageError(f"{_place(key_node.start_mark)}: expected a name, got {key!r}.")
            if key in seen:
                raise UsageError(f"{_place(key_node.start_mark)}: key {key!r} stands twice.")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)
# No setting is a date: what looks like one stays text and fails, or not, as text.
_StrictLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in _StrictLoader.yaml_implicit_resolvers.items()
}


def parse_value(text: str) -> Any:
    """A YAML scalar or flow list from text: ``0.5``, ``true``, ``word``, ``[1, 2]``.

    Text that is not YAML is taken as it is.
    """
    try:
        return _StrictLoader(text).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def load_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping from `path`.

    Raises
    ------
    UsageError
        Missing, too large, not UTF-8, not YAML, not a mapping, duplicate key, alias.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"Expected a settings file at {path}: {error.strerror}.") from None
    if len(data) > _LARGEST_BYTES:
        raise UsageError(f"Expected a settings file under 1 MB, but {path} has {len(data)} bytes.")
    try:
        loader = _StrictLoader(data.decode("utf-8"))
        loader.name = str(path)
        content = loader.get_single_data()
    except UnicodeDecodeError as error:
        raise UsageError(f"Expected UTF-8 in {path}, but byte {error.start} is not.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UsageError(f"{path} is nested too deeply to be a settings file.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(f"Expected settings by name in {path}, got a {type(content).__name__}.")
    return content


def _place(mark: Any) -> str:
    return f"{mark.name}, line {mark.line + 1}"
