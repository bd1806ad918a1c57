"""Names for the statements of a program, as a text book would give them: W1, b1, z1, a1, loss, d1, grad_W1.

Paths and labels come from strangers. A name is put together from ASCII letters, digits and underscores only, is none
of Python's or NumPy's own, and is short; whatever a path holds besides is dropped.

What each is called: an input after its path; ``z`` a forward sum with a contraction (a pre-activation); ``a`` the map
of one that a later contraction reads (an activation); ``loss`` the first output, where gradients follow; ``d`` a
backward array that a contraction reads (∂loss/∂z, with the number of its z); ``h`` what one step of a loop hands over
to the next, ``dh`` where that is a derivative; ``grad_`` + an input's name an output that stands where that input's
gradient would; ``c`` constants; ``t`` the rest.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter

import numpy as np

from tinygrad_lite.lift.ir.groups import Group, Groups, Output, Term
from tinygrad_lite.operations import ops

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*|[0-9]+")
_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_LONGEST = 32
_PARAMETERS = {"weight": "W", "weights": "W", "w": "W", "W": "W", "kernel": "W", "bias": "b", "biases": "b", "b": "b"}
_TEMPORARY = re.compile(r"t[0-9]+\Z")
#: What generated source uses besides: the samples' number, its own constants and functions.
_OWN = {"n", "program", "np", "jnp", "jax", "numpy", "sliding_window_view", "scan", "take_window"}
_TAKEN = frozenset({*dir(builtins), *keyword.kwlist, *keyword.softkwlist, *dir(np), *vars(np), *_OWN})


def is_safe(name: str) -> bool:
    """Whether generated source may use it for an array: an ASCII identifier that means nothing else there.

    >>> is_safe("W1"), is_safe("lambda"), is_safe("exp"), is_safe("__class__"), is_safe("x; import os")
    (True, False, False, False, False)
    """
    return (
        bool(_SAFE.match(name))
        and len(name) <= _LONGEST
        and "__" not in name
        and name not in _TAKEN
        and name not in ops.TABLE
        and name not in ops.DEFINED
    )


def is_temporary(name: str) -> bool:
    """Whether it is one of the names ``t1``, ``t2`` ... that stand for nothing in particular."""
    return bool(_TEMPORARY.match(name))


def name_groups(program: Groups) -> None:
    """Set the name of each group: a safe identifier that no other group has.

    Args:
        program: The program whose groups are named.
    """
    names = _Names()
    _name_inputs(program, names)
    forward = find_forward_groups(program)
    _name_results(program, names, forward)
    _name_states(program, names, forward)
    _name_activations(program, names, forward)
    _name_deltas(program, names, forward)
    for number, group in enumerate(program.groups):
        if number not in names.given:
            names.count(number, "c" if group.kind == "constant" else "t")
    for number, group in enumerate(program.groups):
        group.name = names.given[number]


def find_forward_groups(program: Groups) -> set[int]:
    """Find the groups that the first output needs, if it is one number and others follow; otherwise all."""
    groups = program.groups
    if any(group.role for group in groups):
        return {number for number, group in enumerate(groups) if group.role != "backward"}
    if len(program.outputs) < 2 or program.outputs[0].shape not in (None, ()):
        return set(range(len(groups)))
    return program.find_needed([program.outputs[0].ref.group])


def is_contraction(program: Groups, group: Group, term: Term) -> bool:
    """Whether the term is a product of two arrays, neither constant, that is summed over axes or samples."""
    kinds = [program.groups[factor.group].kind for factor in term.factors]
    if len(kinds) != 2 or "constant" in kinds:
        return False
    over_samples = not group.batched and any(program.groups[factor.group].batched for factor in term.factors)
    return any(size > 1 for size in term.reduced) or over_samples


def is_dot_product(program: Groups, group: Group, term: Term) -> bool:
    """Whether both factors of a contraction vary along the same axes: a sum of products one by one."""
    sizes = group.shape + term.reduced
    left, right = (
        {axis for index in factor.index for axis in index.depends_on() if sizes[axis] > 1}
        | {-1 for _ in range(program.groups[factor.group].batched)}
        for factor in term.factors
    )
    return left == right


class _Names:
    """Names given so far, each to one group."""

    def __init__(self) -> None:
        self.given: dict[int, str] = {}
        self._used: set[str] = set()
        self._counts: Counter[str] = Counter()

    def give(self, number: int, name: str) -> None:
        """Give a group that name, or where it is taken or means something else, that name with the next free number."""
        name = name[: _LONGEST - 8].replace("__", "_").rstrip("_") or "x"
        if name in self._used or not is_safe(name):
            self.count(number, name + "_" if name[-1].isdigit() else name)
        else:
            self._set(number, name)

    def count(self, number: int, prefix: str) -> None:
        """Give a group the prefix with the next free number."""
        while True:
            self._counts[prefix] += 1
            name = f"{prefix}{self._counts[prefix]}"
            if name not in self._used and is_safe(name):
                return self._set(number, name)

    def _set(self, number: int, name: str) -> None:
        self.given[number] = name
        self._used.add(name)


def _name_inputs(program: Groups, names: _Names) -> None:
    paths = [_WORD.findall(program.groups[number].path[-400:]) for number in program.inputs]
    layers = list(dict.fromkeys([tuple(words[:-1]) for words in paths if _abbreviate(words) and _is_numbered(words)]))
    wanted = [_choose_input_name(words, layers) for words in paths]
    several = Counter(wanted)
    for number, name in zip(program.inputs, wanted, strict=True):
        if several[name] > 1:
            names.count(number, name[: _LONGEST - 8] + ("_" if name[-1].isdigit() else ""))
        else:
            names.give(number, name)


def _choose_input_name(words: list[str], layers: list[tuple[str, ...]]) -> str:
    """Choose what an input of that path is called, if no other wants the same."""
    letter = _abbreviate(words)
    if letter and _is_numbered(words):
        return f"{letter}{layers.index(tuple(words[:-1])) + 1}" if len(layers) > 1 else letter
    if letter:
        return f"{letter}_{words[-2]}"[: _LONGEST - 8]
    places = [place for place, word in enumerate(words) if not word.isdigit()]
    if not places:
        return "x"
    return "_".join(["".join(words[places[-1] : places[-1] + 2]), *words[places[-1] + 2 :]])[: _LONGEST - 8]


def _abbreviate(words: list[str]) -> str:
    """Say W for a weight, b for a bias, nothing for another word; an argument of its own keeps its name."""
    return _PARAMETERS.get(words[-1], "") if len(words) > 1 else ""


def _is_numbered(words: list[str]) -> bool:
    """Whether a parameter's layer has a number, or no name but the argument's or that of a list, which is plural."""
    return len(words) == 2 or words[-2].isdigit() or words[-2].endswith("s")


def _name_results(program: Groups, names: _Names, forward: set[int]) -> None:
    """Name the loss, and the gradients that follow it."""
    groups, outputs = program.groups, program.outputs
    results = [output.ref.group for output in outputs]
    if len(forward) == len(groups) or not outputs:
        return
    first = 0
    if outputs[0].shape in (None, ()) and results[0] in forward:
        first = 1
        if results[0] not in names.given and groups[results[0]].kind != "constant" and not groups[results[0]].initial:
            names.give(results[0], "loss")
    gradients = outputs[first:]
    for start in range(len(program.inputs) - len(gradients) + 1):
        inputs = program.inputs[start : start + len(gradients)]
        if all((output.shape or ()) == groups[number].shape for output, number in zip(gradients, inputs, strict=True)):
            break
    else:
        return
    for output, number in zip(gradients, inputs, strict=True):
        result = output.ref.group
        if result not in forward and result not in names.given and _is_whole(output, groups[result]):
            names.give(result, f"grad_{names.given[number]}")


def _is_whole(output: Output, group: Group) -> bool:
    """Whether a result is a group's array as it is, or with axes of length 1 besides."""
    shape = output.shape or ()
    axes = [axis for axis, size in enumerate(shape) if size > 1 or shape == group.shape]
    places = [(index.offset, index.steps) for index in output.ref.index if index.table is None]
    return tuple(shape[axis] for axis in axes) == group.shape and places == [(0, ((axis, 1),)) for axis in axes]


def _name_states(program: Groups, names: _Names, forward: set[int]) -> None:
    """Name what one step of a loop hands over to the next."""
    for number in program.find_loops():
        if program.groups[number].initial and number not in names.given:
            names.count(number, "h" if number in forward else "dh")


def _name_activations(program: Groups, names: _Names, forward: set[int]) -> None:
    read_by_contractions = _find_read_together(program, forward)
    activations: dict[int, str] = {}
    for number in sorted(forward):
        group = program.groups[number]
        if number in names.given:
            continue
        if group.kind == "sum" and any(
            is_contraction(program, group, term) and not is_dot_product(program, group, term) for term in group.terms
        ):
            names.count(number, "z")
            activations[number] = "a" + names.given[number][1:]
        elif group.kind == "map" and number in read_by_contractions:
            operands = {ref.group for ref in group.operands if program.groups[ref.group].kind != "constant"}
            name = activations.pop(operands.pop(), "") if len(operands) == 1 else ""
            if name:
                names.give(number, name)


def _name_deltas(program: Groups, names: _Names, forward: set[int]) -> None:
    """Name backward operands of contractions: each has the number of the z whose adjoint it is, if plain."""
    backward = set(range(len(program.groups))) - forward
    beside = _find_read_together(program, backward)
    activations = [number for number, name in names.given.items() if name.startswith("z") and number in forward]
    reads = {z: {ref.group for ref in program.groups[z].refs()} for z in activations}
    unnamed: list[int] = []
    adjoints: dict[int, int] = {}
    for delta in beside:
        if delta not in backward or delta in names.given or program.groups[delta].kind == "constant":
            continue
        likeness = {
            z: sum(other in reads[z] for _, other in beside[delta])
            + sum(names.given.get(reader) in _list_gradients(names, reads[z]) for reader, _ in beside[delta])
            for z in activations
            if program.groups[z].shape == program.groups[delta].shape
        }
        z = max(likeness, key=lambda z: (likeness[z], z), default=-1)
        if z >= 0 and likeness[z] > 0:
            names.give(delta, "d" + names.given[z][1:])
            activations.remove(z)
            adjoints[delta] = z
        else:
            unnamed.append(delta)
    for delta in unnamed:
        names.count(delta, "d")
    for number in sorted(backward - names.given.keys()):
        parameter, turned = _find_parameter(program, program.groups[number], adjoints)
        shape = program.groups[number].shape
        if parameter >= 0 and (shape[::-1] if turned else shape) == program.groups[parameter].shape:
            names.give(number, f"grad_{names.given[parameter]}{'_T' if turned else ''}")


def _find_parameter(program: Groups, group: Group, adjoints: dict[int, int]) -> tuple[int, bool]:
    """Find the input whose gradient it is, and whether it is transposed: what stands beside a factor of z, or alone."""
    if group.kind != "sum" or len(group.terms) != 1:
        return -1, False
    delta = next((factor for factor in group.terms[0].factors if factor.group in adjoints), None)
    if delta is None:
        return -1, False
    others = [factor.group for factor in group.terms[0].factors if factor is not delta]
    z = program.groups[adjoints[delta.group]]
    for term in z.terms:
        rest = [factor for factor in term.factors if factor.group not in others]
        if len(term.factors) == len(others) + 1 and len(rest) == 1 and term.sign == group.terms[0].sign:
            parameter = program.groups[rest[0].group]
            if parameter.kind != "input" or parameter.batched != group.batched:
                continue  # a target, say: a sum over the samples is not its gradient
            rows = [any(axis < len(z.shape) for axis in index.depends_on()) for index in rest[0].index]
            own = [any(axis in index.depends_on() for index in delta.index) for axis in range(len(group.shape))]
            if rows in (own, own[::-1]):
                return rest[0].group, rows != own
    return -1, False


def _list_gradients(names: _Names, inputs: set[int]) -> set[str]:
    return {f"grad_{names.given[number]}" for number in inputs if number in names.given}


def _find_read_together(program: Groups, numbers: set[int]) -> dict[int, list[tuple[int, int]]]:
    """Find for each group that a contraction reads which group contracts it, and with which other."""
    found: dict[int, list[tuple[int, int]]] = {}
    for number in sorted(numbers):
        group = program.groups[number]
        for term in group.terms:
            if is_contraction(program, group, term):
                left, right = term.factors
                found.setdefault(left.group, []).append((number, right.group))
                found.setdefault(right.group, []).append((number, left.group))
    return found
