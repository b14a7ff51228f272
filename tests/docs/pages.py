"""The prose of the repository: its pages, and the commands and examples that stand on them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
PROGRAMS = (("python", "run_bench.py"), ("ltdd-bench",))


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    def commands(self):
        """Words of each command; comments are left out."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def reading_order():
    """Paths of the pages that hold commands, as a newcomer meets them."""
    found = []

    def collect(entries):
        for entry in entries:
            [target] = entry.values()
            if isinstance(target, list):
                collect(target)
            else:
                found.append(f"docs/{target}")

    collect(navigation())
    return ["README.md", *found, "CONTRIBUTING.md"]


def navigation():
    """The entries of the site's menu."""
    return yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]


def blocks(language=None, pages=None):
    """Fenced blocks of `pages`, by default of all in the order of reading."""
    return [
        Block(page, text[: match.start()].count("\n") + 1, match[2], _dedented(match))
        for page in pages or reading_order()
        for text in [(ROOT / page).read_text(encoding="utf-8")]
        for match in _BLOCK.finditer(text)
        if language is None or match[2] == language
    ]


def _dedented(match):
    return "\n".join(line.removeprefix(match[1]) for line in match[3].splitlines())


def arguments_of(words):
    """What follows the name of the program; None of another program's command."""
    for program in PROGRAMS:
        if tuple(words[: len(program)]) == program:
            return words[len(program) :]
    return None


def example(text):
    """The one Python block that holds `text`."""
    [block] = [block for block in blocks("python") if text in block.text]
    return block.text
