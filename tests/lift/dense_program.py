"""A network of two layers, its mean squared error and the gradients of that, as groups written by hand."""

from __future__ import annotations

import numpy as np

from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref, Term

INPUTS, HIDDEN, OUTPUTS = 5, 6, 3


def reads(group: int, *axes: int) -> Ref:
    """A group read along those axes, one for each of its own."""
    return Ref(group, tuple(Index(0, ((axis, 1),)) for axis in axes))


def dense_program() -> Groups:
    """Its results: the error, its gradients for W1, b1 and W2, and the residuals of each sample."""
    h, o = (HIDDEN,), (OUTPUTS,)
    groups = [
        Group("input", (HIDDEN, INPUTS), path="W1"),
        Group("input", h, path="b1"),
        Group("input", (OUTPUTS, HIDDEN), path="W2"),
        Group("input", (INPUTS,), path="x", batched=True),
        Group("input", o, path="y", batched=True),
        Group("sum", h, terms=(Term((reads(0, 0, 1), reads(3, 1)), (INPUTS,)), Term((reads(1, 0),))), batched=True),
        Group("map", h, "tanh", (reads(5, 0),), batched=True),
        Group("sum", o, terms=(Term((reads(2, 0, 1), reads(6, 1)), h), Term((reads(4, 0),), sign=-1.0)), batched=True),
        Group("sum", (), terms=(Term((reads(7, 0), reads(7, 0)), o),), over="mean"),
        Group("sum", o, terms=(Term((reads(7, 0),)), Term((reads(7, 0),))), batched=True),
        Group("sum", (OUTPUTS, HIDDEN), terms=(Term((reads(9, 0), reads(6, 1))),), over="mean"),
        Group("constant", (), data=np.array(1.0)),
        Group("sum", h, terms=(Term((reads(11),)), Term((reads(6, 0), reads(6, 0)), sign=-1.0)), batched=True),
        Group("sum", h, terms=(Term((reads(2, 1, 0), reads(9, 1)), o),), batched=True),
        Group("map", h, "mul", (reads(13, 0), reads(12, 0)), batched=True),
        Group("sum", (HIDDEN, INPUTS), terms=(Term((reads(14, 0), reads(3, 1))),), over="mean"),
        Group("sum", h, terms=(Term((reads(14, 0),)),), over="mean"),
    ]
    outputs = [
        Output(None, reads(8)),
        Output((HIDDEN, INPUTS), reads(15, 0, 1)),
        Output(h, reads(16, 0)),
        Output((OUTPUTS, HIDDEN), reads(10, 0, 1)),
        Output(o, reads(7, 0), batched=True),
    ]
    return Groups(groups, [0, 1, 2, 3, 4], outputs)


def dense_inputs(samples: int, seed: int = 0) -> list[np.ndarray]:
    """Numbers for its inputs."""
    generator = np.random.default_rng(seed)
    shapes = [(HIDDEN, INPUTS), (HIDDEN,), (OUTPUTS, HIDDEN), (INPUTS, samples), (OUTPUTS, samples)]
    return [generator.normal(size=shape) for shape in shapes]
