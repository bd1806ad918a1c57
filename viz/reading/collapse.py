"""What a picture draws as one box: a node, nodes of the same shape, or all that belongs to a module.

Where the modules are known, the picture shows the smallest ones that leave it readable (neurons, then layers, then the
model); the rest, the loss say, is grouped by shape (:mod:`tinygrad_lite.viz.reading.shape_groups`), finely at first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tinygrad_lite.value import Value
from tinygrad_lite.viz.reading.modules import ModuleTree
from tinygrad_lite.viz.reading.shape_groups import fitting_colours

#: A picture with more lines than this many for each node that it may have is a thicket, and is collapsed further.
_LINKS_PER_NODE: Final = 2


class Box(NamedTuple):
    """What is drawn as one."""

    #: in topological order
    nodes: list[Value]
    #: the module that it is; "" for nodes
    module: str = ""
    #: the innermost module that is drawn as a frame around it
    frame: str = ""


class Wishes(NamedTuple):
    """What the user asked to be collapsed and expanded."""

    #: None: above ``max_nodes``; True and False: always, never
    collapse: bool | None
    #: only these modules
    collapsed: frozenset[str]
    #: modules that are drawn node by node, and those around them
    opened: frozenset[str]
    #: nodes that are not to vanish in a group
    nodes: frozenset[int]


def wishes(collapse: Any, expand: Any, tree: ModuleTree | None) -> Wishes:
    """Return the options ``collapse`` and ``expand``, checked.

    Args:
        collapse: None, True, False, or modules to be collapsed, by path or by class, one or several.
        expand: Modules and Values to be drawn in full, one or several.
        tree: The modules that are known.

    Raises:
        TypeError: They are of another type.
        ValueError: There is no such module.

    >>> wishes(True, (), None).collapse
    True
    """
    collapsed: set[str] = set()
    if not (collapse is None or isinstance(collapse, bool)):
        for name in _each(collapse, "collapse", (str,)):
            collapsed.update(_matching(name, "collapse", tree))
        collapse = None
    opened: set[str] = set()
    nodes = []
    for thing in _each(expand, "expand", (str, Value)):
        if isinstance(thing, Value):
            nodes.append(id(thing))
        else:
            for path in _matching(thing, "expand", tree):
                opened.update(tree.lineage(path) if tree is not None else ())
    return Wishes(collapse, frozenset(collapsed), frozenset(opened), frozenset(nodes))


def boxes(
    order: Sequence[Value],
    owner: Mapping[int, str],
    tree: ModuleTree | None,
    wished: Wishes,
    max_nodes: int,
) -> list[Box]:
    """Return the boxes of a picture, in the order of the first node of each.

    Args:
        order: The nodes to draw, in topological order.
        owner: The path of the module to which each belongs, as :func:`owners` finds it.
        tree: The modules, or None.
        wished: What to collapse and to expand.
        max_nodes: Above how many nodes the picture is collapsed by itself.

    Returns:
        Each node is in one box.

    >>> from tinygrad_lite.value import topological_order
    >>> from tinygrad_lite import mean
    >>> loss = mean([Value(float(i)).tanh() for i in range(100)])
    >>> found = boxes(topological_order(loss, leaves=True), {}, None, wishes(None, (), None), 50)
    >>> [(box.nodes[0].op, len(box.nodes)) for box in found]
    [('mean', 1), ('tanh', 100), ('', 100)]
    """
    plain = wished.collapse is False or (wished.collapse is None and len(order) <= max_nodes)
    if plain and not wished.collapsed:
        return [Box([node], frame=_frame(owner.get(id(node), ""), wished)) for node in order]
    if tree is None or not owner:
        return _grouped(order, {}, {}, wished, max_nodes)
    if wished.collapsed:
        modules, frames = _within(order, owner, tree, wished, wished.collapsed)
        rest = len(order) - len(modules) + len(set(modules.values()))
        if rest <= max_nodes or wished.collapse is False:
            return _gathered(order, modules, frames, {})
        return _grouped(order, modules, frames, wished, max_nodes)
    found: list[Box] = []
    for depth in range(tree.deepest, 0, -1):
        modules, frames = _within(order, owner, tree, wished, tree.at_depth(depth))
        count = len(set(modules.values()))
        if depth > 1 and (count > max_nodes or _count_links(order, modules) > _LINKS_PER_NODE * max_nodes):
            continue
        found = _grouped(order, modules, frames, wished, max_nodes)
        if len(found) <= max_nodes:
            break
    return found


def _within(
    order: Sequence[Value], owner: Mapping[int, str], tree: ModuleTree, wished: Wishes, closed: Iterable[str]
) -> tuple[dict[int, str], dict[int, str]]:
    """By node: the outermost closed module that it is in; and for the others the opened one, if they are in one."""
    shut = set(closed)
    box = {"": ""}
    for path, above in tree.above.items():  # from the outside in
        closes = path not in wished.opened and (path in shut or above in wished.opened)
        box[path] = box[above] or (path if closes else "")
    modules: dict[int, str] = {}
    frames: dict[int, str] = {}
    for node in order:
        path = owner.get(id(node), "")
        if box[path]:
            modules[id(node)] = box[path]
            frames[id(node)] = _frame(tree.above[box[path]], wished)
        elif path:
            frames[id(node)] = _frame(path, wished)
    return modules, frames


def _frame(path: str, wished: Wishes) -> str:
    return path if path in wished.opened else ""


def _grouped(
    order: Sequence[Value], modules: Mapping[int, str], frames: Mapping[int, str], wished: Wishes, max_nodes: int
) -> list[Box]:
    """Return the boxes, where it is settled which nodes are in the box of a module, and the others are grouped by
    shape."""
    groups = fitting_colours(order, max_nodes, fixed=modules, classes=frames)
    kept = {groups[key] for key in wished.nodes if key in groups}
    return _gathered(order, modules, frames, {key: colour for key, colour in groups.items() if colour not in kept})


def _gathered(
    order: Sequence[Value], modules: Mapping[int, str], frames: Mapping[int, str], groups: Mapping[int, int]
) -> list[Box]:
    found: dict[Any, Box] = {}
    for node in order:
        key = id(node)
        module = modules.get(key, "")
        box = found.setdefault(
            ("module", module) if module else ("group", groups[key]) if key in groups else key,
            Box([], module, frames.get(key, "")),
        )
        box.nodes.append(node)
    return list(found.values())


def _count_links(order: Sequence[Value], modules: Mapping[int, str]) -> int:
    """How many pairs of modules there are of which one uses the other."""
    links: set[tuple[str, str]] = set()
    for node in order:
        head = modules.get(id(node))
        if head:
            links.update((modules.get(id(operand), head), head) for operand in node.parents)
    return sum(tail != head for tail, head in links)


def _each(things: Any, option: str, kinds: tuple[type, ...]) -> Iterator[Any]:
    if isinstance(things, kinds):
        things = (things,)
    wanted = " or a Value" if Value in kinds else ""
    if isinstance(things, (str, Value)) or not isinstance(things, Iterable):
        raise TypeError(
            f"{option} takes the path of a module such as 'model.layers[0]'{wanted}, or several, not "
            f"{type(things).__name__} {things!r:.80}"
        )
    for thing in things:
        if not isinstance(thing, kinds):
            raise TypeError(
                f"{option} takes paths of modules such as 'model.layers[0]'{wanted.replace(' a ', ' ')}, not "
                f"{type(thing).__name__} {thing!r:.80}"
            )
        yield thing


def _matching(name: str, option: str, tree: ModuleTree | None) -> list[str]:
    """Return the modules that a user means: by the path, or its end, or by the name of the class."""
    known = tree.modules if tree is not None else {}
    found = [path for path in known if path == name] or [
        path for path, module in known.items() if path.endswith(f".{name}") or type(module).__name__ == name
    ]
    if not found:
        there = "no module is known: pass names=locals() or names=model"
        if known:
            there = "there are " + ", ".join(map(repr, list(known)[:8])) + (", ..." if len(known) > 8 else "")
        raise ValueError(f"{option}={name!r}: there is no such module; {there}")
    return found
