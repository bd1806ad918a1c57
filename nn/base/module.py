"""What layers, and models built from them, have in common: their parameters, by name and in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any, ClassVar, Final, TypeVar
from weakref import WeakValueDictionary

from tinygrad_lite.modes import no_grad
from tinygrad_lite.nn.base import state
from tinygrad_lite.nn.base.summary import describe_shape, format_summary, summary_as_html
from tinygrad_lite.nn.base.twins import Twins
from tinygrad_lite.pytree import is_array
from tinygrad_lite.pytree.keys import simple_key
from tinygrad_lite.pytree.registry import container_of
from tinygrad_lite.value import Value

_M = TypeVar("_M", bound="Module")

#: A repr longer than this is broken into a line for each part.
_WIDTH: Final = 100

#: Called with each module and its output as it is computed; see :func:`observing`.
_observers: Final[list[Callable[[Module, Any], None]]] = []


class Module:
    """A part of a model: subclass it, keep parameters and parts in attributes, and write ``forward``.

    Its parameters are the leaves among the Values that its attributes hold, directly, in other modules, or in lists,
    tuples, dicts and NumPy arrays of these, nested in any way. They are numbered in the order in which the attributes
    were first set; one that is reached twice (tied weights) counts once, under its first name.

    Attributes:
        training: Whether layers such as Dropout behave as in training; set by :meth:`train` and :meth:`eval`.

    >>> from tinygrad_lite import Value
    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.intercept = Value(2.0), Value(1.0)
    ...
    ...     def forward(self, x):
    ...         return self.slope * x + self.intercept
    >>> line = Line()
    >>> line(3.0).data
    7.0
    >>> line
    Line(): 2 parameters
    """

    training: bool = True
    #: Whether ``forward`` needs a whole batch at once, as batch normalisation does.
    needs_batch: bool = False
    #: Whether it is one of many that are alike, as the neurons of a layer: a summary leaves it out, and the parameters
    #: of a list of such are one array in the state.
    is_unit: ClassVar[bool] = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an instance, and remember that it is there."""
        new = super().__new__
        self = new(cls) if new is object.__new__ else new(cls, *args, **kwargs)
        _alive[id(self)] = self
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; ``module(x)`` calls it.

        Raises:
            NotImplementedError: The subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no forward(self, x)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``forward`` on the same arguments."""
        output = self.forward(*args, **kwargs)
        if _observers:
            for observer in tuple(_observers):  # one may leave while it is called
                observer(self, output)
        return output

    # ------------------------------------------------------------------------------------------- parameters

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Return every parameter with its name, the path to it, as in PyTorch; frozen ones too.

        Returns:
            An iterator over pairs of name and leaf Value.

        >>> from tinygrad_lite.nn import MLP
        >>> [name for name, _ in MLP(1, [1]).named_parameters()]
        ['layers.0.neurons.0.w.0', 'layers.0.neurons.0.b']
        """
        return ((name, leaf) for name, leaf in _walk("", self, {}) if isinstance(leaf, Value))

    def parameters(self) -> list[Value]:
        """Return every parameter, in the order of ``named_parameters``; a list, as in micrograd.

        >>> from tinygrad_lite.nn import MLP
        >>> len(MLP(2, [16, 16, 1]).parameters())
        337
        """
        if type(self).named_parameters is not Module.named_parameters:
            return [parameter for _, parameter in self.named_parameters()]
        seen: dict[int, Any] = {}
        _collect_leaves(self, seen)
        return [leaf for leaf in seen.values() if isinstance(leaf, Value)]

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0, which ``backward()`` adds to.

        >>> from tinygrad_lite.nn import Neuron
        >>> neuron = Neuron(1)
        >>> neuron.b.grad = 5.0
        >>> neuron.zero_grad()
        >>> neuron.b.grad
        0.0
        """
        for parameter in self.parameters():
            parameter.grad = 0.0

    def requires_grad_(self: _M, requires_grad: bool = True) -> _M:
        """Freeze every parameter (False), or thaw it: a frozen one gets no gradient, and no optimiser moves it.

        Returns:
            The module itself.

        >>> from tinygrad_lite.nn import MLP
        >>> model = MLP(2, [3, 1])
        >>> model.layers[0].requires_grad_(False)
        Layer(2, 3, activation='relu'): 9 parameters, 9 frozen
        >>> sum(p.requires_grad for p in model.parameters())
        4
        """
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    # ------------------------------------------------------------------------------------------------ parts

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Return itself, with the name ``""``, and every module in its attributes, at any depth, each once.

        >>> from tinygrad_lite.nn import MLP
        >>> [name for name, _ in MLP(1, [1]).named_modules()]
        ['', 'layers.0', 'layers.0.neurons.0']
        """
        return ((name, part) for name, part in _walk("", self, {}, values=False) if isinstance(part, Module))

    def modules(self) -> Iterator[Module]:
        """Return itself, and every module in its attributes, at any depth, each once.

        >>> from tinygrad_lite.nn import MLP
        >>> [type(module).__name__ for module in MLP(1, [1]).modules()]
        ['MLP', 'Layer', 'Neuron']
        """
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Return the modules that its attributes hold, directly or in lists, tuples and dicts, with their names.

        >>> from tinygrad_lite.nn import MLP
        >>> [name for name, _ in MLP(2, [3, 1]).named_children()]
        ['layers.0', 'layers.1']
        """
        parts = _walk("", self, {}, deep=False, values=False)
        return ((name, part) for name, part in parts if isinstance(part, Module))

    def children(self) -> Iterator[Module]:
        """Return the modules that its attributes hold, directly or in lists, tuples and dicts.

        >>> from tinygrad_lite.nn import MLP
        >>> list(MLP(2, [3, 1]).children())[1]
        Layer(3, 1, activation=None): 4 parameters
        """
        return (child for _, child in self.named_children())

    def apply(self: _M, function: Callable[[Module], object]) -> _M:
        """Call the function with every module within, and last with itself.

        Returns:
            The module itself.

        >>> from tinygrad_lite.nn import MLP
        >>> names = []
        >>> _ = MLP(1, [1]).apply(lambda module: names.append(type(module).__name__))
        >>> names
        ['Neuron', 'Layer', 'MLP']
        """
        for module in reversed(list(self.modules())):
            function(module)
        return self

    def train(self: _M, mode: bool = True) -> _M:
        """Make it, and every module within, behave as in training (True), or as in use.

        Returns:
            The module itself.
        """
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: _M) -> _M:
        """Make it, and every module within, behave as in use: Dropout keeps all, BatchNorm1d uses what it learnt.

        Returns:
            The module itself.

        >>> from tinygrad_lite.nn import MLP
        >>> MLP(2, [3, 1]).eval().training
        False
        """
        return self.train(False)

    # ------------------------------------------------------------------------------------------------ state

    def register_buffer(self, name: str, numbers: Any) -> None:
        """Set an attribute that belongs to the state, but is no parameter, such as a running mean.

        Args:
            name: Of the attribute.
            numbers: A number, or nested lists or a NumPy array of numbers.

        >>> module = Module()
        >>> module.register_buffer("running_mean", [0.0, 0.0])
        >>> list(module.state_dict())
        ['running_mean']
        """
        names: tuple[str, ...] = getattr(self, "_buffers", ())
        setattr(self, name, numbers)
        if name not in names:
            self._buffers = (*names, name)

    def state_dict(self) -> dict[str, Any]:
        """Copy the numbers of all parameters and buffers.

        Returns:
            A float64 array for each attribute that holds parameters or is a buffer, under its name.

        >>> from tinygrad_lite.nn import Neuron
        >>> {name: array.shape for name, array in Neuron(2).state_dict().items()}
        {'w': (2,), 'b': ()}
        """
        return state.copy_numbers(state.collect(self, parts_of))

    def load_state_dict(self, state_dict: Any, strict: bool = True) -> state.IncompatibleKeys:
        """Take over the numbers of ``state_dict()`` of a model with the same structure.

        Args:
            state_dict: Arrays by name.
            strict: Whether names that are missing or unknown are errors.

        Returns:
            The names that were missing, and those that are unknown.

        Raises:
            ValueError: Names are missing or unknown, or shapes are wrong; all of them are listed, and nothing is
                changed.

        >>> from tinygrad_lite.nn import Neuron
        >>> neuron = Neuron(2)
        >>> neuron.load_state_dict({"w": [1.0, 2.0]})
        Traceback (most recent call last):
        ...
        ValueError: the state does not fit Neuron(2, activation='relu'): missing: b. ...
        """
        return state.put_numbers(state.collect(self, parts_of), state_dict, strict, head(self))

    def __parameter_tree__(self) -> dict[str, state.ParameterArray]:
        """Return shape and leaves of each array of parameters, by name: what ``grad`` and ``lift`` know of a Module."""
        entries = state.collect(self, parts_of)
        return {
            entry.name: state.ParameterArray(entry.shape, entry.items, entry.unit_name is not None)
            for entry in entries
            if entry.owner is None
        }

    def __twins__(self) -> Twins:
        """Return what makes copies with other parameters, also of other sizes: what ``lift`` tries a Module out on."""
        return Twins(self, parts_of)

    # ------------------------------------------------------------------------------------------- what it is

    def summary(self, *inputs: Any) -> str:
        """Return a table of its modules with their parameters; neurons have no row: they are many and alike.

        Args:
            inputs: What to call the module with, for a column of output shapes; nothing is recorded, and it is left as
                it was.

        >>> from tinygrad_lite.nn import MLP
        >>> print(MLP(2, [3, 1]).summary([0.5, -1.0]))
        module    type   output  parameters  trained
                  MLP    ()              13       13
        layers.0  Layer  (3,)             9        9
        layers.1  Layer  ()               4        4
        """
        parts = self._listed()
        shapes: dict[int, str] = {}

        def observe(module: Module, output: Any) -> None:
            shapes[id(module)] = describe_shape(output)

        if inputs:
            with training_mode(list(self.modules()), False), no_grad(), observing(observe):
                self(*inputs)
        return format_summary(
            [(name, type(part).__name__, part.parameters()) for name, part in parts],
            {name: shapes.get(id(part), "") for name, part in parts} if inputs else None,
        )

    def _listed(self) -> list[tuple[str, Module]]:
        """Return what has a row in a summary."""
        return [(name, part) for name, part in self.named_modules() if not (name and part.is_unit)]

    def _repr_html_(self) -> str:
        """Show a table of its modules in a notebook; ``summary(x)`` adds the shapes of their outputs."""
        # A subclass may have a parameters() of its own, which yields them.
        rows = [(name, type(part).__name__, list(part.parameters())) for name, part in self._listed()]
        return summary_as_html(f"{head(self)}: {_count(self)}", rows)

    def extra_repr(self) -> str:
        """Return what stands between the parentheses of the ``repr``: the modules in its attributes, unless
        overridden."""
        return ", ".join(f"{name}={head(part)}" for name, part in _attributes(self) if isinstance(part, Module))

    def __repr__(self) -> str:
        first = f"{head(self)}: {_count(self)}"
        if len(first) <= _WIDTH:
            return first
        lines = [f"{type(self).__name__}: {_count(self)}"]
        for name, child in self.named_children():
            lines += [("  " if i else f"  ({name}) ") + line for i, line in enumerate(repr(child).splitlines())]
        return "\n".join(lines) if len(lines) > 1 else first


#: Every module that there is, the oldest first: by its id, as a subclass may have an equality of its own.
_alive: Final[WeakValueDictionary[int, Module]] = WeakValueDictionary()


def modules_alive() -> list[Module]:
    """Return every module that there is, the oldest first: a model stands before what it is made of.

    >>> model = Module()
    >>> modules_alive()[-1] is model
    True
    """
    return list(_alive.values())


def name_parameters(model: Module) -> None:
    """Label each parameter with its name, so that pictures and messages show it.

    Args:
        model: Whose parameters. A label costs some memory, so layers do not set any by themselves.

    >>> from tinygrad_lite.nn import Neuron
    >>> neuron = Neuron(2)
    >>> name_parameters(neuron)
    >>> neuron.w[1].label
    'w.1'
    """
    for name, parameter in model.named_parameters():
        parameter.label = name


@contextmanager
def observing(observer: Callable[[Module, Any], None]) -> Iterator[None]:
    """Inside, the observer is called with every module that is called, and its output, in the order of completion.

    >>> from tinygrad_lite.nn import MLP
    >>> seen = []
    >>> with observing(lambda module, output: seen.append(type(module).__name__)):
    ...     _ = MLP(1, [2, 1])(0.5)
    >>> seen
    ['Layer', 'Layer', 'MLP']
    """
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


@contextmanager
def training_mode(modules: Sequence[Module], training: bool) -> Iterator[None]:
    """Inside, a model is in training or in evaluation mode; then its modules are as they were.

    Args:
        modules: All of ``model.modules()``, the model first: to find them takes a while.
        training: Which of the two.

    >>> model = Module()
    >>> with training_mode([model], training=False):
    ...     model.training
    False
    >>> model.training
    True
    """
    model = modules[0]
    before = [module.training for module in modules]
    if type(model).train is Module.train:
        for module in modules:
            module.training = training
    else:  # it may keep some of its parts in evaluation mode
        model.train(training)
    try:
        yield
    finally:
        for module, was_training in zip(modules, before, strict=True):
            module.training = was_training


def is_observed() -> bool:
    """Tell whether :func:`observing` is active, so that a module must not call its parts by a shorter way."""
    return bool(_observers)


def head(module: Module) -> str:
    """Return the type of a module and what it was made with, as messages name it.

    >>> from tinygrad_lite.nn import Neuron
    >>> head(Neuron(2))
    "Neuron(2, activation='relu')"
    """
    if id(module) in _being_shown:
        return f"{type(module).__name__}(...)"
    _being_shown.append(id(module))
    try:
        return f"{type(module).__name__}({module.extra_repr()})"
    finally:
        _being_shown.pop()


#: The modules whose head is being written: one that contains itself is not written twice.
_being_shown: Final[list[int]] = []


def _count(module: Module) -> str:
    parameters = list(module.parameters())  # a subclass may have its own, which yields them
    frozen = sum(not parameter.requires_grad for parameter in parameters)
    text = f"{len(parameters):,} parameter{'' if len(parameters) == 1 else 's'}"
    return f"{text}, {frozen:,} frozen" if frozen else text


def _attributes(module: Module) -> Iterator[tuple[str, Any]]:
    """Yield every attribute with its name: those in ``__slots__``, then the others."""
    for kind in reversed(type(module).__mro__):
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{kind.__name__.lstrip('_')}{name}"  # as Python calls it
            if not name.startswith("__") and hasattr(module, name):
                public = name.removeprefix("_")
                behind_property = isinstance(getattr(type(module), public, None), property)
                yield public if behind_property else name, getattr(module, name)
    for name, part in list(vars(module).items()):
        if name == "_modules":  # of a container, whose parts are named as in PyTorch: "0.weight"
            yield from part.items()
        else:
            yield name, part


def parts_of(tree: Any) -> Iterator[tuple[str, Any]] | None:
    """Return the parts of a module or a container with their names; None if it is neither.

    >>> list(parts_of({"a": 1, "b": 2}))
    [('a', 1), ('b', 2)]
    """
    if isinstance(tree, Module):
        return _attributes(tree)
    container = container_of(type(tree))
    if container is None:
        if not is_array(tree) or tree.dtype != object:
            return None
        return ((".".join(map(str, index)), tree[index]) for index in product(*map(range, tree.shape)))
    items, _ = container.flatten(tree)
    if container.is_sequence:
        return ((str(i), part) for i, part in enumerate(items))
    return ((simple_key(key), part) for key, part in zip(container.keys(tree), items, strict=True))


def _collect_leaves(tree: Any, seen: dict[int, Any]) -> None:
    """Collect what :func:`_walk` yields, without names: there may be millions."""
    if isinstance(tree, Value):
        if tree.is_leaf:
            seen.setdefault(id(tree), tree)
        return
    parts = parts_of(tree)
    if parts is None or id(tree) in seen:
        return
    seen[id(tree)] = tree
    if type(tree) in (list, tuple) and tree and type(tree[0]) is Value:
        for item in tree:
            if type(item) is not Value:
                _collect_leaves(item, seen)
            elif item.is_leaf:
                seen.setdefault(id(item), item)
        return
    for _, part in parts:
        _collect_leaves(part, seen)


def _walk(
    path: str, tree: Any, seen: dict[int, Any], deep: bool = True, values: bool = True
) -> Iterator[tuple[str, Any]]:
    """Yield each parameter and each module in ``tree`` once; without ``deep`` not what is within a module.

    Without ``values`` not all parameters are yielded: there may be millions.

    ``seen`` holds what was visited by its id, and alive: what a container of one's own gives may be made for this.
    """
    if isinstance(tree, Value):
        if tree.is_leaf and id(tree) not in seen:
            seen[id(tree)] = tree
            yield path, tree
        return
    parts = parts_of(tree)
    if parts is None or id(tree) in seen:
        return
    seen[id(tree)] = tree
    if not values and type(tree) in (list, tuple) and set(map(type, tree)) == {Value}:
        return
    if isinstance(tree, Module):
        if path or deep:
            yield path, tree
        if path and not deep:
            return
    for name, part in parts:
        yield from _walk(f"{path}.{name}" if path else name, part, seen, deep, values)
