"""A function of Values and its arguments, called again and again at other points, with an eye on what it should not do.

Numbers in the arguments become fresh leaves. Leaves that the caller gave (Values, the parameters of a Module) are used
as they are, so that a function may hold them in a closure; they are put back as they were.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

from tinygrad_lite.pytree import is_array, keystr, tree_flatten, tree_flatten_with_path, tree_map
from tinygrad_lite.pytree.flat_arguments import Rebuild, flatten
from tinygrad_lite.pytree.registry import parts_below
from tinygrad_lite.testing.checks.reproducer import argument_text
from tinygrad_lite.testing.oracles.verdicts import FunctionError, shortened
from tinygrad_lite.value import Value


class Call:
    """A function, its arguments, and which of the numbers in them are differentiated by: all.

    Args:
        f: The function.
        args: Its arguments. What holds no numbers (a string, None, a callable) is passed on as it is.

    Raises:
        TypeError: ``f`` is not callable, or there is no number among the arguments.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any]) -> None:
        if not callable(f):
            raise TypeError(f"check_gradients(f, *args) takes a function first, not {type(f).__name__} {f!r}")
        self.f = f
        name = getattr(f, "__name__", "f")
        self.name = name if name.isidentifier() else "f"  # a lambda
        self.args = list(args)
        names = _argument_names(f, len(self.args))
        #: the data of every input as the caller gave it
        self.point: list[float] = []
        #: what each input is called: ``x``, ``w[0][2]``
        self.names: list[str] = []
        self._leaves: list[Value | None] = []
        self._rebuilds: list[tuple[int, Rebuild | None]] = []
        for name, arg in zip(names, self.args, strict=True):
            numbers, rebuild, paths = _inputs_of(arg, name)
            self._rebuilds.append((len(numbers), rebuild))
            for number, path in zip(numbers, paths, strict=True):
                given = number if isinstance(number, Value) else None
                if given is not None and not given.is_leaf:
                    raise TypeError(
                        f"{path} is {given!r}, the result of {given.op}: a derivative is checked by leaves. Give its "
                        "leaves as arguments and compute it within the function, or give x.detach()"
                    )
                self._leaves.append(given)
                self.names.append(given.label if given is not None and given.label else path)
                self.point.append(float(number.data if isinstance(number, Value) else number))
        if not self.point:
            raise TypeError(
                f"there is nothing to differentiate {self.name} by: check_gradients(f, *args) takes the point as "
                "numbers, Values, Modules, NumPy arrays, or lists, tuples and dicts of them"
            )
        #: which inputs are leaves of the caller's, and stay at the point that was given
        self.fixed = [leaf is not None for leaf in self._leaves]
        #: how the outputs are called: ``""`` for the only one, else ``[3]``
        self.output_names: list[str] = []
        self._shape: Any = None

    def text(self, point: Sequence[float]) -> str:
        """Return the arguments at a point, as code."""
        numbers = iter(point)
        shown = []
        for arg, (count, rebuild) in zip(self.args, self._rebuilds, strict=True):
            mine = [next(numbers) for _ in range(count)]
            shown.append(argument_text(arg, mine, rebuild))
        return ", ".join(shown)

    def __call__(self, point: Sequence[float]) -> tuple[list[Value], list[Value]]:
        """Return the outputs of the function at a point, and the inputs that they were computed from.

        Raises:
            TypeError: The function gives nothing, or what is no number.
            FunctionError: It changes its arguments, or gives outputs of another shape than before.
        """
        inputs = [Value(x) if leaf is None else leaf for x, leaf in zip(point, self._leaves, strict=True)]
        for x, leaf in zip(point, inputs, strict=True):
            if leaf.data != x or str(leaf.data) != str(x):
                leaf.data = x
        remaining = iter(inputs)
        passed = []
        for arg, (count, rebuild) in zip(self.args, self._rebuilds, strict=True):
            mine = [next(remaining) for _ in range(count)]
            passed.append(arg if rebuild is None else rebuild(iter(mine)))
        before = [_identities(arg) for arg in passed]
        result = self.f(*passed)
        self._refuse_changes(before, passed, inputs, point)
        return self._outputs(result, point), inputs

    def _refuse_changes(
        self, before: list[Any], passed: list[Any], inputs: list[Value], point: Sequence[float]
    ) -> None:
        for i, (old, arg) in enumerate(zip(before, passed, strict=True)):
            if _identities(arg) != old:
                raise FunctionError(
                    f"{self.name}({shortened(self.text(point))}) changes its argument {i} in place: what it computes "
                    "next depends on how often it was called. Build a new list or array in the function instead"
                )
        for leaf, x, name in zip(inputs, point, self.names, strict=True):
            if leaf.data != x and not (leaf.data != leaf.data and x != x):
                raise FunctionError(
                    f"{self.name}({shortened(self.text(point))}) changes the data of {name}, from {x!r} to "
                    f"{leaf.data!r}: a function to be differentiated computes new Values and leaves its arguments as "
                    "they are"
                )

    def _outputs(self, result: Any, point: Sequence[float]) -> list[Value]:
        called = f"{self.name}({shortened(self.text(point))})"
        if result is None:
            raise TypeError(f"{called} returns nothing: does the function end without a return statement?")
        try:
            leaves, rebuild = flatten(result, f"the result of {called}")
        except TypeError as error:
            what = str(error).split("; ")[0]
            raise TypeError(f"{what}; a function to be differentiated gives Values or numbers") from None
        if not leaves:
            raise TypeError(f"{called} returns an empty {type(result).__name__}: there is nothing to differentiate")
        shape = tree_map(lambda y: str(y.shape) if is_array(y) and y.ndim else "number", result)
        if self._shape is None:
            self._shape = shape
            self.output_names = [""] if len(leaves) == 1 else _paths(rebuild, len(leaves))
        elif not isinstance(result, Value):
            shapes, treedef = tree_flatten(self._shape)
            try:
                same = treedef.flatten_up_to(shape) == shapes
            except ValueError:
                same = False
            if not same:
                raise FunctionError(
                    f"{called} returns the shape {shape}, and returned {self._shape} before: a function has outputs of "
                    "one shape"
                )
            again = treedef.unflatten(treedef.flatten_up_to(result))  # the order of keys may have changed
            leaves, _ = flatten(again, "the result")
        return [y if isinstance(y, Value) else Value(y) for y in leaves]

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Put the caller's leaves back as they were."""
        given = [leaf for leaf in self._leaves if leaf is not None]
        before = [(leaf._number, leaf._grad, leaf._stamp) for leaf in given]
        try:
            yield
        finally:
            for leaf, (data, grad, stamp) in zip(given, before, strict=True):
                leaf._number, leaf._grad, leaf._stamp = data, grad, stamp


def _inputs_of(arg: Any, name: str) -> tuple[list[Any], Rebuild | None, list[str]]:
    """Return the numbers in an argument, how to put others in their places, and their names."""
    named = getattr(arg, "named_parameters", None)
    if callable(named):
        pairs = [(path, parameter) for path, parameter in named() if parameter.requires_grad]
        return [x for _, x in pairs], None, [f"{name}.{path}" for path, _ in pairs]
    if arg is None or isinstance(arg, str) or (callable(arg) and not isinstance(arg, Value)):
        return [], None, []
    numbers, rebuild = flatten(arg, f"argument {name}")
    return numbers, rebuild, [name + path for path in _paths(rebuild, len(numbers))]


def _paths(rebuild: Rebuild, count: int) -> list[str]:
    """Where each leaf stands in a structure: ``[0]['w'][2]``."""
    found: dict[int, str] = {}
    for path, leaf in tree_flatten_with_path(rebuild(iter(range(count))))[0]:
        for index in product(*map(range, getattr(leaf, "shape", ()))):
            found[int(leaf[index] if index else leaf)] = keystr(path) + "".join([f"[{i}]" for i in index])
    return [found[i] for i in range(count)]


def _identities(arg: Any) -> Any:
    """Return what must be the same before and after a call."""
    leaves, treedef = tree_flatten(arg)
    return [id(item) for leaf in leaves for item in parts_below(leaf)], treedef


def _argument_names(f: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    return names + [f"args[{i}]" for i in range(len(names), count)]
