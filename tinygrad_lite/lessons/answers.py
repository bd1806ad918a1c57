"""The exercises of the notebooks whose answers can be checked: what is asked, what is wrong with an answer, and why the
right one is right."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tinygrad_lite.functions import tanh
from tinygrad_lite.transforms import grad
from tinygrad_lite.value import Value, topological_order

#: How far a number may be from the right one: people round.
_ROUNDED: Final = 1e-3
_XOR: Final = (((0, 0), 0), ((0, 1), 1), ((1, 0), 1), ((1, 1), 0))


class Exercise(NamedTuple):
    """An exercise whose answer can be checked."""

    #: what is to be handed over
    asks: str
    #: of how many parts
    parts: int
    #: what is wrong with an answer; "" if it is right
    fault: Callable[..., str]
    #: why the right answer is right
    because: str


def _numbers(*expected: tuple[str, float, Mapping[float, str]]) -> Callable[..., str]:
    """Return what finds fault with numbers: each has a name, the right number, and what to say of others."""

    def fault(*given: Any) -> str:
        for (name, right, hints), number in zip(expected, given, strict=True):
            if math.isclose(float(number), right, rel_tol=_ROUNDED, abs_tol=_ROUNDED):
                continue
            known = next((hint for wrong, hint in hints.items() if math.isclose(float(number), wrong)), "")
            return f"{name} is not {float(number):g}{': ' + known if known else ''}."
        return ""

    return fault


def _one_of(right: Sequence[Any], hint: str) -> Callable[..., str]:
    """Return what finds fault with an answer that is a choice."""

    def fault(*given: Any) -> str:
        words = tuple(part.strip().lower() if isinstance(part, str) else part for part in given)
        return "" if words in right else hint

    return fault


def _example() -> tuple[Value, list[Value]]:
    """Return the graph L = h + h² of notebook 1, and its nodes in the order that the engine takes."""
    x, w = Value(3.0, label="x"), Value(2.0, label="w")
    h = x * w
    s = h * h
    root = h + s
    h.label, s.label, root.label = "h", "s", "L"
    return root, topological_order(root, leaves=True)


def _order(labels: Any) -> str:
    _, nodes = _example()
    usual = [node.label for node in nodes]
    given = [getattr(label, "label", label) for label in labels]
    if sorted(map(str, given)) != sorted(usual):
        return f"An order has each of {', '.join(sorted(usual))} once."
    for node in nodes:
        for operand in node.parents:
            if given.index(operand.label) < given.index(node.label):
                return f"{operand.label} stands before {node.label}, which uses it."
    return "That is the order which was printed: there is another one." if given == usual else ""


def _sweep(sweep: Any) -> str:
    root, order = _example()
    sweep(order, root)
    sweep(order, root)
    found = {node.label: node.grad for node in order if node.is_leaf}
    if found == {"x": 52.0, "w": 78.0}:
        return ""
    hints = {
        26.0: "that is one sweep's: the leaves were cleared before the second",
        102.0: "interior nodes passed on once more what they had from the first sweep",
    }
    hint = hints.get(found["x"], "two sweeps give twice 26")
    return f"After two sweeps x has {found['x']:g}, not 52: {hint}."


def _half_slope(c: Any) -> str:
    slope = grad(lambda at: tanh(at - 6.0))(float(c))
    return "" if abs(slope - 0.5) < _ROUNDED else f"There the slope is {slope:.4g}, not 0.5."


def _counts(forward: Any, backward: Any) -> str:
    for n, m in ((3, 5), (7, 2)):
        for name, count, right in (("forwards", forward, n * m), ("backwards", backward, 2 * n * m)):
            if count(n, m) != right:
                return f"For {n} neurons with {m} inputs it is not {count(n, m):g} {name}."
    return ""


def _featured(w1: Any, w2: Any, w3: Any, b: Any) -> str:
    for (p, q), target in _XOR:
        z = w1 * p + w2 * q + w3 * p * q + b
        if (z > 0) != bool(target):
            return f"At ({p}, {q}) z is {float(z):g}, and has to be {'positive' if target else '0 or negative'}."
    return ""


def _equal(x: Any, y: Any) -> str:
    return "" if x == y != 0 else f"At ({x}, {y}) the two derivatives differ, and swapped they are wrong."


#: By the numbers of the notebook and of the exercise.
EXERCISES: Final[Mapping[str, Exercise]] = {
    "1.1": Exercise(
        "∂y/∂a, ∂y/∂b",
        2,
        _numbers(
            ("∂y/∂a", 2.0, {3.0: "the factor that a is in is multiplied by the other one, b + 1"}),
            (
                "∂y/∂b",
                5.0,
                {
                    2.0: "that is the path through a + b alone, and another leads through b + 1",
                    3.0: "that is the path through b + 1 alone, and another leads through a + b",
                    6.0: "paths are added, not multiplied",
                },
            ),
        ),
        "One path leads from a, with b + 1 = 2; two lead from b, with 2 + 3.",
    ),
    "1.2": Exercise(
        "the gradients of a - a and of a / a",
        2,
        _numbers(
            ("The gradient of a - a", 0.0, {1.0: "that is one of two messages"}),
            ("The gradient of a / a", 0.0, {0.25: "that is one of two messages", 1.0: "a / a is 1 wherever a is"}),
        ),
        "Two messages arrive at a, and cancel: 1 and −1 in the first, 1/a and −a/a² in the second.",
    ),
    "1.3": Exercise(
        'a list of labels, such as ["L", "s", "h", "x", "w"]',
        1,
        _order,
        "Neither x nor w is an operand of the other, so that they may change places. All else is fixed.",
    ),
    "1.4": Exercise(
        "your function, which takes the order and the root",
        1,
        _sweep,
        "Interior nodes are cleared before each sweep, and leaves add up.",
    ),
    "1.5": Exercise(
        "the number of paths, and of nodes that pass something on",
        2,
        _numbers(
            ("The number of paths", 2.0**30, {60.0: "each node doubles the paths, it does not add two"}),
            ("The number of nodes", 30.0, {31.0: "the leaf passes nothing on"}),
        ),
        "Each addition doubles the paths, and the sweep visits it once.",
    ),
    "1.6": Exercise("one value of c", 1, _half_slope, "1 − tanh² u is ½ where tanh² u is ½, on both sides of c = 6."),
    "2.1": Exercise(
        "the number of the equation that changes",
        1,
        _numbers(
            (
                "The equation that changes",
                2.0,
                {
                    1.0: "it is about the last layer, which has no hidden activation",
                    3.0: "it takes δ as it is",
                    4.0: "it takes δ as it is",
                },
            )
        ),
        "g′ stands in (2) alone: it is 1 − tanh² z = 1 − a².",
    ),
    "2.4": Exercise(
        "how many parameters change in the first step, and in the second",
        2,
        _numbers(
            ("The number in the first step", 0.0, {1.0: "the last bias gets ½ − y of each sample, which add up to 0"}),
            ("The number in the second step", 0.0, {}),
        ),
        "Nothing comes back through weights that are 0, all activations are 0, and half of the targets are 1.",
    ),
    "2.5": Exercise(
        "two functions of n and m: multiplications forwards, and backwards",
        2,
        _counts,
        "nm for Wa; nm for Wᵀδ and nm for δaᵀ.",
    ),
    "3.1": Exercise(
        "the two lines between which zero_grad must not stand, as words",
        2,
        _one_of([("backward", "step")], "Where would the gradient be thrown away that the step needs?"),
        "Between the two it throws away the gradient that step needs.",
    ),
    "3.2": Exercise(
        "w₁, w₂, the weight of x₁·x₂, and the bias",
        4,
        _featured,
        "z is positive for the 1s alone: one chosen feature does what the hidden layer has to find.",
    ),
    "3.4": Exercise(
        "True or False",
        1,
        _one_of([(False,)], "Its output rises or falls with one z: what does the boundary look like?"),
        "The boundary is where one z has some value, and that is a straight line.",
    ),
    "3.5": Exercise(
        "by what the learning rate is multiplied",
        1,
        _numbers(("The factor", 0.25, {4.0: "the gradient is four times as large already"})),
        "The gradient is four times as large, and the step is their product.",
    ),
    "4.6": Exercise(
        "the number of groups for 4, 8 and 16 numbers",
        3,
        _numbers(
            ("The number for 4", 7.0, {}),
            ("The number for 8", 3.0, {14.0: "the steps repeat", 15.0: "the steps repeat"}),
            ("The number for 16", 3.0, {6.0: "the statement in a loop is there once, however many steps it has"}),
        ),
        "From 8 on the steps are found to repeat: a loop of one statement, for any number of steps.",
    ),
    "5.1": Exercise(
        "the verdicts for a slope of 1, and of ½, as words",
        2,
        _one_of([("kink", "kink")], "Is there one right slope at 0?"),
        "At a kink every number from 0 to 1 can be defended, and the verdict says that it is one.",
    ),
    "5.2": Exercise(
        'the side on which digits are lost: "positive" or "negative" x',
        1,
        _one_of([("positive",)], "What does 1 − s round to where s is nearly 1?"),
        "For large positive x, s rounds to 1, and 1 − s to 0.",
    ),
    "5.3": Exercise(
        "x and y of a point where the swapped derivatives are right",
        2,
        _equal,
        "Where x = y the two derivatives are equal, and nobody sees that they were swapped.",
    ),
}
