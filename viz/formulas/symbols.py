r"""What a node is called in a derivation, as text and as LaTeX.

Labels are text that strangers wrote. In LaTeX a label that looks like mathematics becomes mathematics (``w12``, ``ŷ``,
``alpha``, ``loss``); of any other the letters stand in ``\text{}``, and what LaTeX, MathJax, KaTeX or Markdown would
read as a command stands outside as a sign of mathematics, since these four agree on nothing that escapes it inside.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.value import Value
from tinygrad_lite.viz.formulas.formulas import Symbol
from tinygrad_lite.viz.reading.labels import shortened, visible
from tinygrad_lite.viz.reading.node_operations import operation_of

#: Labels with more characters are replaced by a short symbol.
_LONGEST = 16

#: Marks that turn the order of what follows around: one label would change how the rest of the line reads.
_BIDIRECTIONAL = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT = ("R", "AL", "AN")

#: What is no letter to LaTeX, or to Markdown around it, as a sign that all of them draw alike.
_SIGNS = {
    "\\": r"\backslash ",
    "{": r"\lbrace ",
    "}": r"\rbrace ",
    "$": r"\text{＄}",  # a real one would end the formula in some of them
    "%": r"\%",
    "#": r"\#",
    "&": r"\&",
    "_": r"\_",
    "^": r"\text{ˆ}",
    "~": r"{\sim}",
    "<": "{<}",
    ">": "{>}",
    "*": "{*}",
    "`": r"\text{ˋ}",
    "|": r"\vert ",
    "[": "[",
    "]": "]",
}
_WORD = re.compile(r"([^\W\d_]+)_?(\d*)('{0,3})")
_SUBSCRIPTED = re.compile(r"([^\W\d_])_([^\W\d_]+|\d+)")
_ACCENTS = {"\u0302": r"\hat", "\u0304": r"\bar", "\u0303": r"\tilde", "\u0307": r"\dot", "\u0308": r"\ddot"}
_NAMED_ACCENTS = {"hat": r"\hat", "bar": r"\bar", "tilde": r"\tilde"}
#: The capital letters of Greek that LaTeX has a command for; the others look as Latin ones do.
_CAPITALS = frozenset(["GAMMA", "DELTA", "THETA", "LAMDA", "XI", "PI", "SIGMA", "UPSILON", "PHI", "PSI", "OMEGA"])


class Symbols(NamedTuple):
    """What nodes are called."""

    #: the symbol of each node, by its id
    of: dict[int, Symbol]
    #: short symbols that stand for long labels, with the labels
    legend: list[tuple[Symbol, str]]


def symbols(nodes: Iterable[Value], root: Value, found: Mapping[int, str] | None = None) -> Symbols:
    """Return a symbol for each node: its label, or the name that the code has for it, or else one that is made up.

    Made-up names are those of the textbooks: L for the root, z₁, z₂ … for weighted sums (``dot``), a₁ for the
    activation of z₁, x₁ … for leaves and v₁ … for all others. Long labels get one too; ``layers.0.neurons.1.w.0``
    becomes w₁. Where two nodes have one label, the second has ``#2`` added to it.

    Args:
        nodes: Operands before the nodes that use them.
        root: The node at the end.
        found: Names by ``id``, of nodes without a label.

    >>> a, b = Value(2.0, label="a"), Value(3.0)
    >>> c = a * b
    >>> [symbol.text for symbol in symbols([a, b, c * c, c], c).of.values()]
    ['a', 'x1', 'v1', 'L']
    """
    nodes = list(nodes)
    labels = {id(node): node.label or (found or {}).get(id(node), "") for node in nodes}
    texts: dict[int, str] = {}
    taken: dict[str, int] = {}
    for node in nodes:
        if 0 < len(labels[id(node)]) <= _LONGEST:
            texts[id(node)] = _unused(in_text(labels[id(node)]), taken)
    for node in nodes:
        if id(node) not in texts:
            texts[id(node)] = _made_up(node, node is root, labels[id(node)], texts, taken)
            taken[texts[id(node)]] = 1
    of, legend = {}, []
    for node in nodes:
        text, label = texts[id(node)], labels[id(node)]
        own = 0 < len(label) <= _LONGEST
        latex = in_latex(label if own else text)
        repeated = text.removeprefix(in_text(label)) if own else ""
        if repeated:
            latex = rf"{{{latex}}}_{{\#{repeated[1:]}}}"
        of[id(node)] = Symbol(text, latex, node.data)
        if label and not own:
            legend.append((of[id(node)], label))
    return Symbols(of, legend)


def in_text(label: str) -> str:
    """Return a label in a line of text: in quotes if it could be read as a formula or as several words.

    Args:
        label: Any text.

    >>> in_text("w1"), in_text("layers[0].w"), in_text("z(0, 1)"), in_text("a b"), in_text("-x")
    ('w1', 'layers[0].w', 'z(0, 1)', '‹a b›', '‹-x›')
    """
    drawn = _BIDIRECTIONAL.sub("\ufffd", visible(shortened(label)))
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in drawn):
        return f"‹\u2068{drawn}\u2069›"  # isolated, so that it turns nothing around but itself
    plain = re.fullmatch(r"[^\W\d][\w\u0300-\u036f]*'*(?:\.\w+|\[[\w, ]+\]|\([\w,. -]+\))*", drawn)
    return drawn if plain else f"‹{drawn}›"


def in_latex(label: str) -> str:
    r"""Return a label in a formula of LaTeX, as MathJax, KaTeX and LaTeX itself read it.

    Args:
        label: Any text.

    >>> print(in_latex("w12"), in_latex("ŷ"), in_latex("loss"), in_latex("50 % of {x}"))
    w_{12} \hat{y} \mathrm{loss} \text{50 }\%\text{ of }\lbrace \text{x}\rbrace
    """
    drawn = _BIDIRECTIONAL.sub("\ufffd", visible(shortened(label)))
    hat = re.fullmatch(r"([^\W\d_])_(hat|bar|tilde)", drawn)
    if hat:
        return f"{_NAMED_ACCENTS[hat[2]]}{{{_letters(hat[1])}}}"
    subscripted = _SUBSCRIPTED.fullmatch(drawn)
    if subscripted:
        below = subscripted[2]
        return f"{_letters(subscripted[1])}_{{{below if below.isdecimal() else _letters(below)}}}"
    word = _WORD.fullmatch(unicodedata.normalize("NFC", drawn))
    accented = _accented(drawn)
    if accented:
        return accented
    if word and word[2].isascii():
        return _letters(word[1]) + (f"_{{{word[2]}}}" if word[2] else "") + word[3]
    parts = re.findall(r"([^\\{}$%#&_^~<>*`|\[\]]+)|(.)", drawn)
    return "".join(rf"\text{{{text}}}" if text else _SIGNS[sign] for text, sign in parts) or r"\text{ }"


def _letters(word: str) -> str:
    """Return a letter in italics, a word upright, a Greek letter or its name as the command."""
    greek = _greek(word)
    if greek:
        return greek
    if len(word) == 1 and word.isascii():
        return word
    return rf"\mathrm{{{word}}}" if word.isascii() else rf"\text{{{word}}}"


def _greek(word: str) -> str:
    """Return the command of a Greek letter, or of its name: of α and of ``alpha``."""
    if len(word) == 1:
        letter = word
    else:
        kind = "SMALL" if word.islower() else "CAPITAL" if word.istitle() else ""
        try:
            letter = unicodedata.lookup(f"GREEK {kind} LETTER {word.upper().replace('LAMBDA', 'LAMDA')}")
        except KeyError:
            return ""
    if "α" <= letter <= "ω" and letter not in "ος":
        return rf"\{unicodedata.name(letter).split()[-1].lower().replace('lamda', 'lambda')}"
    name = unicodedata.name(letter, "").split()
    if name[:2] == ["GREEK", "CAPITAL"] and name[-1] in _CAPITALS and len(name) == 4:
        return rf"\{name[-1].title().replace('Lamda', 'Lambda')}"
    return ""


def _accented(word: str) -> str:
    """Return a letter with an accent of mathematics, ``ŷ`` or ``ŷ2``."""
    match = re.fullmatch(r"(\D)([\u0300-\u036f])(\d*)", unicodedata.normalize("NFD", word))
    if match is None or match[2] not in _ACCENTS or not match[1].isascii():
        return ""
    return f"{_ACCENTS[match[2]]}{{{match[1]}}}" + (f"_{{{match[3]}}}" if match[3] else "")


def _made_up(node: Value, is_root: bool, label: str, texts: Mapping[int, str], taken: Mapping[str, int]) -> str:
    path = re.fullmatch(r"[\w.\[\]]*[.\]]([a-z]{1,2})(?:\.\d+|\[\d+\])*", label)
    if path and path[1].isascii():
        return _numbered(path[1], taken)
    if is_root:
        return "L" if "L" not in taken else _numbered("L", taken)
    if node.is_leaf:
        return _numbered("x", taken)
    op = operation_of(node)
    if op.name == "dot":
        return _numbered("z", taken)
    operands = [x for x in node.parents if not x.is_constant]
    if op.arity != NARY and len(operands) == 1 and operands[0].op == "dot":
        weighted = re.fullmatch(r"z(\d+)", texts.get(id(operands[0]), ""))
        if weighted and f"a{weighted[1]}" not in taken:
            return f"a{weighted[1]}"
    return _numbered("v", taken)


def _numbered(letter: str, taken: Mapping[str, int]) -> str:
    k = 1
    while f"{letter}{k}" in taken:
        k += 1
    return f"{letter}{k}"


def _unused(text: str, taken: dict[str, int]) -> str:
    """Return the text, with a number added to it if it was taken before."""
    new = text
    while new in taken:
        taken[text] += 1
        new = f"{text}#{taken[text]}"
    taken[new] = 1
    return new
