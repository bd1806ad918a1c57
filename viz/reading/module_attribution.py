"""Which part of a model each node of a graph belongs to, found from the graph and the model's parameters alone.

No module is asked what it recorded; the graph shows it:

1. A node that combines parameters with something else (a weight with an input) belongs to the smallest module that
   holds these parameters. What is computed from parameters alone (a normalised weight) counts as a parameter.
2. A node in which one of the modules around it is known to end, because its ``forward`` or an attribute names the
   operation, belongs to that module: a ``tanh`` to the neuron whose activation it is, to the ``Tanh()`` that follows a
   ``Linear`` in a ``Sequential``, or to the model that calls it.
3. Any other node belongs to the module of its operands; where they come from several modules, to the one that uses it
   if that is among them, or else to the smallest one that holds these and that.
4. After the last node that uses a parameter, the model has ended but for rule 2, the rest of its sums of products, and
   what looks like a node before (the last step of a recurrent network). What follows is the loss, which belongs to
   nobody, and neither do penalties such as the sum of all squared weights.

A constant belongs to the module that alone uses it, unless it meets a parameter there, as an input does.

A module that is called for each of 100 samples owns the nodes of all of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

from tinygrad_lite.value import Value, topological_order
from tinygrad_lite.viz.reading.modules import ModuleTree
from tinygrad_lite.viz.reading.names import find_names
from tinygrad_lite.viz.reading.shape_groups import places

#: What a user's own neuron sums its products with, and what adds a penalty to a loss.
_SUMS: Final = frozenset({"add", "sum"})
#: How many operands of a node are compared with those of another.
_FEW: Final = 3


def owners(root: Value, modules: Mapping[str, Any] | Any) -> dict[int, str]:
    """Return the module to which each node of a graph belongs.

    Args:
        root: The node at the end of the graph.
        modules: Modules by name, such as ``{"model": model}`` or ``locals()``; or one module, which is then called
            ``model``.

    Returns:
        The path of the module, such as ``"model.layers[0].neurons[3]"``, by the id of each node that belongs to one;
        parameters belong to the innermost module that holds them. The loss and inputs are not in it.

    Raises:
        TypeError: ``modules`` is neither a mapping nor a module.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> model = MLP(2, [1, 1], "tanh")
    >>> loss = (model([1.0, 2.0]) - 1.0) ** 2
    >>> found = owners(loss, model)
    >>> for node in topological_order(loss):
    ...     print(node.op, found.get(id(node)))
    pow None
    sub None
    dot model.layers[1].neurons[0]
    tanh model.layers[0].neurons[0]
    dot model.layers[0].neurons[0]
    """
    return owners_in_order(topological_order(root, leaves=True), ModuleTree(find_names(modules).modules))


def owners_in_order(order: Sequence[Value], tree: ModuleTree) -> dict[int, str]:
    """:func:`owners` for those who have the order and the modules already.

    Args:
        order: The nodes in topological order, each before its operands, leaves included.
        tree: The modules.

    Returns:
        As :func:`owners`.
    """
    found = _combining(order, tree)
    if not found:
        return {}
    used_in = _users(order, found, tree)
    rest = [node for node in reversed(order) if id(node) not in found and not node.is_leaf]
    before: dict[Hashable, str] = {}
    for node in rest:
        if id(node) in used_in:
            owner = found[id(node)] = _owner(node, found, used_in[id(node)], tree)
            before[_look(node, found)] = owner
    for node in rest:
        if id(node) not in used_in:
            found[id(node)] = before.get(_look(node, found)) or _owner(node, found, "", tree)
    found.update(_constants(order, found, tree))
    return {id(node): found[id(node)] for node in order if found.get(id(node))}


def _combining(order: Sequence[Value], tree: ModuleTree) -> dict[int, str]:
    """Owners by rule 1: of parameters, of what combines them with something else, and "" for penalties."""
    computed: dict[int, str] = {}  # from parameters alone
    parameters = tree.parameters
    found: dict[int, str] = {}
    for node in reversed(order):
        operands = node.parents
        held = [parameters[id(x)] for x in operands if id(x) in parameters]
        held += [computed[id(x)] for x in operands if id(x) in computed]
        if node.is_leaf:
            if id(node) in parameters:
                found[id(node)] = parameters[id(node)]
        elif held and _is_of_parameters_alone(node, operands, tree, computed):
            computed[id(node)] = tree.common(held)
        elif any(id(x) in parameters for x in operands) or (held and node.op not in _SUMS):
            found[id(node)] = tree.common(held)
    combined = [node for node in order if id(node) in found]
    used = {id(operand) for node in combined for operand in node.parents}
    for node in order:
        if id(node) in computed:
            # A norm of weights that no part of the model uses is a penalty.
            found[id(node)] = computed[id(node)] if id(node) in used else ""
            if id(node) in used:
                used.update(map(id, node.parents))
    return found


def _is_of_parameters_alone(
    node: Value, operands: Sequence[Value], tree: ModuleTree, computed: Mapping[int, str]
) -> bool:
    rest = [x for x in operands if id(x) not in tree.parameters and id(x) not in computed]
    if not rest or node.op == "pow":  # w ** 2
        return all(x.is_constant for x in rest)
    # A constant that meets a parameter itself is an input, as in 3.0 * w.
    return all(x.is_constant for x in rest) and not any(id(x) in tree.parameters for x in operands)


def _users(order: Sequence[Value], found: Mapping[int, str], tree: ModuleTree) -> dict[int, str]:
    """For each node below one that combines parameters: the smallest module that holds all of the nearest of these."""
    used_in: dict[int, str] = {}
    for node in order:
        user = found.get(id(node)) or used_in.get(id(node))
        if user is None:
            continue
        for operand in node.parents:
            if not operand.is_leaf:
                before = used_in.get(id(operand), user)
                used_in[id(operand)] = user if before == user else tree.common([before, user])
    return used_in


def _constants(order: Sequence[Value], found: Mapping[int, str], tree: ModuleTree) -> dict[int, str]:
    """Owners of constants that a module brings along, such as the epsilon of a normalisation; inputs have none."""
    owner: dict[int, str] = {}
    for node in order:
        combines = any(id(operand) in tree.parameters for operand in node.parents)
        for operand, place in zip(node.parents, places(node) if node.parents else (), strict=True):
            if operand.is_constant and id(operand) not in tree.parameters:
                # What meets a weight is an input, but for the bias 0 of a dot.
                user = found.get(id(node), "") if not combines or (node.op == "dot" and place == 2) else ""
                owner[id(operand)] = user if owner.get(id(operand), user) == user else ""
    return owner


def _look(node: Value, found: Mapping[int, str]) -> Hashable:
    return node.op, tuple((operand.op, found.get(id(operand), "")) for operand in node.parents[:_FEW])


def _owner(node: Value, found: Mapping[int, str], used_in: str, tree: ModuleTree) -> str:
    """Rules 2 to 4, for a node whose operands have their owners already."""
    above = [found.get(id(operand), "") for operand in node.parents if not operand.is_leaf]
    owning = list(dict.fromkeys(filter(None, above)))
    if not owning:  # of inputs: what the module that uses it begins with, or what was done before the model
        return tree.known_for(node.op, used_in) if used_in else ""
    latest = [path for path in owning if not any(tree.follows(other, path) for other in owning)]
    known = tree.known_for(node.op, latest[0], used_in) if len(latest) == 1 and all(above) else ""
    if known or latest != owning:
        return known or tree.common(latest)
    if not used_in:  # the model has ended
        return owning[0] if len(owning) == 1 and len(above) > 1 and all(above) and node.op in _SUMS else ""
    if len(owning) == 1 or used_in in owning:
        return owning[0] if len(owning) == 1 else used_in
    return tree.common([*owning, used_in])
