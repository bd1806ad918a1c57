"""Derivatives of functions: ``grad``, ``value_and_grad``, ``jacobian``, ``hessian``, ``hvp``, ``jvp``.

Each takes a function and gives a function; arguments are floats, nested lists, tuples, dicts and dataclasses of floats,
NumPy arrays and Modules, and results have the arguments' structure, in their own kinds. On Values they give Values, so
they compose, and on themselves: ``grad(grad(f))``. All stand on two sweeps over one recorded graph, one from the output
(:func:`gradient`) and one from the inputs (:func:`jvp`). No ``grad`` of a Value of yours is touched. Values that the
function closes over are constants to it, except inside another transform that differentiates by them.

In the place of a Module stands a dict like its ``state_dict()``: a float for a parameter, an array for an array of
them. Frozen parameters are held fixed: an array of nothing else is left out, and within others their derivative is 0.
A parameter that is shared counts once; its derivative stands where its arrays do in ``state_dict()``. The function is
called with the Module itself, whose parameters are what is differentiated by, wherever the function uses them (as in
PyTorch): through the argument, through a closure, or in Values that were computed from them before.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, overload

from tinygrad_lite.adjoints import adjoints_as_floats, adjoints_as_values, as_values, tangents_of
from tinygrad_lite.jacobians.accumulation import find_rows, is_faster_from_inputs
from tinygrad_lite.jacobians.sparse_values import check_scipy, sparse_matrix
from tinygrad_lite.modes import recording
from tinygrad_lite.pytree import foreign, is_array, keystr, tree_flatten
from tinygrad_lite.pytree.flat_arguments import Flat
from tinygrad_lite.pytree.keys import Place, path_to
from tinygrad_lite.pytree.registry import is_container
from tinygrad_lite.pytree.treedef import paired
from tinygrad_lite.short_calls import active, called, depends_on, differentiate, short_positions, values_in
from tinygrad_lite.trace_errors import refuse_if_traced
from tinygrad_lite.trace_mode import is_traced
from tinygrad_lite.value import Value

Argnums = int | Sequence[int]


class Differentiated(NamedTuple):
    """What :func:`grad` and :func:`value_and_grad` give is the derivative of: it is their ``__differentiated__``.

    >>> grad(abs).__differentiated__
    Differentiated(f=<built-in function abs>, argnums=0, with_value=False)
    """

    f: Callable[..., Any]
    argnums: Argnums
    with_value: bool


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
        A leaf that is frozen is not while this asks for it: ``requires_grad = False`` is for ``backward`` and for the
        transforms of a Module, which say for themselves what they go over.

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
        refuse_if_traced(output, "gradient")
        return adjoints_as_floats(output, nodes)
    with recording():
        return list(as_values(adjoints_as_values(output, nodes)))


def grad(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Return the gradient of a scalar function, as a function of the same arguments.

    Args:
        f: Gives a Value or a number.
        argnums: Which positional arguments to differentiate by: an index, or a sequence of indices.

    Returns:
        A function that gives the derivatives in the structure of that argument (a tuple of these for a sequence).

    Raises:
        TypeError: When called: ``f`` does not give a scalar, or an argument is not made of numbers.
        ValueError: When called: there are only Modules, and none of their parameters can be differentiated by; or two
            arguments share a parameter.

    >>> grad(lambda x, y: x * y + y)(2.0, 3.0)
    3.0
    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    >>> grad(lambda p: p["a"] * p["b"])({"a": 2.0, "b": 5.0})
    {'a': 5.0, 'b': 2.0}

    By the parameters of a model:

    >>> from tinygrad_lite.nn import Neuron
    >>> neuron = Neuron(2, activation=None)
    >>> grad(lambda model, x: model(x))(neuron, [3.0, -1.0])
    {'w': array([ 3., -1.]), 'b': 1.0}
    """
    _check_function("grad", f)
    with_value = value_and_grad(f, argnums)
    positions, single = short_positions(argnums), _index(argnums) is not None

    def gradient_of(*args: Any, **kwargs: Any) -> Any:
        short = differentiate(f, args, kwargs, positions, _as_scalar) if _recorded.get() is None else None
        if short is None:
            return with_value(*args, **kwargs)[1]
        return short[1][0] if single else tuple(short[1])

    gradient_of.__differentiated__ = Differentiated(f, argnums, False)  # type: ignore[attr-defined]  # for lift
    return _named(gradient_of, "grad", f)


def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., tuple[Any, Any]]:
    """Both f and its gradient, for the price of one evaluation.

    Args:
        f: Gives a Value or a number.
        argnums: Which positional arguments to differentiate by.

    Returns:
        A function that gives the value, and the gradient as :func:`grad` does.

    Raises:
        TypeError, ValueError: As :func:`grad`.

    >>> value_and_grad(lambda x: x * x)(3.0)
    (9.0, 6.0)
    """
    _check_function("value_and_grad", f)
    positions, single = short_positions(argnums), _index(argnums) is not None

    def value_and_gradient_of(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        short = differentiate(f, args, kwargs, positions, _as_scalar) if _recorded.get() is None else None
        if short is not None:
            return short[0], short[1][0] if single else tuple(short[1])
        trace = _Trace(f, args, argnums)
        output = _as_scalar(trace.run(kwargs), f)
        derivatives = trace.gradients(output)
        return trace.outward(output), trace.in_argument_structure([derivatives], None)

    value_and_gradient_of.__differentiated__ = Differentiated(f, argnums, True)  # type: ignore[attr-defined]  # for lift
    return _named(value_and_gradient_of, "value_and_grad", f)


def jacobian(
    f: Callable[..., Any], argnums: Argnums = 0, *, mode: str = "auto", sparse: bool = False
) -> Callable[..., Any]:
    """Return the derivative of every output by every input.

    Args:
        f: Gives Values and numbers in any structure.
        argnums: Which positional arguments to differentiate by.
        mode: ``"reverse"`` sweeps from each output over what lies below it: right for outputs that have little in
            common. ``"forward"`` sweeps once, from the inputs: right for more outputs than inputs that have much in
            common, as the points of a trajectory have all steps before them. ``"auto"`` looks at what lies below some
            of the outputs, and takes the one that has less to do; that may be forward from 32 outputs on, and without
            ``sparse`` only if they are more than the inputs. Derivatives are the same to rounding.
        sparse: Whether to give a ``scipy.sparse`` array, for outputs that depend on few inputs each. Its time grows
            with the entries, and not with rows times columns.

    Returns:
        A function that gives the outputs' structure, with the argument's structure in the place of each output; a
        number or array of the output by a number or array of the argument is an array of shape ``output.shape +
        argument.shape``.

        With ``sparse``, a ``scipy.sparse.csr_array`` of shape (numbers in the output, numbers in the gradient), both in
        the order of :func:`~tinygrad_lite.tree_leaves`, arrays in C order; a tuple of these for a sequence of
        ``argnums``. (The second place of a parameter that a Module holds twice has no entries.) It has an entry, which
        may be 0, wherever operations lead from the input to the output, so that its pattern is one and the same for all
        numbers, unless ``f`` branches on them. Where derivatives are Values (of Values, or in another transform), a
        :class:`SparseValues` stands for it; ``lift(jacobian(f, sparse=True))`` gives ``scipy.sparse`` again.

    Raises:
        TypeError: When called: an argument or the output is not made of numbers.
        ValueError: There is no such mode.
        ImportError: When called with ``sparse``: SciPy is not installed (extra ``sparse``).

    >>> jacobian(lambda v: [v[0] * v[1], v[0] + v[1]])([2.0, 3.0])
    [[3.0, 2.0], [1.0, 1.0]]

    Each residual of a chain of springs depends on two or three of its points, however long it is:

    >>> def forces(x):
    ...     pull = [(x[i + 1] - x[i]) ** 3 for i in range(len(x) - 1)]
    ...     return [pull[i + 1] - pull[i] for i in range(len(pull) - 1)]
    >>> derivatives = jacobian(forces, sparse=True)([0.0, 1.0, 3.0, 4.0])
    >>> derivatives.toarray()
    array([[  3., -15.,  12.,   0.],
           [  0.,  12., -15.,   3.]])
    >>> derivatives.nnz
    6

    What takes a sparse Jacobian takes the function: ``scipy.optimize.least_squares(residuals, x, jac=jacobian(f,
    sparse=True))``. A sparse Hessian is ``jacobian(grad(f), sparse=True)``.
    """
    _check_function("jacobian", f)
    if mode not in ("auto", "forward", "reverse"):
        raise ValueError(f'jacobian sweeps in mode "forward" or "reverse", or "auto", which chooses; not {mode!r}')

    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        if sparse:
            check_scipy()
        trace = _Trace(f, args, argnums)
        outputs = Flat(trace.run(kwargs), f"the output of {_name(f)}")
        nodes = [y if isinstance(y, Value) else Value(y) for y in outputs.leaves]
        forward = None if mode == "auto" else mode == "forward"
        if sparse:
            return trace.sparse_jacobian([nodes[i] for i in _leaf_order(outputs)], forward)
        rows = iter(trace.dense_jacobian(nodes, forward))
        return outputs.assembled(
            [trace.in_argument_structure([next(rows) for _ in range(size)], shape) for size, shape in outputs.units()]
        )

    return _named(jacobian_of, "jacobian", f)


def hessian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Return the second derivatives of a scalar function: the jacobian of its gradient.

    Args:
        f: Gives a Value or a number.
        argnums: Which positional arguments to differentiate by, twice.

    Returns:
        A function that gives the argument's structure within the argument's structure; for an array of shape s an
        array of shape ``s + s``.

    Raises:
        TypeError, ValueError: As :func:`grad`.

    >>> hessian(lambda v: v[0] ** 2 * v[1])([3.0, 5.0])
    [[10.0, 6.0], [6.0, 0.0]]
    """
    _check_function("hessian", f)
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
        ValueError: As :func:`grad`; or the vector has another structure than the argument.

    >>> hvp(lambda v: v[0] ** 2 * v[1])([3.0, 5.0], [1.0, 0.0])
    [10.0, 6.0]
    """
    _check_function("hvp", f)
    position = _index(argnums)
    if position is None:
        raise TypeError(f"hvp differentiates by one argument: argnums is an int, not {argnums!r}")

    def hessian_times(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            raise TypeError(f"hvp({_name(f)}) takes the arguments of {_name(f)}, and then the vector to multiply by")
        *primals, vector = args

        def gradient_at(x: Any) -> Any:
            changed = list(primals)
            changed[position] = x
            return grad(f, position)(*changed, **kwargs)

        return jvp(gradient_at, (primals[position],), (vector,))[1]

    return _named(hessian_times, "hvp", f)


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return the value of f and its derivative in a direction: Jacobian times vector, in one sweep (forward mode).

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
    _check_function("jvp", f)
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (list, tuple)):
            raise TypeError(f"jvp takes the {name} of all arguments in a tuple: for one argument, write (x,), (v,)")
    trace = _Trace(f, tuple(primals), tuple(range(len(primals))))
    directions = trace.directions(tuple(tangents))
    outputs = Flat(trace.run({}), f"the output of {_name(f)}")
    trace.higher = trace.higher or any(isinstance(x, Value) for x in directions)
    with recording():
        derivatives = tangents_of(outputs.leaves, trace.inputs, directions, trace.higher)
    if trace.higher:
        derivatives = as_values(derivatives)
    values = [trace.outward(y) for y in outputs.leaves]
    return outputs.block([values], None), outputs.block([derivatives], None)


@contextmanager
def recording_derivatives(fixed: Iterable[Value] = ()) -> Iterator[None]:
    """Inside, what transforms give is made of Values, whatever their arguments are: for ``lift``, which traces it.

    Args:
        fixed: Frozen leaves that are to be in the graph all the same, as leaves: not as constants, whose numbers
            derivatives are computed from. They are thawed inside, and still not differentiated by.

    >>> with recording_derivatives():
    ...     slope = grad(lambda x: x**3)(2.0)
    >>> slope.data, slope.is_leaf
    (12.0, False)
    """
    thawed = [leaf for leaf in fixed if not leaf.requires_grad]
    token = _recorded.set(_fixed() | {id(leaf) for leaf in thawed})
    try:
        for leaf in thawed:
            leaf.requires_grad = True
        yield
    finally:
        for leaf in thawed:
            leaf.requires_grad = False
        _recorded.reset(token)


def is_differentiating() -> bool:
    """Whether a transform is calling its function here.

    >>> is_differentiating(), grad(lambda x: x * float(is_differentiating()))(2.0)
    (False, 1.0)
    """
    return bool(active.get())


def is_differentiated(node: Value) -> bool:
    """Whether a transform is calling its function here, and the node depends on what it differentiates by.

    >>> import copy
    >>> grad(lambda x: copy.deepcopy(x) ** 2)(3.0)  # of a copy, a new leaf, it would be 0
    6.0
    """
    calls = active.get()
    return bool(calls) and depends_on(node, calls)


class _Trace:
    """One call of f on Values: nodes in the place of the numbers differentiated by, and what came out.

    The nodes are fresh, except that the parameters of a Module stand for themselves.
    """

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], argnums: Argnums) -> None:
        self.f = f
        self.single = _index(argnums) is not None
        #: whether an argument holds Values: then the results are Values too
        self.higher = _recorded.get() is not None
        #: the node of each number in the arguments
        self.inputs: list[Value] = []
        self._passed = list(args)
        self._flats: list[Flat] = []
        positions = _positions(f, len(args), argnums)
        for position in positions:
            flat = _flat(args[position], f"argument {position} of {_name(f)}")
            nodes = self._nodes(flat)
            self.inputs += nodes
            self._flats.append(flat)
            self._passed[position] = flat.passed(nodes)
        _refuse_shared(f, positions, self._flats)

    def _nodes(self, flat: Flat) -> list[Value]:
        """Return what f is called with instead of the leaves.

        A Value becomes a node of its own, or what f holds of the same Value would be differentiated as well.
        """
        nodes = []
        with recording():
            for leaf in flat.leaves:
                if not isinstance(leaf, Value):
                    nodes.append(Value(leaf))
                elif id(leaf) in flat.parameters:
                    nodes.append(leaf)
                else:
                    nodes.append(+leaf)
                    self.higher = True
        return nodes

    def run(self, kwargs: dict[str, Any]) -> Any:
        """Return what f gives."""
        enclosing = active.get()
        with recording():
            output = called(self.f, self._passed, kwargs, (*enclosing, self))
        # If f uses what an enclosing transform differentiates by, or what lift traces, the results are Values too.
        self.higher = (
            self.higher or (bool(enclosing) and depends_on(output, enclosing)) or any(map(is_traced, values_in(output)))
        )
        return output

    def gradients(self, output: Value) -> list[Any]:
        """∂output/∂input for each input, as Values if the arguments were."""
        if self.higher:
            with recording():
                return as_values(adjoints_as_values(output, self.inputs))
        return list(adjoints_as_floats(output, self.inputs))

    def dense_jacobian(self, outputs: list[Value], forward: bool | None) -> list[list[Any]]:
        """For each output its derivatives by all inputs, as Values if the arguments were.

        Args:
            outputs: Nodes.
            forward: Whether to sweep from the inputs; if None, where that seems faster.
        """
        if forward is None:
            forward = len(outputs) > len(self.inputs) and is_faster_from_inputs(outputs, self.inputs)
        if not forward:
            return [self.gradients(y) for y in outputs]
        zero = Value(0.0) if self.higher else 0.0
        return [[row.get(j, zero) for j in range(len(self.inputs))] for row in self._sparse_rows(outputs, True)]

    def sparse_jacobian(self, outputs: list[Value], forward: bool | None) -> Any:
        """Return :meth:`dense_jacobian` as a sparse matrix, or as one for each argument."""
        rows = self._sparse_rows(outputs, forward)
        matrices = []
        start = 0
        for flat in self._flats:
            columns = [start + place if place >= 0 else -1 for place in _leaf_order(flat)]
            matrices.append(sparse_matrix(rows, columns, self.higher))
            start += len(flat.leaves)
        return matrices[0] if self.single else tuple(matrices)

    def _sparse_rows(self, outputs: list[Value], forward: bool | None) -> list[dict[int, Any]]:
        if not self.higher:
            return find_rows(outputs, self.inputs, forward)
        with recording():
            rows = find_rows(outputs, self.inputs, forward, higher=True)
            return [dict(zip(row, as_values(list(row.values())), strict=True)) for row in rows]

    def outward(self, value: Any) -> Any:
        """Return a result as the caller wants it: a Value if the arguments were, else a float."""
        return value.data if isinstance(value, Value) and not self.higher else value

    def in_argument_structure(self, rows: list[list[Any]], shape: tuple[int, ...] | None) -> Any:
        """Return the derivatives of one number or array of the output, in the structure of the arguments.

        Args:
            rows: For each number of the output, its derivative by each input.
            shape: Of the output, if it is an array.
        """
        results = []
        start = 0
        for flat in self._flats:
            end = start + len(flat.leaves)
            results.append(flat.block([row[start:end] for row in rows], shape))
            start = end
        return results[0] if self.single else tuple(results)

    def directions(self, tangents: tuple[Any, ...]) -> list[Any]:
        """Return the number for each input in a direction that has the structure of the arguments."""
        leaves, treedef = tree_flatten(self.in_argument_structure([[0.0] * len(self.inputs)], None))
        try:
            parts = paired(tangents, treedef, "the tangents", "the primals")
            for (place, part), leaf in zip(parts, leaves, strict=True):
                if type(part) is not float or type(leaf) is not float:
                    _check_shape(part, leaf, place)
        except ValueError as error:
            raise ValueError(
                f"the tangents have another structure than the primals: {error}; give one number for each"
            ) from None
        numbers = iter(Flat(treedef.unflatten([part for _, part in parts]), "the tangents").leaves)
        return [x for flat in self._flats for x in flat.row_of(numbers, "the tangents")]


#: Inside ``recording_derivatives``: the ids of the leaves that are fixed. None outside.
_recorded: Final[ContextVar[frozenset[int] | None]] = ContextVar("recorded", default=None)


def _fixed() -> frozenset[int]:
    return _recorded.get() or frozenset()


def _positions(f: Callable[..., Any], count: int, argnums: Argnums) -> list[int]:
    """Which of ``count`` arguments to differentiate by."""
    single = _index(argnums)
    positions = []
    for given in [argnums] if single is not None or not isinstance(argnums, Iterable) else argnums:
        position = _index(given)
        if position is None:
            raise TypeError(f"argnums is an index or a sequence of indices, not {argnums!r}")
        positions.append(position)
    for position in positions:
        if not -count <= position < count:
            raise TypeError(
                f"argnums={argnums!r} asks for argument {position} of {_name(f)}, which was called with "
                f"{count} positional arguments"
            )
    positions = [position % count for position in positions]
    if len(set(positions)) < len(positions):
        raise ValueError(f"argnums={argnums!r} names an argument twice")
    return positions


def _index(argnums: Any) -> int | None:
    """One index, an int of Python's or NumPy's; None for anything else."""
    try:
        return operator.index(argnums)
    except TypeError:
        return None


def _flat(argument: Any, what: str) -> Flat:
    """Return the numbers of an argument to differentiate by."""
    fixed = _fixed()
    flat = Flat(argument, what, lambda parameter: parameter.requires_grad and id(parameter) not in fixed)
    if flat.modules and not flat.leaves:
        names = ", ".join(dict.fromkeys(type(module).__name__ for module in flat.modules))
        frozen = any(Flat(module, what, lambda parameter: True).leaves for module in flat.modules)
        reason = "all parameters are frozen; thaw some with requires_grad_()" if frozen else "it has no parameters"
        raise ValueError(
            f"{what}, {names}, has nothing to differentiate by: {reason}. Or differentiate by other arguments, with "
            "argnums."
        )
    return flat


def _refuse_shared(f: Callable[..., Any], positions: list[int], flats: list[Flat]) -> None:
    """Raise if a parameter is in two arguments: the derivatives by the one and by the other would be the same."""
    for i, flat in enumerate(flats):
        for k in range(i):
            common = {id(leaf) for leaf in flats[k].leaves} & flat.parameters
            common |= {id(leaf) for leaf in flat.leaves} & flats[k].parameters
            if common:
                raise ValueError(
                    f"arguments {positions[k]} and {positions[i]} of {_name(f)} share parameters ({len(common)}): a "
                    "derivative by those of one argument alone does not exist. Differentiate by one of the arguments, "
                    "or give both in one, as a dict or a tuple: a parameter within one argument may be shared"
                )


def _leaf_order(flat: Flat) -> list[int]:
    """Return the places of numbers in the order of ``tree_leaves``; -1 for one without a place, or with one before."""
    order: dict[int, int] = {}
    found: list[int] = []
    for leaf in tree_flatten(flat.block([[place + 1.0 for place in range(len(flat.leaves))]], None))[0]:
        for number in leaf.ravel().tolist() if is_array(leaf) else [leaf]:
            place = int(number) - 1
            found.append(-1 if order.setdefault(place, len(found)) < len(found) else place)
    return found


def _check_shape(part: Any, leaf: Any, place: Place) -> None:
    """Raise unless both are numbers, or arrays of one shape."""
    given, wanted = part.shape if is_array(part) else (), leaf.shape if is_array(leaf) else ()
    if given != wanted or is_container(part):
        at = keystr(path_to(place))
        said = f"a {type(part).__name__}" if is_container(part) else f"of shape {given}"
        raise ValueError(
            f"the tangents{at} is {said}, and the primals{at} is {f'of shape {wanted}' if wanted else 'a number'}"
        )


def _as_scalar(output: Any, f: Callable[..., Any]) -> Value:
    """Return what f gave as the Value to differentiate: it is one, alone or in an array, or a plain number."""
    if is_array(output) and output.ndim == 0 and not getattr(output, "mask", False):
        output = output.item()
    return output if isinstance(output, Value) else _constant_output(output, f)


def _constant_output(output: Any, f: Callable[..., Any]) -> Value:
    """Return a plain number that f gave, as a leaf that depends on nothing; a clear error for anything else."""
    if foreign(output):
        raise TypeError(f"{_name(f)} gave {foreign(output)}")
    if is_container(output) or is_array(output):
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


def _check_function(transform: str, f: Any) -> None:
    if not callable(f):
        raise TypeError(
            f"{transform} takes a function, not {type(f).__name__} {f!r}: {transform}(f)(x). "
            "For a graph that is recorded already: y.backward(), or gradient(y, [x, ...])"
        )


def _named(transformed: Callable[..., Any], transform: str, f: Callable[..., Any]) -> Callable[..., Any]:
    transformed.__name__ = f"{transform}({_name(f)})"
    transformed.__doc__ = f"{transform} of {_name(f)}; see tinygrad_lite.{transform}."
    transformed.__wrapped__ = f  # type: ignore[attr-defined]  # for inspect, as functools.wraps sets it
    return transformed
