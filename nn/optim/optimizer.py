"""What all optimisers share: parameter groups, the step, and the state that can be saved.

An optimiser is a formula, written once in generic arithmetic, as the derivative rules of the operation table are. The
same ``update`` runs on floats, on Values (then the update itself can be differentiated) and on arrays, which is how
``step`` moves all parameters of a group at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from tinygrad_lite.nn.base.hyperparameters import Check, check_all, check_names
from tinygrad_lite.nn.optim import optimizer_state
from tinygrad_lite.nn.optim.optimizer_state import Bucket, GroupState
from tinygrad_lite.operations.arithmetic import array
from tinygrad_lite.value import Value

#: Leaf Values, or parameter groups: dicts with ``"params"`` and hyperparameters of their own.
Parameters = Iterable[Value] | Iterable[dict[str, Any]]

#: What else a parameter group may hold: a name, and what learning-rate schedules keep there.
_OTHER_ENTRIES = ("params", "name", "initial_lr")


class SharedHyperparameter:
    """An attribute that reads and sets a hyperparameter of all groups.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> optimizer = SGD([Value(1.0)], lr=0.1)
    >>> optimizer.lr = 0.2
    >>> optimizer.param_groups[0]["lr"]
    0.2
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Optimizer | None, owner: type | None = None) -> Any:
        if optimizer is None:
            return self
        if self.name not in optimizer.defaults:
            raise AttributeError(f"{type(optimizer).__name__} has no hyperparameter {self.name!r}")
        found = [group[self.name] for group in optimizer.param_groups]
        if any(x != found[0] for x in found):
            raise ValueError(
                f"the groups differ in {self.name}: {found}; read optimizer.param_groups[i][{self.name!r}]"
            )
        return found[0]

    def __set__(self, optimizer: Optimizer, given: Any) -> None:
        changed = [optimizer.checked_group({**group, self.name: given}) for group in optimizer.param_groups]
        for group, hyperparameters in zip(optimizer.param_groups, changed, strict=True):
            group[self.name] = hyperparameters[self.name]


class Optimizer:
    """The base of all optimisers. To write one, give its formula; it may remember ``numbers`` from step to step.

    >>> class SignDescent(Optimizer):
    ...     def __init__(self, params, lr=0.01):
    ...         super().__init__(params, {"lr": lr})
    ...
    ...     @staticmethod
    ...     def update(m, parameter, gradient, state, group, step):
    ...         return parameter - group["lr"] * m.sign(gradient), {}
    >>> x = Value(3.0)
    >>> optimizer = SignDescent([x])
    >>> (x * x).backward()
    >>> optimizer.step()
    >>> x.data
    2.99

    Args:
        params: Leaf Values, as ``model.parameters()`` gives them, or parameter groups as in PyTorch: a list of dicts,
            each with ``"params"`` and the hyperparameters in which it differs from ``defaults``.
        defaults: The hyperparameters by name.

    Attributes:
        param_groups: The groups, one dict each, with all hyperparameters. They may be edited between steps, and are
            checked at the next one.
        defaults: The hyperparameters of a group that does not say otherwise.
        lr: The learning rate of all groups, to read and to set.

    Raises:
        ValueError: There are no parameters, one is there twice, or a hyperparameter is unknown or out of its range.
        TypeError: A parameter is no Value, or no leaf, or a hyperparameter is no number.

    Groups, with any optimiser:

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> a, b = Value(1.0), Value(1.0)
    >>> optimizer = SGD([{"params": [a], "lr": 0.5}, {"params": b}], lr=0.1)
    >>> (a * a + b * b).backward()
    >>> optimizer.step()
    >>> a.data, b.data
    (0.0, 0.8)
    """

    #: The check of each hyperparameter; see :mod:`tinygrad_lite.nn.base.hyperparameters`.
    checks: ClassVar[Mapping[str, Check]] = {}
    #: The numbers remembered for each parameter, and what they are at first.
    numbers: ClassVar[Mapping[str, float]] = {}
    #: The numbers remembered for a group as a whole, and what they are at first.
    shared: ClassVar[Mapping[str, float]] = {}

    lr = SharedHyperparameter()

    def __init__(self, params: Parameters, defaults: Mapping[str, Any]) -> None:
        self.defaults = check_all(defaults, self.checks)
        self.check_together(self.defaults)
        self.param_groups: list[dict[str, Any]] = []
        self._states: list[GroupState] = []
        for group in _as_groups(params, type(self).__name__):
            self.add_param_group(group)

    # ------------------------------------------------------------------------------------------- the formula

    @staticmethod
    def update(
        m: Any, parameter: Any, gradient: Any, state: Mapping[str, Any], group: Mapping[str, Any], step: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Compute one step of one parameter, or of an array of them: a pure function, the formula of the optimiser.

        Args:
            m: The arithmetic to compute in, a namespace with the functions of the operation table:
                ``tinygrad_lite.operations.arithmetic.FLOAT`` or ``array()``, or ``tinygrad_lite.dispatch.VALUE``.
            parameter: A number in that arithmetic: a float, a Value, an array.
            gradient: The derivative of the loss by it.
            state: The numbers remembered, by name; at first those of :meth:`initial_state`.
            group: The hyperparameters by name. They may be Values too.
            step: The number of this step, from 1 on.

        Returns:
            The new parameter, and those numbers of the state that are new.

        Raises:
            NotImplementedError: The subclass does not define it.

        The slope of the updated parameter in the learning rate is minus the gradient:

        >>> from tinygrad_lite.dispatch import VALUE
        >>> from tinygrad_lite.nn.optim.optimizers import SGD
        >>> lr = Value(0.1)
        >>> group = {**SGD([Value(0.0)]).defaults, "lr": lr}
        >>> updated, _ = SGD.update(VALUE, Value(1.0), 3.0, SGD.initial_state(), group, 1)
        >>> updated.backward()
        >>> lr.grad
        -3.0
        """
        raise NotImplementedError("an optimiser defines update(m, parameter, gradient, state, group, step)")

    @classmethod
    def initial_state(cls) -> dict[str, Any]:
        """Return the numbers remembered before the first step, for :meth:`update`.

        >>> from tinygrad_lite.nn.optim.optimizers import SGD
        >>> SGD.initial_state()
        {'momentum_buffer': 0.0}
        """
        return {**cls.numbers, **cls.shared}

    # -------------------------------------------------------------------------------------------- using it

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter once, except frozen ones (``requires_grad`` is False).

        The graphs above the parameters are stale then: run the model again, or ``forward()``.

        Args:
            closure: Called first, if given: it evaluates the model, calls ``backward()`` and returns the loss.

        Returns:
            What the closure returned.

        Raises:
            ValueError: A group was edited, and a hyperparameter is unknown, missing or out of its range now, or the
                list of parameters is another one. Nothing is moved then.
            TypeError: A group was edited, and a hyperparameter is no number now.
        """
        loss = None if closure is None else closure()
        for state, bucket, moved, new in self._moves(self._checked_groups()):
            state.commit(bucket, moved, {name: new[name] for name in new if name not in self.shared}, self.numbers)
            state.shared.update({name: float(new[name]) for name in new if name in self.shared})
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradient of every parameter to 0, which ``backward()`` adds to.

        Args:
            set_to_none: Accepted as PyTorch's; the gradient of a Value is always a number, so it is 0 either way.
        """
        for parameter in self.parameters:
            parameter.grad = 0.0

    @property
    def parameters(self) -> list[Value]:
        """The parameters of all groups, in their order."""
        return [parameter for state in self._states for parameter in state.parameters]

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with hyperparameters of their own.

        Args:
            param_group: ``{"params": ..., "lr": ...}``; what it leaves out is taken from ``defaults``. It may have a
                ``"name"``.

        Raises:
            ValueError: There are no parameters in it, one is there twice or in another group, or a hyperparameter is
                unknown or out of its range.
            TypeError: It is no dict, or a parameter is no Value, or no leaf.

        >>> from tinygrad_lite.nn.optim.optimizers import SGD
        >>> optimizer = SGD([Value(1.0)], lr=0.1)
        >>> optimizer.add_param_group({"params": [Value(2.0)], "lr": 0.01})
        >>> optimizer
        SGD([1 parameter, lr=0.1], [1 parameter, lr=0.01])
        """
        who = type(self).__name__
        if not isinstance(param_group, Mapping):
            raise TypeError(f"a parameter group is a dict, not {type(param_group).__name__} {param_group!r}")
        if "params" not in param_group:
            raise ValueError(
                f'a parameter group has an entry "params"; this one has {", ".join(param_group) or "none"}'
            )
        parameters = _checked_parameters(param_group["params"], who)
        mine = set(map(id, self.parameters))
        if any(id(parameter) in mine for parameter in parameters):
            raise ValueError("a parameter of this group is in another one too, and would move twice at each step")
        group = {"params": parameters, **self.defaults, **{k: x for k, x in param_group.items() if k != "params"}}
        self.param_groups.append({**group, **self.checked_group(group)})
        self._states.append(GroupState(parameters))

    # ---------------------------------------------------------------------------------------------- its state

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on later as if nothing had been interrupted, except the parameters themselves.

        Returns:
            Plain data, which ``json`` can write: dicts, lists, strings, floats, ints and bools.

        >>> from tinygrad_lite.nn.optim.optimizers import SGD
        >>> optimizer = SGD([Value(1.0)], lr=0.1, momentum=0.9)
        >>> optimizer.step()
        >>> optimizer.state_dict()["state"]
        [{'step': [1], 'momentum_buffer': [0.0]}]
        """
        groups = [
            {name: len(x) if name == "params" else list(x) if isinstance(x, tuple) else x for name, x in group.items()}
            for group in self.param_groups
        ]
        return {
            "optimizer": type(self).__name__,
            "param_groups": groups,
            "state": [state.as_lists() for state in self._states],
            **self.extra_state(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave: hyperparameters, and the numbers remembered.

        Args:
            state_dict: Of an optimiser of the same class with the same groups. Lists may be NumPy arrays.

        Raises:
            ValueError: It is of another class, or of other groups, or damaged. Nothing is changed then.
            TypeError: It is no such dict.

        >>> from tinygrad_lite.nn.optim.optimizers import SGD
        >>> first, second = SGD([Value(1.0)], lr=0.1), SGD([Value(1.0)], lr=0.5)
        >>> second.load_state_dict(first.state_dict())
        >>> second.lr
        0.1
        """
        who = type(self).__name__
        saved = optimizer_state.check_layout(state_dict, who, [len(s.parameters) for s in self._states])
        groups = [self._loaded_group(i, group) for i, group in enumerate(saved["param_groups"])]
        states = [
            GroupState.from_lists(state.parameters, lists, self.numbers, self.shared, f"state[{i}]")
            for i, (state, lists) in enumerate(zip(self._states, saved["state"], strict=True))
        ]
        keys = ("optimizer", "param_groups", "state")
        self.load_extra_state({name: x for name, x in saved.items() if name not in keys})
        for group, loaded, parameters in zip(self.param_groups, groups, [s.parameters for s in states], strict=True):
            group.clear()
            group.update(params=list(parameters), **loaded)
        self._states = states

    def extra_state(self) -> dict[str, Any]:
        """Give what a subclass adds to :meth:`state_dict`: nothing, unless overridden."""
        return {}

    def load_extra_state(self, extra: Mapping[str, Any]) -> None:
        """Take over what :meth:`extra_state` gave.

        Raises:
            ValueError: It is something else. Nothing is changed then.
        """
        if extra:
            raise ValueError(f"the state of {type(self).__name__} has no {', '.join(map(repr, extra))}")

    # ---------------------------------------------------------------------------------------- hyperparameters

    def check_together(self, group: Mapping[str, Any]) -> None:
        """Refuse hyperparameters that do not go together; each by itself is in its range already.

        Raises:
            ValueError: They do not.
        """

    def checked_group(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Check the hyperparameters of a group, and return each as :meth:`update` takes it.

        Raises:
            ValueError: One is unknown, missing or out of its range.
            TypeError: One is no number.
        """
        check_names([name for name in group if name not in _OTHER_ENTRIES], self.defaults, type(self).__name__)
        missing = [name for name in self.defaults if name not in group]
        if missing:
            raise ValueError(f"a parameter group lacks {', '.join(missing)}: give it a number")
        hyperparameters = check_all({name: group[name] for name in self.defaults}, self.checks)
        self.check_together(hyperparameters)
        return hyperparameters

    def _moves(self, groups: list[dict[str, Any]]) -> list[tuple[GroupState, Bucket, Any, dict[str, Any]]]:
        """Return what each bucket of parameters becomes, and its new numbers; nothing is moved yet."""
        import numpy

        found = []
        with numpy.errstate(all="ignore"):
            for group, state in zip(groups, self._states, strict=True):
                for bucket in state.buckets():
                    remembered = {**self.shared, **state.shared, **self.numbers, **state.at(bucket)}
                    moved, new = self.update(
                        array(), bucket.data(), bucket.gradients(), remembered, group, bucket.steps + 1
                    )
                    self._check_new(new)
                    found.append((state, bucket, moved, new))
        return found

    def _check_new(self, new: Mapping[str, Any]) -> None:
        unknown = [name for name in new if name not in self.numbers and name not in self.shared]
        if unknown:
            who = type(self).__name__
            raise ValueError(f"{who}.update gave {', '.join(unknown)} to remember, which {who}.numbers does not name")

    def _checked_groups(self) -> list[dict[str, Any]]:
        if len(self.param_groups) != len(self._states):
            raise ValueError("param_groups is longer or shorter than it was: add groups with add_param_group")
        for i, (group, state) in enumerate(zip(self.param_groups, self._states, strict=True)):
            if group.get("params") != state.parameters:
                raise ValueError(
                    f'param_groups[{i}]["params"] is another list than it was: add parameters with add_param_group, '
                    "and freeze one with parameter.requires_grad = False"
                )
        return [self.checked_group(group) for group in self.param_groups]

    def _loaded_group(self, i: int, group: Mapping[str, Any]) -> dict[str, Any]:
        try:
            others = {name: group[name] for name in group if name in _OTHER_ENTRIES and name != "params"}
            return {**self.checked_group({k: x for k, x in group.items() if k != "params"}), **others}
        except (TypeError, ValueError) as error:
            raise type(error)(f"param_groups[{i}] of the state: {error}") from None

    def __repr__(self) -> str:
        described = [_described(self, group) for group in self.param_groups]
        inside = described[0] if len(described) == 1 else ", ".join(f"[{text}]" for text in described)
        return f"{type(self).__name__}({inside})"


def _as_groups(params: Any, who: str) -> list[Mapping[str, Any]]:
    """Read what an optimiser was given as parameter groups."""
    if isinstance(params, Value):
        raise TypeError(f"{who} takes a list of Values: write {who}([v], lr), or {who}(model.parameters(), lr)")
    if isinstance(params, Mapping):
        raise TypeError(f"{who} takes a list of Values, or of groups: write {who}([group]) for one")
    if isinstance(params, Iterable) and not isinstance(params, (set, frozenset)):
        items = list(params)
        return items if items and isinstance(items[0], Mapping) else [{"params": items}]
    return [{"params": params}]


def _checked_parameters(params: Any, who: str) -> list[Value]:
    if isinstance(params, Value):
        params = [params]
    if isinstance(params, (set, frozenset)) or not isinstance(params, Iterable):
        raise TypeError(
            f"the parameters of {who} are Values in a list, which has an order, not {type(params).__name__}"
            + (f": write {who}(model.parameters())" if hasattr(params, "parameters") or callable(params) else "")
        )
    found = list(params)
    if not found:
        raise ValueError(f"{who} was given no parameters: a model's are the leaf Values in its attributes")
    for i, parameter in enumerate(found):
        if not isinstance(parameter, Value):
            raise TypeError(f"parameter {i} is a {type(parameter).__name__}, {parameter!r}, and no Value")
        if not parameter.is_leaf:
            raise TypeError(
                f"parameter {i}, {parameter!r}, is computed by {parameter.op!r}; only leaves can be trained: "
                "v.detach() makes one"
            )
    if len(set(map(id, found))) < len(found):
        raise ValueError("a parameter is there twice, and would move twice at each step: leave one of them out")
    return found


def _described(optimizer: Optimizer, group: Mapping[str, Any]) -> str:
    """Return a group as the repr shows it: how many parameters, the learning rate, and what was not left as it is."""
    count = len(group["params"])
    arguments = inspect.signature(type(optimizer)).parameters
    usual = {**optimizer.defaults, **{name: argument.default for name, argument in arguments.items()}}
    told = [
        f"{name}={group.get(name)!r}" for name in optimizer.defaults if name == "lr" or group.get(name) != usual[name]
    ]
    return ", ".join([f"{count} parameter{'' if count == 1 else 's'}", *told])
