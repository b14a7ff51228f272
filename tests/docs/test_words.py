"""Prose uses the words of the field; retired ones are named by file and line."""

import ast
import re

import pytest

from tests.docs.pages import ROOT

# How each begins, to what is written instead. Registry names, options and code are left out.
RETIRED = {
    r"told apart": "significantly different",
    r"cannot be told": "not significantly different",
    r"stand-in|stands where SBAP": "proxy data set",
    r"\bholes?\b": "missing run",
    r"\ba cell\b|\bcells\b": "entry (a notebook has code blocks)",
    r"(training|validation|test) part\b": "training set, validation set, test set",
    r"\brow (of|for) a method|a row a run|one row a method": "method",
    r"\bbuilds? on\b|\bbuilding on\b": "depends on",
    r"\bdecisions\b": "predicted labels",
    r"\bcontestants?\b": "backends",
    r"\bbreach(es)?\b": "violation",
    r"\btold once\b|that is none": "a sentence of subject and verb",
    r"The reference benchmark": "A benchmark",
    r"Vanilla, tuned": "Vanilla + threshold tuning",
    r"SDR \(paper's own\)": "SDR as published",
}
PAGES = ("*.md", "docs/*.md", "results/*.md")
# A matrix and a spreadsheet have cells, and so has the model of a table.
_OF_PAGES_ALONE = {r"\ba cell\b|\bcells\b"}
_CODE = re.compile(r"^( *)```.*?^\1```|`+[^`\n]+`+", re.MULTILINE | re.DOTALL)


def retired_in(text, but=frozenset()):
    """Line, words and replacement of each retired phrase outside of code."""
    prose = _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    for pattern, instead in RETIRED.items():
        if pattern in but:
            continue
        # A phrase may go on in the next line.
        for match in re.finditer(pattern.replace(" ", r"\s+"), prose, re.IGNORECASE):
            yield prose[: match.start()].count("\n") + 1, " ".join(match[0].split()), instead


@pytest.mark.parametrize("pages", PAGES)
def test_pages_use_no_retired_words(pages):
    paths = sorted(ROOT.glob(pages))
    assert paths
    found = [
        f"{path.relative_to(ROOT)}:{line}: {words!r}: write {instead!r}"
        for path in paths
        for line, words, instead in retired_in(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_messages_and_docstrings_use_no_retired_words():
    """Of strings with a space in them, as names and options have none."""
    paths = [
        path for room in ("bench", "methods", "datasets") for path in ROOT.glob(f"{room}/**/*.py")
    ]
    assert paths
    found = []
    for path in paths:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                found += [
                    f"{path.relative_to(ROOT)}:{node.lineno}: {words!r}: write {instead!r}"
                    for _, words, instead in retired_in(node.value, _OF_PAGES_ALONE)
                ]
    assert not found, "\n".join(found)


def test_retired_words_are_found_by_line_and_not_in_code():
    text = "A\nmethod cannot\nbe told from it.\n```bash\ndecisions\n```\nSee `decisions`. A hole.\n"
    assert [(line, words) for line, words, _ in retired_in(text)] == [
        (2, "cannot be told"),
        (7, "hole"),
    ]
