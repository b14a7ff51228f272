r"""Sheets as LaTeX: booktabs tables to ``\input``, and a document that shows all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from bench.report.document.report import Entry, Heading, Kind, Report, Section

PACKAGES = ("[T1]{fontenc}", "{booktabs}", "{caption}", "{graphicx}", "{textcomp}", "{xcolor}")
# A float that is longer than a page is cut off by LaTeX; longer tables go on in another one.
_LINES_A_TABLE = 40

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "_": r"\_", "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}", "'": r"\textquotesingle{}", "–": "--", "±": r"$\pm$", "†": r"\dag{}",
    "‡": r"\ddag{}", "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$", "²": "$^2$",
    # After the end of a line, or doubled, these would be commands and ligatures.
    "[": "{[}", "]": "{]}", "*": "{*}", "-": "{-}",
}  # fmt: skip
_STYLES: dict[Kind, str] = {
    "best": r"\textbf{%s}", "paper": r"\textit{\textcolor{black!60}{%s}}", "flag": r"\textbf{%s}",
}  # fmt: skip
_NEGATIVE = re.compile(r"-[0-9.]+")


def escape(text: str) -> str:
    r"""`text` on one line that LaTeX prints as it stands.

    A character that the usual fonts lack is printed as its code, such as U+03C4.

    Examples
    --------
    >>> print(escape("cb[beta=0.99] & 50%"))
    cb{[}beta=0.99{]} \& 50\%
    """
    return "".join(map(_character, " ".join(text.split())))


def report_latex(report: Report) -> str:
    """The tables of a report with their notes, to be used where the packages are loaded."""
    needed = " ".join(rf"\usepackage{package}" for package in PACKAGES)
    parts = [f"% Needs {needed}", *(_paragraph(text) for text in report.paragraphs)]
    for section in report.sections:
        parts += [*(_paragraph(text) for text in section.paragraphs), *_notes(section.notes)]
        for number, lines in enumerate(_cut(section.lines) if section.headings else ()):
            parts.append(_table(report, section, lines, again=number > 0))
    parts += _notes(report.notes)
    return "\n".join(parts) + "\n"


def document(names: Sequence[str]) -> str:
    r"""A whole document that ``\input``s the reports called `names`."""
    lines = [
        r"\documentclass{article}",
        r"\usepackage[a4paper,margin=2cm]{geometry}",
        *(rf"\usepackage{package}" for package in PACKAGES),
        # Outlines where they are installed; the fonts of T1 are bitmaps otherwise.
        r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}",
        r"\begin{document}",
        *(rf"\input{{{name}}}\clearpage" for name in names),
        r"\end{document}",
    ]
    return "\n".join(lines) + "\n"


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    # The letters of Latin-1 are in every T1 font.
    if " " <= character <= "~" or "À" <= character <= "ÿ":
        return character
    return rf"\texttt{{U+{ord(character):04X}}}"


def _notes(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [
        _paragraph_of(rf"\footnotesize\textbf{{{escape(subject)}}}: {escape(text)}")
        for subject, text in pairs
    ]


def _paragraph(text: str) -> str:
    return _paragraph_of(escape(text))


def _paragraph_of(latex: str) -> str:
    # The style of a paragraph must not outlive it.
    return rf"{{\noindent {latex}\par\medskip}}"


def _cut(lines: Sequence[tuple[Entry, ...]]) -> list[Sequence[tuple[Entry, ...]]]:
    starts = range(0, max(len(lines), 1), _LINES_A_TABLE)
    return [lines[start : start + _LINES_A_TABLE] for start in starts]


def _table(
    report: Report, section: Section, lines: Sequence[tuple[Entry, ...]], *, again: bool
) -> str:
    caption = ": ".join(filter(None, (report.title, section.title)))
    columns = "".join("l" if _is_text(section, k) else "r" for k in range(len(section.headings)))
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering",
            rf"\caption*{{{escape(caption + (', continued' if again else ''))}. "
            r"Upright: ours. \textit{\textcolor{black!60}{Italics}}: printed in the paper.}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            *_headings(section.headings),
            r"\midrule",
            *(_line(entries, len(section.headings)) for entries in lines),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def _is_text(section: Section, column: int) -> bool:
    """Whether words stand in a column, which are aligned at their left."""
    entries = [line[column] for line in section.lines if len(line) > column]
    return column == 0 or any(
        entry.kind in ("plain", "flag") and entry.text[:1].isalpha() for entry in entries
    )


def _headings(headings: Sequence[Heading]) -> list[str]:
    lines = []
    if any(heading.group for heading in headings):
        spans, rules, place = [], [], 1
        for group, own in groupby(headings, key=lambda heading: heading.group):
            width = len(list(own))
            spans.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(group)}}}" if group else "")
            spans += [""] * (width - 1) if not group else []
            if group:
                rules.append(rf"\cmidrule(lr){{{place}-{place + width - 1}}}")
            place += width
        lines = [" & ".join(spans) + r" \\", "".join(rules)]
    return [*lines, " & ".join(escape(heading.text) for heading in headings) + r" \\"]


def _line(entries: Sequence[Entry], width: int) -> str:
    if len(entries) == 1 and width > 1:
        return rf"\multicolumn{{{width}}}{{l}}{{\textsc{{{escape(entries[0].text)}}}}} \\"
    name, *others = entries
    return " & ".join([_entry(name), *map(_figure, others)]) + r" \\"


def _entry(entry: Entry) -> str:
    text = escape(entry.text)
    after = "".join(map(_character, entry.after))
    return _STYLES.get(entry.kind, "%s").replace("%s", text) + after if text else ""


def _figure(entry: Entry) -> str:
    """An entry in which a negative number has a minus sign, not a hyphen."""
    if _NEGATIVE.fullmatch(entry.text):
        return _STYLES.get(entry.kind, "%s").replace("%s", f"$-${entry.text[1:]}")
    return _entry(entry)
