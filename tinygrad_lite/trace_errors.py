"""What a function may not ask while ``lift`` traces it, and what to write instead.

A lifted program is the graph that the function records for one example. It is right for other inputs only if recording
it needed no number of the inputs: a branch that was taken on one, or a number that was read and used as a coefficient,
would be frozen. So the engine asks here before a number leaves the graph, and the answer names the line and the remedy.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, NoReturn

from tinygrad_lite import trace_mode
from tinygrad_lite.errors import TraceError
from tinygrad_lite.modes import users_line
from tinygrad_lite.node.state import STATE
from tinygrad_lite.value import Value


class Refusal(NamedTuple):
    """Why something is refused.

    >>> Refusal("v.item()", "read a number", "return v").remedy
    'return v'
    """

    #: How it is written, of a Value v.
    expression: str
    #: What it would do, after "it would".
    consequence: str
    #: What to do instead.
    remedy: str


_BRANCH: Final = "decide by the numbers of this example, and the program would take the same branch for all others"
_NUMBER: Final = "take the number of this example, and the program would use it for all others"
_CUT: Final = "begin anew from the number of this example, and the program would not follow its inputs any more"
_OLD: Final = "read a gradient that the program does not compute"
_STATIC: Final = (
    'If it comes from an argument that is a setting, not data, keep that one as a number: lift(f, static=("n",)).'
)

_USE_IT: Final = (
    "use the Value itself in the formula, lookup(table, v) where it is an index, or return it: the program "
    "gives its number at each call"
)
#: Where a line asks for the largest of many.
_SHIFTED: Final = (
    ". A maximum that is only subtracted, as in softmaxes, can be left out: softmax(xs) and logsumexp(xs) subtract it "
    "themselves; functools.reduce(maximum, xs) stays in the graph"
)
_DERIVATIVES: Final = "grad(f) and value_and_grad(f) give derivatives as Values, inside f or around it"


def _comparison(sign: str, function: str) -> Refusal:
    return Refusal(
        f"{{}} {sign} {{}}",
        _BRANCH,
        f"where({function}(a, b), x, y) computes both and chooses; maximum, minimum and clamp are there for the larger "
        "of two, the smaller, and a range",
    )


def _equality(sign: str, function: str) -> Refusal:
    return Refusal(
        f"{{}} {sign} {{}}",
        "ask whether a node is a number, which none ever is, and take one branch for all",
        f"where({function}(a, b), x, y) compares the numbers, computes both and chooses",
    )


#: By what the engine was asked for.
REFUSALS: Final[dict[str, Refusal]] = {
    "<": _comparison("<", "less"),
    "<=": _comparison("<=", "less_equal"),
    ">": _comparison(">", "greater"),
    ">=": _comparison(">=", "greater_equal"),
    "==": _equality("==", "equal"),
    "!=": _equality("!=", "not_equal"),
    "bool": Refusal(
        "bool({})", _BRANCH, "where(v, x, y) computes both and chooses; abs, maximum and minimum need no condition"
    ),
    "data": Refusal("{}.data", _NUMBER, _USE_IT),
    "item()": Refusal("{}.item()", _NUMBER, _USE_IT),
    "float": Refusal(
        "float({})",
        _NUMBER,
        "use the Value itself: tinygrad_lite.exp(v) in the place of math.exp(v), and likewise for the rest of math; "
        "arrays of Values have dtype=object",
    ),
    "int": Refusal("int({})", _NUMBER, "floor(v) is the whole number below; lookup(table, v) takes v as an index"),
    "round": Refusal("round({})", _NUMBER, "floor(v + 0.5) stays in the graph"),
    "format": Refusal(
        "{} in a format", _NUMBER, "return it, and format what the program gives; f'{v}' without a format names it"
    ),
    "set data": Refusal(
        "setting data of {}", "overwrite what the program is given", "return the new value as one more result"
    ),
    "detach()": Refusal(
        "{}.detach()",
        _CUT,
        "differentiate by other arguments only (argnums), or compute it before and give it as an argument of its own",
    ),
    "copy": Refusal("a copy of {}", _CUT, "use the Value itself, or +v for a node of its own"),
    "deepcopy": Refusal("a deep copy or a pickle of {}", _CUT, "use the Value itself"),
    "backward()": Refusal("{}.backward()", "leave gradients that the program does not compute", _DERIVATIVES),
    "forward()": Refusal(
        "{}.forward()", "evaluate again what is being recorded", "call the function on the new inputs"
    ),
    "grad": Refusal("{}.grad", _OLD, _DERIVATIVES),
    "partials": Refusal("{}.partials", _NUMBER, _DERIVATIVES),
    "gradient": Refusal(
        "gradient of {} as floats", _NUMBER, "gradient(output, inputs, create_graph=True) gives Values"
    ),
    "no_grad()": Refusal(
        "an operation on {} inside no_grad()",
        _CUT,
        "leave no_grad() out: the program computes no derivative that it is not asked for",
    ),
    "autocast()": Refusal(
        "an operation on {} inside autocast()",
        "be rounded by Python, number by number, which the program is not",
        "leave autocast() out, and choose the format with the engine of the program",
    ),
}


def refuse_if_traced(node: Value, asked: str, other: object = None) -> None:
    """Raise, while ``lift`` is tracing here, if the node depends on its inputs.

    Args:
        node: What was asked.
        asked: A key of :data:`REFUSALS`.
        other: The right side of a comparison; it may be what depends on the inputs.

    Raises:
        TraceError: With the line, the reason and the remedy.

    >>> x = Value(3.0, label="x")
    >>> refuse_if_traced(x, "data")  # nothing is traced
    >>> with trace_mode.tracing([x]):
    ...     (x + 1.0).data
    Traceback (most recent call last):
    ...
    tinygrad_lite.errors.TraceError: ...
    """
    if asked in ("==", "!=") and not isinstance(other, (int, float)):
        return  # of two Values it asks which node it is, as lists and dicts do
    if trace_mode.is_traced(node) or trace_mode.is_traced(other):
        found = REFUSALS[asked]
        expression = found.expression.format(_named(node), _named(other))
        is_largest = "max(" in users_line()
        refuse(expression, found.consequence, found.remedy + _SHIFTED if is_largest else found.remedy)


def refuse(expression: str, consequence: str, remedy: str) -> NoReturn:
    """Raise, as what is asked would be wrong in a lifted program, whatever it depends on.

    Args:
        expression: What was asked.
        consequence: What it would do.
        remedy: What to do instead.

    Raises:
        TraceError: With these and the user's line.

    >>> refuse("Dropout in training", "draw once", "call eval()")
    Traceback (most recent call last):
    ...
    tinygrad_lite.errors.TraceError: ...
    """
    trace = trace_mode.active_trace()
    message = f"lift cannot trace {expression}, at {users_line()}. It would {consequence}. Instead: {remedy}."
    error = TraceError(f"{message} {_STATIC}" if consequence in (_BRANCH, _NUMBER) else message)
    if trace is not None:
        trace.refusals.append(error)
    raise error


def _named(operand: Any) -> str:
    """Return a Value by its label or where it comes from, without its number; anything else as it is."""
    if not isinstance(operand, Value) or not trace_mode.is_traced(operand):
        return repr(operand)
    if operand.label:
        return f"Value(label={operand.label!r})"
    return "Value(an input)" if operand.is_leaf else f"Value(op={operand.op!r})"


STATE.refuse_if_traced = refuse_if_traced
