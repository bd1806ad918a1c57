"""What a record of the operation table says: :class:`Op`, and the :class:`Interval` of an operand.

A record's **derivative rule** is written once, in generic arithmetic. It is called as ``rule(m, *operands, z)``, where
``z`` is the operation's own result and ``m`` is the arithmetic to compute in: plain floats, Values (so that
derivatives have derivatives) or arrays. Operators act on the operands themselves; every other operation of the table is
``m.name``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, final

Rule = Callable[..., Any]


@final
class Interval:
    """Where one operand may lie. Infinite ends are open; finite ones are closed unless ``open`` says otherwise."""

    def __init__(self, low: float = -math.inf, high: float = math.inf, *, open: str = "", whole: bool = False) -> None:
        self.low: Final = low
        self.high: Final = high
        #: the finite ends that do not belong to it: "", "low", "high" or "both"
        self.open: Final = open
        #: only whole numbers
        self.whole: Final = whole

    def __repr__(self) -> str:
        left = "(" if self.open in ("low", "both") or self.low == -math.inf else "["
        right = ")" if self.open in ("high", "both") or self.high == math.inf else "]"
        return f"{left}{self.low:g}, {self.high:g}{right}" + (" whole" if self.whole else "")


REALS: Final = Interval()
POSITIVE: Final = Interval(0.0, open="low")
UNIT: Final = Interval(-1.0, 1.0)
CONDITION: Final = Interval(0.0, 1.0, whole=True)

#: The arity of an operation that takes any number of operands.
NARY: Final = -1


@final
class Op:
    """One operation: its value, its derivative, its domain, its kinks and how it is written.

    Attributes:
        name: The name of the function, of the method and of the record.
        symbol: How it is drawn: ``+``, ``tanh`` ...
        arity: The number of operands, or :data:`NARY`.
        forward: On floats: ``forward(x, y)``; for n-ary operations ``forward(operands)``, on a sequence.
        partials: The derivative rule, one function an operand: ``rule(m, *operands, z)``. For n-ary operations a
            single function of ``(m, operands, z)`` that returns the list of all.
        definition: The textbook formula, ``definition(m, *operands)``, in the arithmetic ``m`` of mpmath or arrays: the
            truth that tests compare with. ``None``: m's own function of that name.
        operands: Names of the operands. For n-ary operations those of the function's sequences and scalars.
        defaults: Values of the last operands, if left out.
        aliases: Other libraries' names of an operand that has a default, by its own.
        domain: An :class:`Interval` for each operand; for n-ary operations one, for all.
        kink: ``kink(*operands)`` is true where the derivative jumps.
        convention: What the derivative is taken to be at a kink, in words.
        chooses: Whether a partial of 0 says that the operand was not chosen, and not that it happens to vanish here: it
            passes nothing on then, not even 0·inf.
        singular: ``singular(*operands)`` is true where a partial may be infinite or nan, although the operands are
            finite. ``None``: at the finite ends of the domain, if there is one operand; nowhere, if there are more.
        degree: The operation of λ times its operands is λ**degree times the operation, for λ > 0; ``None``: no such.
        textbook: The derivative rule as it is read: in the place of each partial that is written for accuracy and not
            for the eye, the textbook's, called as those are. ``None``: the partial is that already.
        notation: The function's name in formulas, such as ``arcsin`` or ``σ``. Without one, an operation is written as
            its definition says, and as a function of its own name if there is none.
        numpy: NumPy's name for it, if NumPy has it.
        mended: How it is computed on JAX, where XLA's function of that name is off by many units in the last place:
            ``mended(m, own, *operands)`` in the arithmetic ``m`` of arrays, ``own`` that function.
        special: Its name in ``scipy.special`` and in ``jax.scipy.special``, if it is there.
        stable: How it is computed on whole arrays, where neither NumPy nor ``special`` has it, and in compiled loops:
            ``stable(m, *operands)`` in the arithmetic ``m`` of arrays, without branches, cheap, and such that nothing
            overflows or cancels on the way. ``None``: as the ``definition`` says, which is that already.
        source: Its text in compiled loops, where that is no formula and no function of ``math``: plain Python, ``{0}``,
            ``{1}`` for the operands; what reads it puts brackets around it where it needs them. What it chooses between
            are names and constants, as nothing costlier may stand in a branch.
        bound: The greatest error of a partial, in ulp.
        bound_reason: Why the bound is more than 4, where it is.
        doc: One sentence about it.
        public: Whether it is exported as a function and a method.
        flat: Whether every partial is 0 everywhere: it jumps, or it is constant.
        code: Its place in the table: the number that a graph's nodes carry.
    """

    def __init__(
        self,
        name: str,
        symbol: str,
        arity: int,
        forward: Rule,
        partials: tuple[Rule, ...],
        *,
        doc: str,
        definition: Rule | None = None,
        textbook: tuple[Rule | None, ...] = (),
        notation: str = "",
        operands: tuple[str, ...] = ("x", "y"),
        defaults: tuple[float, ...] = (),
        aliases: dict[str, tuple[str, ...]] | None = None,
        domain: tuple[Interval, ...] = (),
        kink: Rule | None = None,
        convention: str = "",
        chooses: bool = False,
        singular: Rule | None = None,
        degree: float | None = None,
        numpy: str = "",
        mended: Rule | None = None,
        special: str = "",
        stable: Rule | None = None,
        source: str = "",
        bound: float = 4.0,
        bound_reason: str = "",
        public: bool = True,
    ) -> None:
        self.name: Final = name
        self.symbol: Final = symbol
        self.arity: Final = arity
        self.forward: Final = forward
        self.partials: Final = partials
        self.definition: Final = definition
        self.operands: Final = operands[:arity] if arity != NARY else operands
        self.defaults: Final = defaults
        self.aliases: Final[dict[str, tuple[str, ...]]] = aliases or {}
        self.domain: Final = domain or (REALS,) * max(arity, 1)
        self.kink: Final = kink
        self.convention: Final = convention
        self.chooses: Final = chooses
        self.singular: Final = singular
        self.degree: Final = degree
        self.textbook: Final = textbook or (None,) * len(partials)
        self.notation: Final = notation
        self.numpy: Final = numpy
        self.mended: Final = mended
        self.special: Final = special
        self.stable: Final = stable
        self.source: Final = source
        self.bound: Final = bound
        self.bound_reason: Final = bound_reason
        self.doc: Final = doc
        self.public: Final = public
        self.code = -1
        self.flat = False

    def value(self, operands: Sequence[Any]) -> Any:
        """Return the operation on floats."""
        return self.forward(operands) if self.arity == NARY else self.forward(*operands)

    def by_definition(self, m: Any, operands: Sequence[Any]) -> Any:
        """Return the operation's definition in the arithmetic ``m``."""
        assert self.definition is not None
        return self.definition(m, list(operands)) if self.arity == NARY else self.definition(m, *operands)

    def derivatives(self, m: Any, operands: Sequence[Any], z: Any, wanted: Sequence[bool] = ()) -> list[Any]:
        """Return the rules in the arithmetic ``m``, by each operand; None where one is not ``wanted``."""
        if self.arity == NARY:
            return list(self.partials[0](m, operands, z))
        skip = [not wanted[k] for k in range(self.arity)] if wanted else [False] * self.arity
        return [None if skip[k] else self.partials[k](m, *operands, z) for k in range(self.arity)]

    @property
    def may_be_singular(self) -> bool:
        """Whether there are finite operands at which a partial is infinite or nan."""
        return self.singular is not None or (self.arity == 1 and any(map(math.isfinite, self._edges())))

    def is_singular(self, operands: Sequence[float]) -> bool:
        """Whether a partial may be infinite or nan at these operands."""
        if self.singular is not None:
            return bool(self.singular(*operands))
        return operands[0] in self._edges()

    def _edges(self) -> tuple[float, float]:
        return self.domain[0].low, self.domain[0].high

    def __repr__(self) -> str:
        return f"<operation {self.name}>"
