"""Derivatives of functions: ``grad``, ``value_and_grad``, ``jacobian``, ``hessian``, ``hvp``, ``jvp``.

Each takes a function and gives a function; arguments are floats, nested lists, tuples and dicts of floats, and NumPy
arrays, and results have the arguments' structure. On Values they give Values, so they compose, and on themselves:
``grad(grad(f))``. All stand on two sweeps over one recorded graph, one from the output (:func:`gradient`) and one from
the inputs (:func:`jvp`). No ``grad`` of a Value of yours is touched. Values that the function closes over are constants
to it, except inside another transform that differentiates by them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final, overload

from tinygrad_lite.adjoints import adjoints_as_floats, adjoints_as_values, as_values, tangents_of
from tinygrad_lite.modes import recording
from tinygrad_lite.trees import Rebuild, as_array, flatten, flatten_units, is_array, structure
from tinygrad_lite.value import Value, topological_order

Argnums = int | Sequence[int]


@overload
def gradient(output: Value, inputs: Value, create_graph: bool = ...) -> Any: ...
@overload
def gradient(output: Value, inputs: Sequence[Value], create_graph: bool = ...) -> list[Any]: ...
def gradient(output: Value, inputs: Any, create_graph: bool = False) -> Any:
    """∂output/∂input for each input, on a graph that is already recorded.

    Args:
        output: The node to differentiate.
        inputs: The nodes, leaves or interior, to differentiate by: one, or a sequence.
        create_graph: Whether the derivatives are Values, to be differentiated again.

    Returns:
        A float for each input (one for one), or a Value with ``create_graph``; 0 where output does not depend on it.

    Raises:
        TypeError: ``output`` or an input is not a Value.
        StaleGraphError: A leaf was changed since the graph was evaluated.

    >>> x = Value(3.0)
    >>> y = x**3
    >>> gradient(y, [x])
    [27.0]
    >>> slope = gradient(y, x, create_graph=True)
    >>> gradient(slope, x)
    18.0
    """
    if isinstance(inputs, Value):
        return gradient(output, [inputs], create_graph)[0]
    nodes = list(inputs)
    for node in [output, *nodes]:
        if not isinstance(node, Value):
            raise TypeError(
                f"gradient(output, inputs) takes Values that were recorded, not {type(node).__name__} {node!r}; "
                "for a function of numbers, use grad(f)"
            )
    if not create_graph:
        return adjoints_as_floats(output, nodes)
    with recording():
        return list(as_values(adjoints_as_values(output, nodes)))


def grad(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The gradient of a scalar function, as a function of the same arguments.

    Args:
        f: Gives a Value or a number.
        argnums: Which positional arguments to differentiate by: an index, or a sequence of indices.

    Returns:
        A function that gives the derivatives in the structure of that argument (a tuple of these for a sequence).

    Raises:
        TypeError: When called: ``f`` does not give a scalar, or an argument is not made of numbers.

    >>> grad(lambda x, y: x * y + y)(2.0, 3.0)
    3.0
    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    >>> grad(lambda p: p["a"] * p["b"])({"a": 2.0, "b": 5.0})
    {'a': 5.0, 'b': 2.0}
    """
    with_value = value_and_grad(f, argnums)

    def gradient_of(*args: Any, **kwargs: Any) -> Any:
        return with_value(*args, **kwargs)[1]

    return _named(gradient_of, "grad", f)


def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., tuple[Any, Any]]:
    """Both f and its gradient, for the price of one evaluation.

    Args:
        f: Gives a Value or a number.
        argnums: Which positional arguments to differentiate by.

    Returns:
        A function that gives the value, and the gradient as :func:`grad` does.

    Raises:
        TypeError: As :func:`grad`.

    >>> value_and_grad(lambda x: x * x)(3.0)
    (9.0, 6.0)
    """

    def value_and_gradient_of(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        trace = _Trace(f, args, kwargs, argnums)
        output = trace.output
        if is_array(output) and output.ndim == 0:
            output = output.item()
        if not isinstance(output, Value):
            output = _constant_output(output, f)
        derivatives = trace.gradients(output)
        return trace.outward(output), trace.in_argument_structure(derivatives)

    return _named(value_and_gradient_of, "value_and_grad", f)


def jacobian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The derivative of every output by every input.

    Args:
        f: Gives Values and numbers in any structure.
        argnums: Which positional arguments to differentiate by.

    Returns:
        A function that gives the outputs' structure, with the argument's structure in the place of each output; a
        number or array of the output by a number or array of the argument is an array of shape ``output.shape +
        argument.shape``.

    Raises:
        TypeError: When called: an argument or the output is not made of numbers.

    >>> jacobian(lambda v: [v[0] * v[1], v[0] + v[1]])([2.0, 3.0])
    [[3.0, 2.0], [1.0, 1.0]]
    """

    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        trace = _Trace(f, args, kwargs, argnums)
        outputs, _ = flatten(trace.output, f"the output of {_name(f)}")
        rows = iter([trace.gradients(y if isinstance(y, Value) else Value(y)) for y in outputs])
        units, rebuild = flatten_units(trace.output, f"the output of {_name(f)}")
        return rebuild(iter([trace.block([next(rows) for _ in range(size)], shape) for size, shape in units]))

    return _named(jacobian_of, "jacobian", f)


def hessian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The second derivatives of a scalar function: the jacobian of its gradient.

    Args:
        f: Gives a Value or a number.
        argnums: Which positional arguments to differentiate by, twice.

    Returns:
        A function that gives the argument's structure within the argument's structure; for an array of shape s an
        array of shape ``s + s``.

    Raises:
        TypeError: As :func:`grad`.

    >>> hessian(lambda v: v[0] ** 2 * v[1])([3.0, 5.0])
    [[10.0, 6.0], [6.0, 0.0]]
    """
    return _named(jacobian(grad(f, argnums), argnums), "hessian", f)


def hvp(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Hessian times vector, without the Hessian: the directional derivative of the gradient (Pearlmutter 1994).

    Args:
        f: Gives a Value or a number.
        argnums: Which positional argument to differentiate by.

    Returns:
        A function of f's arguments followed by the vector, in the structure of the argument. (What
        ``scipy.optimize.minimize`` takes as ``hessp``.)

    Raises:
        TypeError: As :func:`grad`.
        ValueError: The vector has another structure than the argument.

    >>> hvp(lambda v: v[0] ** 2 * v[1])([3.0, 5.0], [1.0, 0.0])
    [10.0, 6.0]
    """
    if not isinstance(argnums, int):
        raise TypeError(f"hvp differentiates by one argument: argnums is an int, not {argnums!r}")

    def hessian_times(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            raise TypeError(f"hvp({_name(f)}) takes the arguments of {_name(f)}, and then the vector to multiply by")
        *primals, vector = args

        def gradient_at(x: Any) -> Any:
            changed = list(primals)
            changed[argnums] = x
            return grad(f, argnums)(*changed, **kwargs)

        return jvp(gradient_at, (primals[argnums],), (vector,))[1]

    return _named(hessian_times, "hvp", f)


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value of f and its derivative in a direction: Jacobian times vector, in one sweep (forward mode).

    Args:
        f: Gives Values and numbers in any structure.
        primals: The arguments, all differentiated.
        tangents: The direction, one of the same structure for each argument.

    Returns:
        The value, and the derivative in the structure of the value.

    Raises:
        TypeError: An argument or the output is not made of numbers.
        ValueError: The tangents have another structure than the primals.

    >>> jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 10.0))
    (6.0, 23.0)
    """
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (list, tuple)):
            raise TypeError(f"jvp takes the {name} of all arguments in a tuple: for one argument, write (x,), (v,)")
    directions, _ = flatten(tuple(tangents), "the tangents")
    if structure(tuple(tangents)) != structure(tuple(primals)):
        raise ValueError(
            f"the tangents have another structure than the primals: {structure(tuple(tangents))}, not "
            f"{structure(tuple(primals))}; give one number for each"
        )
    trace = _Trace(f, tuple(primals), {}, tuple(range(len(primals))))
    outputs, rebuild = flatten(trace.output, f"the output of {_name(f)}")
    trace.higher = trace.higher or any(isinstance(x, Value) for x in directions)
    with recording():
        derivatives = tangents_of(outputs, trace.inputs, directions, trace.higher)
    if trace.higher:
        derivatives = as_values(derivatives)
    values = [trace.outward(y) for y in outputs]
    return rebuild(iter(values)), rebuild(iter(derivatives))


class _Trace:
    """One call of f on Values: fresh nodes in the place of the differentiated arguments, and what came out."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Argnums) -> None:
        self.single = isinstance(argnums, int)
        positions = [argnums] if isinstance(argnums, int) else list(argnums)
        for position in positions:
            if not isinstance(position, int):
                raise TypeError(f"argnums is an index or a sequence of indices, not {argnums!r}")
            if not -len(args) <= position < len(args):
                raise TypeError(
                    f"argnums={argnums!r} asks for argument {position} of {_name(f)}, which was called with "
                    f"{len(args)} positional arguments"
                )
        positions = [position % len(args) for position in positions]
        if len(set(positions)) < len(positions):
            raise ValueError(f"argnums={argnums!r} names an argument twice")
        traced = list(args)
        #: the node of each number in the arguments
        self.inputs: list[Value] = []
        #: whether an argument holds Values: then the results are Values too
        self.higher = False
        self._arguments = [args[position] for position in positions]
        self._rebuilds: list[tuple[int, Rebuild]] = []
        for position in positions:
            leaves, rebuild = flatten(args[position], f"argument {position} of {_name(f)}")
            # A Value becomes a node of its own, or what f holds of the same Value would be differentiated as well.
            with recording():
                nodes = [+leaf if isinstance(leaf, Value) else Value(leaf) for leaf in leaves]
            self.higher = self.higher or any(isinstance(leaf, Value) for leaf in leaves)
            self.inputs += nodes
            self._rebuilds.append((len(nodes), rebuild))
            traced[position] = rebuild(iter(nodes))
        enclosing = _active.get()
        token = _active.set((*enclosing, self))
        try:
            with recording():
                self.output = f(*traced, **kwargs)
        finally:
            _active.reset(token)
        self.higher = self.higher or (bool(enclosing) and self._depends_on(enclosing))

    def _depends_on(self, enclosing: tuple[_Trace, ...]) -> bool:
        """Whether f closed over what an enclosing transform differentiates by: then the results are Values too."""
        outer = {id(x) for trace in enclosing for x in trace.inputs}
        for output in _values_in(self.output):
            for node in topological_order(output, leaves=True):
                if id(node) in outer:
                    return True
        return False

    def gradients(self, output: Value) -> list[Any]:
        """∂output/∂input for each input, as Values if the arguments were."""
        if self.higher:
            with recording():
                return as_values(adjoints_as_values(output, self.inputs))
        return list(adjoints_as_floats(output, self.inputs))

    def outward(self, value: Any) -> Any:
        """A result as the caller wants it: a Value if the arguments were, else a float."""
        return value.data if isinstance(value, Value) and not self.higher else value

    def in_argument_structure(self, leaves: list[Any]) -> Any:
        remaining = iter(leaves)
        results = [rebuild(remaining) for _, rebuild in self._rebuilds]
        return results[0] if self.single else tuple(results)

    def block(self, rows: list[list[Any]], shape: tuple[int, ...] | None) -> Any:
        """The derivatives of one number or array of the output, in the structure of the arguments.

        Args:
            rows: For each number of the output, its derivative by each input.
            shape: Of the output, if it is an array.
        """
        results = []
        start = 0
        for argument in self._arguments:
            units, rebuild = flatten_units(argument, "the argument")
            parts = []
            for size, unit_shape in units:
                numbers = [x for row in rows for x in row[start : start + size]]
                start += size
                whole = (shape or ()) + (unit_shape or ())
                scalar = shape is None and unit_shape is None
                parts.append(numbers[0] if scalar else as_array(numbers, whole))
            results.append(rebuild(iter(parts)))
        return results[0] if self.single else tuple(results)


#: The transforms whose function is being called, outermost first.
_active: Final[ContextVar[tuple[_Trace, ...]]] = ContextVar("active", default=())


def _values_in(output: Any) -> list[Value]:
    if isinstance(output, dict):
        return [x for item in output.values() for x in _values_in(item)]
    if isinstance(output, (list, tuple)):
        return [x for item in output for x in _values_in(item)]
    if is_array(output):
        return [x for x in output.flat if isinstance(x, Value)]
    return [output] if isinstance(output, Value) else []


def _constant_output(output: Any, f: Callable[..., Any]) -> Value:
    """A plain number that f gave, as a leaf that depends on nothing; a clear error for anything else."""
    if isinstance(output, (list, tuple, dict)) or is_array(output):
        raise TypeError(
            f"{_name(f)} gave a {type(output).__name__}, and a gradient is of one number. Sum it up to a scalar, or "
            "use jacobian for the derivatives of every output."
        )
    if output is None:
        raise TypeError(f"{_name(f)} gave None: return the Value to differentiate")
    try:
        return Value(output)
    except TypeError:
        raise TypeError(
            f"{_name(f)} gave a {type(output).__name__}, {output!r}: return the Value (one number) to differentiate"
        ) from None


def _name(f: Callable[..., Any]) -> str:
    return str(getattr(f, "__name__", type(f).__name__))


def _named(transformed: Callable[..., Any], transform: str, f: Callable[..., Any]) -> Callable[..., Any]:
    transformed.__name__ = f"{transform}({_name(f)})"
    transformed.__doc__ = f"{transform} of {_name(f)}; see tinygrad_lite.{transform}."
    transformed.__wrapped__ = f  # type: ignore[attr-defined]  # for inspect, as functools.wraps sets it
    return transformed
