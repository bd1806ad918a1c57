"""A derivation as a page: headings, sentences and rows of equations, written as text, as Markdown and as LaTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, NamedTuple

from tinygrad_lite.viz.formulas import expr_printer
from tinygrad_lite.viz.formulas.formulas import Negative, Number, Product, Sum, Tree

_INDENT: Final = "   "
#: Characters of a display.
_LONGEST: Final = 4000


class Math(NamedTuple):
    """A formula, written in text and in LaTeX."""

    text: str
    latex: str


class Heading(NamedTuple):
    """What a part of the page is about."""

    words: str


class Sentence(NamedTuple):
    """Words with formulas among them: one for each ``{}``."""

    words: str
    formulas: tuple[Math, ...] = ()


class Row(NamedTuple):
    """left = right = right …, each right side in a line of its own if ``tall``."""

    left: Math
    rights: tuple[Math, ...]
    tall: bool = False


class Rows(NamedTuple):
    """Equations, one below the other, their signs of equality aligned."""

    rows: tuple[Row, ...]


Block = Heading | Sentence | Rows


class Page(NamedTuple):
    """What a derivation says, from the top to the bottom."""

    title: Sentence
    blocks: tuple[Block, ...]

    def text(self) -> str:
        """In lines of text, for a terminal.

        >>> x, y = Math("x", "x"), Math("y", "y")
        >>> print(Page(Sentence("About {}.", (x,)), (Heading("One"), Rows((Row(x, (y,)),)))).text())
        About x.
        <BLANKLINE>
        1. One
           x = y
        """
        lines = [_sentence_text(self.title)]
        number = 0
        for block in self.blocks:
            if isinstance(block, Heading):
                number += 1
                lines += ["", f"{number}. {block.words}"]
            elif isinstance(block, Sentence):
                lines.append(_INDENT + _sentence_text(block))
            else:
                lines += [_INDENT + line for line in _rows_text(block.rows)]
        return "\n".join(lines)

    def markdown(self) -> str:
        r"""In Markdown with formulas between dollar signs, as Jupyter, GitHub, GitLab and VS Code show them.

        >>> x, y = Math("x", "x"), Math("y", "y")
        >>> print(Page(Sentence("About {}.", (x,)), (Rows((Row(x, (y,)),)),)).markdown())
        About $x$.
        <BLANKLINE>
        $$
        \begin{aligned}
        x &= y
        \end{aligned}
        $$
        """
        parts = [_sentence_markdown(self.title)]
        number = 0
        for block in self.blocks:
            if isinstance(block, Heading):
                number += 1
                parts.append(f"**{number}. {block.words}**")
            elif isinstance(block, Sentence):
                parts.append(_sentence_markdown(block))
            else:
                parts += _displays(_rows_latex(block.rows))
        return "\n\n".join(parts)

    def latex(self) -> str:
        r"""In LaTeX with amsmath: a display for each part, with the words in ``\text``.

        >>> x, y = Math("x", "x"), Math("y", "y")
        >>> print(Page(Sentence("About {}.", (x,)), (Rows((Row(x, (y,)),)),)).latex())
        $$
        \begin{aligned}
        & \text{About }x\text{.} \\
        x &= y
        \end{aligned}
        $$
        """
        displays = [[f"& {_sentence_latex(self.title)}"]]
        number = 0
        for block in self.blocks:
            if isinstance(block, Heading):
                number += 1
                displays.append([rf"& \textbf{{{number}. {block.words}}}"])
            elif isinstance(block, Sentence):
                displays[-1].append(f"& {_sentence_latex(block)}")
            else:
                displays[-1] += _rows_latex(block.rows)
        return "\n\n".join(display for lines in displays for display in _displays(lines))


def math_of(tree: Tree, *, numbers: bool = False, precision: int = 4) -> Math:
    """Return a formula in both forms.

    >>> math_of(Number(0.5))
    Math(text='0.5', latex='0.5')
    """
    return Math(
        expr_printer.text(tree, numbers=numbers, precision=precision),
        expr_printer.latex(tree, numbers=numbers, precision=precision),
    )


def chain(factors: Sequence[Tree], *, numbers: bool = False, precision: int = 4) -> Math:
    """Return a product of derivatives, each of which can be told from the others.

    >>> chain([Number(2.0), Number(-3.0)]).text
    '2 · (−3)'
    """
    parts = []
    for factor in factors:
        part = math_of(factor, numbers=numbers, precision=precision)
        loose = isinstance(factor, (Sum, Negative)) or part.text.startswith("−")
        if loose and len(factors) > 1:
            tall = r"\frac" in part.latex
            part = Math(f"({part.text})", rf"\left({part.latex}\right)" if tall else f"({part.latex})")
        parts.append(part)
    return Math(" · ".join(part.text for part in parts), r" \cdot ".join(part.latex for part in parts))


def added(terms: Sequence[Math]) -> Math:
    """Terms with signs of addition between them.

    >>> added([Math("a", "a"), Math("−b", "-b")]).text
    'a + (−b)'
    """
    shown = [terms[0], *(Math(f"({t.text})", f"({t.latex})") if t.text.startswith("−") else t for t in terms[1:])]
    return Math(" + ".join(term.text for term in shown), " + ".join(term.latex for term in shown))


def multiplied(factors: Sequence[Math]) -> Math:
    """Names of derivatives with signs of multiplication between them.

    >>> multiplied([Math("a", "a"), Math("b", "b")]).text
    'a · b'
    """
    return Math(" · ".join(part.text for part in factors), r" \cdot ".join(part.latex for part in factors))


def listed(parts: Sequence[Math]) -> Math:
    """Formulas with commas between them.

    >>> listed([Math("a", "a"), Math("b", "b")]).text
    'a, b'
    """
    return Math(", ".join(part.text for part in parts), r",\ ".join(part.latex for part in parts))


def product_tree(factors: Sequence[Tree]) -> Tree:
    """Return a product without factors of 1.

    >>> product_tree([Number(1), Number(2)])
    Number(value=2)
    """
    left = [factor for factor in factors if factor != Number(1)] or [Number(1)]
    return left[0] if len(left) == 1 else Product(tuple(left))


def distinct(rights: Sequence[Math]) -> tuple[Math, ...]:
    """Without those that say the same as the one before.

    >>> len(distinct([Math("1", "1"), Math("1", "1"), Math("x", "x")]))
    2
    """
    return tuple(right for i, right in enumerate(rights) if i == 0 or right.text != rights[i - 1].text)


def _sentence_text(sentence: Sentence) -> str:
    return sentence.words.format(*(formula.text for formula in sentence.formulas))


def _sentence_markdown(sentence: Sentence) -> str:
    return sentence.words.format(*(f"${formula.latex}$" for formula in sentence.formulas))


def _sentence_latex(sentence: Sentence) -> str:
    words = sentence.words.split("{}")
    formulas = [formula.latex for formula in sentence.formulas] + [""]
    return "".join(
        (rf"\text{{{_words(part)}}}" if part else "") + formula for part, formula in zip(words, formulas, strict=True)
    )


def _words(words: str) -> str:
    return re.sub(r"([%&#_])", r"\\\1", words).replace("∂", "d")


def _rows_text(rows: Sequence[Row]) -> list[str]:
    """Each equation in a line; where there are several, columns are as wide as their widest entry."""
    lines = []
    left = max(_width(row.left.text) for row in rows)
    columns = [
        max((_width(row.rights[k].text) for row in rows if len(row.rights) > k + 1 and not row.tall), default=0)
        for k in range(max(len(row.rights) for row in rows))
    ]
    for row in rows:
        if row.tall:
            lines += [
                f"{_padded(row.left.text if k == 0 else '', left)} = {right.text}" for k, right in enumerate(row.rights)
            ]
            continue
        cells = [_padded(row.left.text, left)]
        last = len(row.rights) - 1
        cells += [right.text if k == last else _padded(right.text, columns[k]) for k, right in enumerate(row.rights)]
        lines.append(" = ".join(cells).rstrip())
    return lines


def _rows_latex(rows: Sequence[Row]) -> list[str]:
    lines = []
    for row in rows:
        if row.tall:
            lines += [f"{row.left.latex if k == 0 else ''} &= {right.latex}" for k, right in enumerate(row.rights)]
        else:
            lines.append(f"{row.left.latex} &= " + " = ".join(right.latex for right in row.rights))
    return lines


def _displays(lines: Sequence[str]) -> list[str]:
    """Lines as displays of LaTeX, as many as it takes: MathJax reads no more than 5 kB of one."""
    parts: list[list[str]] = [[]]
    for line in map(str.strip, lines):
        if parts[-1] and sum(map(len, parts[-1])) + len(line) > _LONGEST:
            parts.append([])
        parts[-1].append(line)
    rows = [" \\\\\n".join(part) for part in parts]
    return [f"$$\n\\begin{{aligned}}\n{row}\n\\end{{aligned}}\n$$" for row in rows]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0
        if unicodedata.combining(c) or c in "\u2068\u2069\u200d"
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )
