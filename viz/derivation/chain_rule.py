"""The page of a derivation: forwards, the derivative of each step, the paths, what cancels, the result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.value import Value
from tinygrad_lite.viz.derivation.cancellations import Adjoints, Cancellation
from tinygrad_lite.viz.derivation.document import (
    Block,
    Heading,
    Math,
    Page,
    Row,
    Rows,
    Sentence,
    added,
    chain,
    distinct,
    listed,
    math_of,
    multiplied,
    product_tree,
)
from tinygrad_lite.viz.derivation.notation import Notation
from tinygrad_lite.viz.derivation.paths import Between, product
from tinygrad_lite.viz.formulas.formulas import Condition, Number, Sum, Symbol, Tree, parts_of
from tinygrad_lite.viz.formulas.symbolic import LONGEST
from tinygrad_lite.viz.formulas.symbols import in_latex, in_text

#: So many terms of a sum are written out; of more, the first and the last ones.
_TERMS: Final = 6
_DIFFERENCE: Final = Math("ŷ − y", r"\hat{y} - y")
_COUNTS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class ChainRule:
    """Writes the page of a derivation.

    Args:
        between: The nodes on the paths.
        notation: How they are written.
        max_paths: How many paths are listed.

    >>> a = Value(2.0, label="a")
    >>> between = Between(a * a, a)
    >>> ChainRule(between, Notation(between, {}, 4), max_paths=8).page().text().splitlines()[-1]
    '   ∂L/∂a = 2·a = 2·2 = 4'
    """

    def __init__(self, between: Between, notation: Notation, max_paths: int) -> None:
        self.between = between
        self.notation = notation
        self.max_paths = max_paths
        self.root, self.leaf = between.nodes[0], between.nodes[-1]
        self.steps = [node for node in reversed(between.nodes) if node in between]
        self.stations = between.bottlenecks()
        self.formulas = Adjoints(between, notation.applications)
        self.adjoints = between.adjoints(self.root)

    def page(self) -> Page:
        """All of it."""
        whole = self.notation.derivative(self.root, self.leaf)
        title = Sentence("{}, step by step", (whole,))
        if not self.steps:
            row = Row(whole, (self.notation.number(1.0),))
            return Page(title, (Heading("A number, by itself"), Rows((row,))))
        blocks = [*self.legend(), *self.forwards(), *self.local_derivatives()]
        if len(self.steps) == 1:
            return Page(title, (*blocks, *self.remark(self.leaf)))
        blocks += self.paths()
        found = self.cancellation()
        if found is not None:
            blocks += self.algebra(*found)
        else:
            blocks += self.on_the_way()
        return Page(title, (*blocks, *self.result(found)))

    def legend(self) -> list[Block]:
        """Return what short symbols stand for."""
        rows = [
            Row(Math(symbol.text, symbol.latex), (Math(in_text(label), in_latex(label)),))
            for symbol, label in self.notation.legend
        ]
        return [Sentence("In short:"), Rows(tuple(rows))] if rows else []

    # ------------------------------------------------------------------------------------------ 1. and 2. steps

    def forwards(self) -> list[Block]:
        """Each step with its formula and its numbers."""
        notation = self.notation
        rows = []
        for node in self.steps:
            written = notation.both(notation.applications[id(node)].formula())
            rows.append(Row(notation.name(node), distinct([*written, notation.number(node.data)])))
        blocks: list[Block] = [Heading("Forwards"), Rows(tuple(rows))]
        if any(node is self.leaf for node in notation.aside):  # a node on the way, by which is differentiated
            blocks.append(Sentence("{} is taken as given.", (notation.equation(self.leaf),)))
        aside = [node for node in notation.aside if node is not self.leaf]
        if aside:
            which = listed([notation.equation(node) for node in aside[:_TERMS]])
            more = f" and {len(aside) - _TERMS} more" if len(aside) > _TERMS else ""
            does = "does" if len(aside) == 1 else "do"
            blocks.append(Sentence(f"{{}}{more} {does} not depend on {{}}.", (which, notation.name(self.leaf))))
        return blocks

    def local_derivatives(self) -> list[Block]:
        """Return the derivative of each step by each operand that leads on."""
        notation, rows, trees = self.notation, [], []
        for node in self.steps:
            for operand in reversed(self.between.operands(node)):
                trees.append(self.formulas.partial(node, operand))
                number = notation.number(self.between.partial(node, operand))
                rows.append(Row(notation.step(node, operand), distinct([*notation.both(trees[-1]), number])))
        blocks: list[Block] = [Heading("The derivative of each step"), Rows(tuple(rows))]
        if any(isinstance(part, Condition) for tree in trees for part in parts_of(tree)):
            blocks.append(Sentence("A condition in brackets is 1 where it holds, and 0 elsewhere."))
        for left in [row.left for row in rows if "|" in row.left.text][:1]:
            words = "Behind the bar in {} stands what is held fixed: it is the derivative of that step alone."
            blocks.append(Sentence(words, (left,)))
        for node in self.steps:
            op = notation.applications[id(node)].op
            if op.kink is not None and op.arity != NARY and op.kink(*[x.data for x in node.parents]):
                words = f"The derivative of {{}} jumps here; the convention is: {_plain(op.convention)}."
                blocks.append(Sentence(words, (notation.name(node),)))
        return blocks

    # ----------------------------------------------------------------------------------------------- 3. paths

    def paths(self) -> list[Block]:
        """Return the paths, and what lies between the nodes that all of them pass."""
        between, notation = self.between, self.notation
        count = between.count_paths(self.root, self.leaf)
        ends = (notation.name(self.leaf), notation.name(self.root))
        how_many = f"{_counted(count).capitalize()} path{' leads' if count == 1 else 's lead'} from {{}} to {{}}"
        blocks: list[Block] = [Heading("The chain rule")]
        if count <= self.max_paths:
            blocks.append(Sentence(f"{how_many}:", ends))
            for k, path in enumerate(between.list_paths(self.root, self.leaf), 1):
                names = [notation.name(node) for node in reversed(path)]
                arrows = Math(" → ".join(name.text for name in names), r" \to ".join(name.latex for name in names))
                blocks.append(Sentence("{}" if count == 1 else f"({k}) {{}}", (arrows,)))
        else:
            blocks.append(Sentence(f"{how_many}.", ends))
        if len(self.stations) > 2:
            if count > 1:
                shared = [notation.name(node) for node in reversed(self.stations[1:-1])]
                blocks.append(Sentence("All of them pass {}.", (listed(shared),)))
            factors = [notation.derivative(upper, lower) for upper, lower in pairwise(self.stations)]
            blocks.append(Rows((Row(notation.derivative(self.root, self.leaf), (multiplied(factors),)),)))
        for upper, lower in pairwise(self.stations):
            count = between.count_paths(upper, lower)
            if count > 1:
                blocks += self.sum_over_paths(upper, lower) if count <= self.max_paths else self.sweep(upper, lower)
        return blocks

    def sum_over_paths(self, upper: Value, lower: Value) -> list[Block]:
        """Return the derivative of a node by one below it: a product along each path, and their sum."""
        between, notation = self.between, self.notation
        rows, values = [], []
        for path in between.list_paths(upper, lower):
            steps = list(pairwise(path))
            numbers = [between.partial(a, b) for a, b in steps]
            values.append(product(numbers))
            formula = chain([self.formulas.partial(a, b) for a, b in steps], precision=notation.precision)
            rights = [formula, self.numbers(numbers), notation.number(values[-1])]
            rows.append(Row(multiplied([notation.step(a, b) for a, b in steps]), distinct(rights)))
        whole = notation.derivative(upper, lower)
        terms = added([notation.number(value) for value in values])
        total = notation.number(between.adjoints(upper)[id(lower)])
        return [
            Sentence(f"{{}} is the sum over the {_counted(len(values))} paths between the two:", (whole,)),
            Rows((*rows, Row(whole, distinct([terms, total])))),
        ]

    def sweep(self, upper: Value, lower: Value) -> list[Block]:
        """Reverse accumulation: the derivative of the upper node by each one below it, from those of its users."""
        between, notation = self.between, self.notation
        adjoints = between.adjoints(upper)
        section = between.section(upper, lower)
        simple = self.simple(section[1:]) if upper is self.root else {}
        rows = []
        for node in section[1:]:
            users = [user for user in section[:-1] if any(x is node for x in between.operands(user))]
            shown = users if len(users) <= _TERMS else [*users[: _TERMS - 1], users[-1]]
            names, numbers = [], []
            for user in shown:
                partial = between.partial(user, node)
                if user is upper:
                    names.append(notation.both(self.formulas.partial(user, node))[0])
                    numbers.append(self.numbers([partial]))
                else:
                    names.append(multiplied([notation.derivative(upper, user), notation.step(user, node)]))
                    numbers.append(self.numbers([adjoints[id(user)], partial]))
            rights = [_elided(terms, len(users) - len(shown)) for terms in (names, numbers)]
            if id(node) in simple:
                rights.append(math_of(simple[id(node)].result, precision=notation.precision))
            rights.append(notation.number(adjoints[id(node)]))
            rows.append(Row(notation.derivative(upper, node), distinct(rights), tall=True))
        words = (
            f"Between {{}} and {{}} are {_counted(between.count_paths(upper, lower))} paths. Their sum is formed "
            "node by node, from the root back, as in backward():"
        )
        return [Sentence(words, (notation.name(lower), notation.name(upper))), Rows(tuple(rows))]

    # ----------------------------------------------------------------------------------------- 4. what cancels

    def cancellation(self) -> tuple[int, Cancellation] | None:
        """Return the lowest of the nodes that all paths pass whose adjoint comes to something simple, by its place.

        Of several with the same adjoint it is the highest.
        """
        lowest: tuple[int, Cancellation] | None = None
        for place in range(len(self.stations) - 1, 0, -1):
            node = self.stations[place]
            found = self.formulas.at(node, self.adjoints[id(node)])
            if found is not None and (lowest is None or lowest[1].result == found.result):
                lowest = place, found
        return lowest

    def algebra(self, place: int, found: Cancellation) -> list[Block]:
        """Return what leads from the factors above a node to what they come to."""
        notation, node = self.notation, self.stations[place]
        whole = notation.derivative(self.root, node)
        factors = [notation.derivative(a, b) for a, b in pairwise(self.stations[: place + 1])]
        rights = [multiplied(factors)] if len(factors) > 1 else []
        written = [self.formulas.section(a, b) for a, b in self.formulas.sections(self.stations[: place + 1])]
        known = [both for both in written if both is not None]
        if len(known) == len(written):
            for stage in (0, 1):
                trees = [both[stage] for both in known if both[stage] != Number(1)]
                rights.append(chain(trees or [Number(1)], precision=notation.precision))
        rights += [*notation.both(found.result), notation.number(self.adjoints[id(node)])]
        heading = Heading("What cancels" if found.cancelled else "What it comes to")
        return [heading, Rows((Row(whole, distinct(rights), tall=True),)), *self.remark(node)]

    def simple(self, nodes: Sequence[Value]) -> dict[int, Cancellation]:
        """Return the adjoints that come to something simple, by the nodes' ids; a prediction alone if others have
        targets."""
        found = {id(node): self.formulas.at(node, self.adjoints[id(node)], with_zero=True) for node in nodes}
        notes = {key: note for key, note in found.items() if note is not None}
        worth = any(note.has_target for note in notes.values())
        return {key: note for key, note in notes.items() if worth or note.cancelled}

    def on_the_way(self) -> list[Block]:
        """Adjoints that come to something simple, of nodes that only some of the paths pass."""
        if self.between.count_paths(self.root, self.leaf) > self.max_paths:
            return []  # they were in the sweep
        notation, simple = self.notation, self.simple(self.steps)
        if not simple:
            return []
        rows = []
        for node in self.steps:
            if id(node) in simple:
                written = [*notation.both(simple[id(node)].result), notation.number(self.adjoints[id(node)])]
                rows.append(Row(notation.derivative(self.root, node), distinct(written)))
        blocks: list[Block] = [Heading("What it comes to on the way"), Rows(tuple(rows))]
        if any(note.has_target for note in simple.values()):
            blocks.append(Sentence("This is {}, the prediction less its target, for each sample.", (_DIFFERENCE,)))
        return blocks

    def remark(self, node: Value) -> list[Block]:
        """Why a derivative that is a prediction less something is worth a sentence."""
        found = self.formulas.at(node, self.adjoints[id(node)])
        if found is None or not found.has_target or found.prediction is None:
            return []
        why = "." if not found.cancelled else ": the slope of the activation, small where the network is sure, cancels."
        words = f"This is {{}}, the prediction {{}} less its target{why}"
        return [Sentence(words, (_DIFFERENCE, math_of(found.prediction)))]

    # ---------------------------------------------------------------------------------------------- 5. the result

    def result(self, found: tuple[int, Cancellation] | None) -> list[Block]:
        """All factors together: as formulas, as numbers, and what comes out."""
        notation = self.notation
        factors: list[tuple[Tree, float]] = []
        stations = self.stations
        if found is not None:
            place, note = found
            factors.append((note.result, self.adjoints[id(stations[place])]))
            stations = stations[place:]
        factors += [self.factor(upper, lower) for upper, lower in pairwise(stations)]
        kept = [(tree, value) for tree, value in factors if tree != Number(1)] or [(Number(1), 1.0)]
        rights = [
            chain([tree for tree, _ in kept], precision=notation.precision),
            self.numbers([value for _, value in kept]),
            notation.number(self.adjoints[id(self.leaf)]),
        ]
        if len(kept) == 1 and isinstance(kept[0][0], Symbol) and kept[0][0].text.startswith("∂"):
            rights = rights[-1:]  # the sum over the paths, which was shown above
        whole = notation.derivative(self.root, self.leaf)
        blocks: list[Block] = [Heading("The result"), Rows((Row(whole, distinct(rights), tall=True),))]
        zero = next((tree for tree, value in kept if value == 0.0), None)
        if any(value == 0.0 for _, value in kept) and not all(math.isfinite(value) for _, value in kept):
            words = "0·∞ is no number: this is the limit of the derivative, or nan where none is found."
            blocks.append(Sentence(words, ()))
        elif zero is not None and len(kept) > 1 and not isinstance(zero, Sum):
            blocks.append(Sentence("{} is 0: nothing flows back beyond it.", (math_of(zero),)))
        return blocks

    def factor(self, upper: Value, lower: Value) -> tuple[Tree, float]:
        """Return the derivative of one node by the next that all paths pass: its formula if that is short, else its
        name."""
        value = self.between.adjoints(upper)[id(lower)]
        count = self.between.count_paths(upper, lower)
        if count == 1:
            return self.formulas.partial(upper, lower), value
        few = count <= min(LONGEST, self.max_paths) and len(self.stations) <= _TERMS
        paths = self.between.list_paths(upper, lower) if few else []
        if not paths or max(map(len, paths)) > LONGEST:
            return self.notation.symbol(upper, lower, value), value
        terms = [product_tree([self.formulas.partial(a, b) for a, b in pairwise(path)]) for path in paths]
        return Sum(tuple(terms)), value

    def numbers(self, numbers: Sequence[float]) -> Math:
        """Return a product of numbers."""
        return chain([Number(number) for number in numbers], precision=self.notation.precision)


def _elided(terms: Sequence[Math], left_out: int) -> Math:
    """Return a sum, with dots before its last term if some were left out."""
    if not left_out:
        return added(terms)
    first, last = added(terms[:-1]), added(terms[-1:])
    return Math(f"{first.text} + … + {last.text}", rf"{first.latex} + \cdots + {last.latex}")


def _counted(count: int) -> str:
    """Return a count in words, or in digits; of more than 15 digits only how many there are."""
    if count < len(_COUNTS):
        return _COUNTS[count]
    return f"{count:,}" if count < 10**15 else f"about 1e{round(count.bit_length() * 0.30103)}"


def _plain(words: str) -> str:
    """Words without what a template would read as a place for a formula."""
    return words.replace("{", "(").replace("}", ")")
